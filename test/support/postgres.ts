/** A PostgreSQL server for tests: one of Debian's package, in a folder of its own, ended with the test. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.ts';
import { findProgram, otherUser, signalAll } from './programs.ts';
import { type Certificate, makeCertificate } from './tls.ts';
import { until } from './until.ts';

const VERSIONS = '/usr/lib/postgresql';

export interface SqlServer extends AsyncDisposable {
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly child: ChildProcess;
  /** For TLS; its certificate is for `localhost`. */
  readonly certificate: Certificate;
  /** As the server's owner. */
  run(text: string, database?: string): Promise<Record<string, unknown>[]>;
}

export interface PostgresServer extends SqlServer {
  /** Ends all connections. */
  restart(): Promise<void>;
}

/** Why it cannot be had here; `false` if it can. In CI a missing server is a failure. */
export function postgresMissing(): string | false {
  if (findProgram('initdb', VERSIONS)) return false;
  const sentence = 'no PostgreSQL server: install one, on Debian with apt-get install postgresql';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

/** Runs with a database `crm` that the user `reader` may connect to. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'grantable-postgres-'));
  const user = otherUser('postgres');
  const data = join(folder, 'data');
  const certificate = await makeCertificate(folder);
  for (const path of [folder, certificate.keyFile, certificate.certFile]) {
    if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
  }
  const initdb = findProgram('initdb', VERSIONS) as string;
  execFileSync(initdb, ['-D', data, '-U', 'owner', '--auth=trust', '--no-sync', '-E', 'UTF8'], {
    ...user,
    stdio: 'ignore',
  });
  const port = await freePort();
  const password = 'reader-of-the-crm';
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'host all owner 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
  );
  const start = () =>
    spawn(
      findProgram('postgres', VERSIONS) as string,
      [
        ...['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder],
        // In the folder, so that a server that is killed leaves nothing behind.
        ...['-c', 'dynamic_shared_memory_type=mmap'],
        ...['-c', 'fsync=off', '-c', 'ssl=on'],
        ...['-c', `ssl_cert_file=${certificate.certFile}`, '-c', `ssl_key_file=${certificate.keyFile}`],
      ],
      { ...user, stdio: 'ignore' },
    );
  let child = start();
  const run: SqlServer['run'] = async (text, database = 'crm') => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'owner', database });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  const untilAnswered = (text: string) =>
    until('the server answers', () =>
      run(text, 'postgres').catch((error) => {
        if (child.exitCode !== null) throw error;
        return undefined;
      }),
    );
  await untilAnswered(`CREATE ROLE reader LOGIN PASSWORD '${password}'`);
  await run('CREATE DATABASE crm', 'postgres');
  return {
    port,
    username: 'reader',
    password,
    get child() {
      return child;
    },
    certificate,
    run,
    async restart() {
      child.kill('SIGINT');
      await once(child, 'exit');
      child = start();
      await untilAnswered('SELECT');
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        signalAll(child.pid as number, 'SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
