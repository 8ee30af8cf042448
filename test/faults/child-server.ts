/** The server as a process of its own, which can be killed and started again on the same folder and port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { childEnv } from '../support/programs.ts';
import { basic, FIXTURE } from '../support/server.ts';
import { until } from '../support/until.ts';

/** Nothing that is asked here takes that long. */
const ANSWER_MS = 120_000;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.js');

export interface ChildServer extends AsyncDisposable {
  readonly issuer: string;
  readonly dataDir: string;
  /** Of the process that runs. */
  readonly pid: number | undefined;
  /** Starts it and waits until `path` is answered with 200, by default until it is ready. */
  start(path?: string): Promise<void>;
  /** SIGKILL: nothing of it runs on. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export function secretOf(clientId: string): string {
  return `secret-of-${clientId}-`.padEnd(40, 'x');
}

export async function createChildServer(
  options: {
    readonly dataDir?: string;
    readonly port?: number;
    readonly env?: Record<string, string>;
    /** A file for its standard output, instead of nothing. */
    readonly stdout?: number;
  } = {},
): Promise<ChildServer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'grantable-fault-')));
  const port = options.port ?? (await freePort());
  const issuer = `http://localhost:${port}`;
  const apply = join(dataDir, 'apply.json');
  if (options.dataDir === undefined) await writeFile(apply, JSON.stringify(FIXTURE));
  let child: ChildProcess | undefined;

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null) return running?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => running.once('exit', (code) => resolve(code)));
    running.kill(signal);
    return ended;
  }

  return {
    issuer,
    dataDir,
    get pid() {
      return child?.pid;
    },
    async start(path = '/readyz') {
      const started = spawn(process.execPath, ['--max-semi-space-size=32', MAIN, 'serve'], {
        env: {
          ...childEnv,
          GRANTABLE_DATA_DIR: dataDir,
          GRANTABLE_PORT: String(port),
          GRANTABLE_APPLY: apply,
          GRANTABLE_BCRYPT_COST: '4',
          GRANTABLE_LOG_LEVEL: 'error',
          GRANTABLE_AUTHORIZATION_LIMIT: '100000/1m',
          ...options.env,
        },
        stdio: ['ignore', options.stdout ?? 'ignore', 'inherit'],
      });
      child = started;
      await until(`the server answers ${path}`, () => {
        if (started.exitCode !== null) throw new Error(`the server ended with ${started.exitCode}`);
        return fetch(issuer + path).then(
          (response) => response.status === 200,
          () => false,
        );
      });
    },
    async kill() {
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Several on one store. The others answer for the first one's issuer, each under a name of its own. */
export async function createChildServers(count: number, env: Record<string, string>): Promise<ChildServer[]> {
  const first = await createChildServer({ env });
  const servers = [first];
  while (servers.length < count) {
    const port = await freePort();
    const own = { GRANTABLE_ISSUER: first.issuer, GRANTABLE_HOSTS: `localhost:${port}` };
    servers.push(await createChildServer({ dataDir: first.dataDir, port, env: { ...env, ...own } }));
  }
  return servers;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, any>;
}

/** A form, authenticated as `client`; undefined when the server went away before it answered, or hangs. */
export async function ask(
  issuer: string,
  path: string,
  client: string,
  form: Record<string, string>,
): Promise<Answer | undefined> {
  try {
    const response = await fetch(issuer + path, {
      method: 'POST',
      headers: { accept: 'application/json', authorization: basic(client, secretOf(client)) },
      body: new URLSearchParams(form),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) };
  } catch {
    return undefined;
  }
}
