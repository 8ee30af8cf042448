/** A MariaDB server for tests: one of Debian's package, in a folder of its own, ended with the test. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { freePort } from './free-port.ts';
import type { SqlServer } from './postgres.ts';
import { findProgram, otherUser } from './programs.ts';
import { makeCertificate } from './tls.ts';
import { until } from './until.ts';

/** Why it cannot be had here; `false` if it can. In CI a missing server is a failure. */
export function mariadbMissing(): string | false {
  if (findProgram('mariadbd') && findProgram('mariadb-install-db')) return false;
  const sentence = 'no MariaDB server: install one, on Debian with apt-get install mariadb-server';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

/** Runs with a database `crm` that the user `reader` may read. */
export async function startMariadb(): Promise<SqlServer> {
  const folder = mkdtempSync(join(tmpdir(), 'grantable-mariadb-'));
  const user = otherUser('mysql');
  const data = join(folder, 'data');
  const socket = join(folder, 'socket');
  const certificate = await makeCertificate(folder);
  for (const path of [folder, certificate.keyFile, certificate.certFile]) {
    if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
  }
  execFileSync(
    findProgram('mariadb-install-db') as string,
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
    { ...user, stdio: 'ignore' },
  );
  const port = await freePort();
  const password = 'reader-of-the-crm';
  const child = spawn(
    findProgram('mariadbd') as string,
    [
      ...[
        '--no-defaults',
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${socket}`,
      ],
      ...[`--ssl-cert=${certificate.certFile}`, `--ssl-key=${certificate.keyFile}`],
      ...['--innodb-flush-log-at-trx-commit=0', '--skip-log-bin', '--skip-name-resolve'],
      ...[
        `--pid-file=${join(folder, 'pid')}`,
        '--character-set-server=utf8mb4',
        '--innodb-buffer-pool-size=32M',
      ],
    ],
    { ...user, stdio: 'ignore' },
  );
  const run: SqlServer['run'] = async (text, database = 'crm') => {
    const connection = await createConnection({
      socketPath: socket,
      user: 'root',
      database,
      multipleStatements: true,
    });
    try {
      const [rows] = await connection.query(text);
      return rows as unknown as Record<string, unknown>[];
    } finally {
      await connection.end();
    }
  };
  await until('the server answers', () =>
    run('CREATE DATABASE crm', 'mysql').catch((error) => {
      if (child.exitCode !== null) throw error;
      return undefined;
    }),
  );
  await run(
    `CREATE USER reader@'127.0.0.1' IDENTIFIED BY '${password}'; GRANT SELECT ON crm.* TO reader@'127.0.0.1'`,
    'mysql',
  );
  return {
    port,
    username: 'reader',
    password,
    child,
    certificate,
    run,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
