/** PgBouncer in transaction mode before a PostgreSQL server of the tests, in a folder of its own, ended with the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { findProgram, otherUser } from './programs.ts';
import { until } from './until.ts';

/** Why it cannot be had here; `false` if it can. In CI a missing program is a failure. */
export function pgbouncerMissing(): string | false {
  if (findProgram('pgbouncer')) return false;
  const sentence = 'no PgBouncer: install it, on Debian with apt-get install pgbouncer';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

export interface Pooler extends AsyncDisposable {
  readonly port: number;
}

/**
 * @param port of the PostgreSQL server
 * @param login who may connect
 * @param connections to the server, which all clients share
 */
export async function startPgbouncer(
  port: number,
  login: { readonly username: string; readonly password: string },
  connections: number,
): Promise<Pooler> {
  const folder = mkdtempSync(join(tmpdir(), 'grantable-pgbouncer-'));
  const user = otherUser('postgres');
  const own = await freePort();
  const settings = [
    '[databases]',
    `* = host=127.0.0.1 port=${port}`,
    '[pgbouncer]',
    `listen_addr = 127.0.0.1`,
    `listen_port = ${own}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${join(folder, 'users')}`,
    'pool_mode = transaction',
    `default_pool_size = ${connections}`,
  ];
  writeFileSync(join(folder, 'users'), `"${login.username}" "${login.password}"\n`);
  writeFileSync(join(folder, 'settings'), `${settings.join('\n')}\n`);
  for (const path of [folder, join(folder, 'users'), join(folder, 'settings')]) {
    if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
  }
  const child = spawn(findProgram('pgbouncer') as string, [join(folder, 'settings')], {
    ...user,
    stdio: 'ignore',
  });
  await until('the pooler answers', async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: own,
      user: login.username,
      password: login.password,
      database: 'crm',
    });
    try {
      await client.connect();
      return await client.query('SELECT 1');
    } catch (error) {
      if (child.exitCode !== null) throw error;
      return undefined;
    } finally {
      await client.end();
    }
  });
  return {
    port: own,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
