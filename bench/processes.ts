/** Servers as child processes, each on the first core where the machine lets us choose. */
import { type ChildProcess, execFileSync, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../test/support/free-port.ts';
import { until } from '../test/support/until.ts';

/** What the bare engine says of itself. */
export interface Seed {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshTokens: string[];
}

const NO_SEED: Seed = { clientId: '', clientSecret: '', refreshTokens: [] };

export interface BenchServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from spawn to the first 200 of readiness. */
  readonly readyAfter: number;
  readonly seed: Seed;
  /** What another process on the same store is started with. */
  readonly env: Record<string, string>;
  /** Resident memory in MB. */
  memory(): number;
  /** Seconds of processor time that it and its workers have used. */
  cpu(): number;
  stop(): Promise<void>;
  /** For a run that fails: nothing stays behind. */
  kill(): void;
}

const SERVER_CORE = '0';
const LOAD_CORE = '1';

const canPin = (() => {
  try {
    execFileSync('taskset', ['-c', `${SERVER_CORE},${LOAD_CORE}`, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Moves this process, which makes the load, to the core beside the servers'. @returns whether that worked */
export function pinLoad(): boolean {
  if (canPin)
    execFileSync('taskset', ['-a', '-p', '-c', LOAD_CORE, String(process.pid)], { stdio: 'ignore' });
  return canPin;
}

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** `ps` fails when it has nothing to list. */
function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.split('\n').map(Number).filter(Boolean);
}

function cpuOf(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => {
    const fields = readFileSync(`/proc/${each}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS;
  }, 0);
}

interface StartOptions {
  readonly env: Record<string, string>;
  /** Their numbers; the first one unless said otherwise. */
  readonly cores?: string | undefined;
  readonly stdio: StdioOptions;
}

function start(args: readonly string[], { env, cores = SERVER_CORE, stdio }: StartOptions): ChildProcess {
  const node = ['--max-semi-space-size=32', ...args];
  const [command, commandArgs] = canPin
    ? ['taskset', ['-c', cores, process.execPath, ...node]]
    : [process.execPath, node];
  return spawn(command, commandArgs, { env: { ...process.env, ...env }, stdio });
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  await until(`${url} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    return status === 200;
  });
}

function toServer(
  child: ChildProcess,
  facts: Pick<BenchServer, 'url' | 'readyAfter' | 'seed' | 'env'>,
): BenchServer {
  return {
    ...facts,
    pid: child.pid ?? 0,
    memory() {
      const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      return Number(kb) / 1024;
    },
    cpu: () => cpuOf(child.pid ?? 0),
    kill: () => {
      if (child.exitCode === null) child.kill('SIGKILL');
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Starts one of `servers`, which says on one line of JSON that it is ready. */
async function startPlain(file: string, env: Record<string, string>): Promise<BenchServer> {
  const port = await freePort();
  const began = performance.now();
  const child = start([join(import.meta.dirname, 'servers', file)], {
    env: { ...env, BENCH_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const seed = await new Promise<Seed>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk;
      // The engine prints notices of its own before.
      const line = output
        .split('\n')
        .find((candidate) => candidate.startsWith('{') && candidate.endsWith('}'));
      if (line) resolve(JSON.parse(line));
    });
  });
  const url = `http://localhost:${port}`;
  return toServer(child, { url, readyAfter: performance.now() - began, seed, env: {} });
}

/** @param refreshTokens how many it makes at start */
export function startBareEngine(refreshTokens: number): Promise<BenchServer> {
  return startPlain('bare-engine.ts', { BENCH_REFRESH_TOKENS: String(refreshTokens) });
}

export async function startFloor(): Promise<BenchServer> {
  return startPlain('floor.ts', { BENCH_FOLDER: await mkdtemp(join(tmpdir(), 'grantable-floor-')) });
}

async function serve(dataDir: string, env: Record<string, string>, cores?: string): Promise<BenchServer> {
  const port = await freePort();
  const began = performance.now();
  const whole = {
    GRANTABLE_DATA_DIR: dataDir,
    GRANTABLE_PORT: String(port),
    ...env,
  };
  // The log as shipped, in a file: read through a pipe, it would cost the process that makes the load.
  const logFile = join(dataDir, 'server.log');
  const log = openSync(logFile, 'w');
  const child = start([join(import.meta.dirname, '..', 'src', 'main.js'), 'serve'], {
    env: whole,
    cores,
    stdio: ['ignore', log, 'inherit'],
  });
  const url = `http://localhost:${port}`;
  await untilReady(`${url}/readyz`, child);
  const readyAfter = performance.now() - began;
  if (Number(env.GRANTABLE_WORKERS ?? 1) > 1) {
    await until('all workers are ready', () =>
      readFileSync(logFile, 'utf8').includes('all workers are ready'),
    );
  }
  return toServer(child, { url, readyAfter, seed: NO_SEED, env: whole });
}

/**
 * The server as `npm start` starts it, with durable settings, over a store that is filled already: the first start
 * hashes the password of everybody in the file, which is not what a start takes.
 * @param apply its directory
 * @param cores that it may use, by their numbers; the first one unless said otherwise
 */
export async function startGrantable(
  apply: object,
  env: Record<string, string> = {},
  cores?: string,
): Promise<BenchServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'grantable-bench-'));
  const file = join(dataDir, 'apply.json');
  await writeFile(file, JSON.stringify(apply));
  await (await serve(dataDir, { ...env, GRANTABLE_WORKERS: '1', GRANTABLE_APPLY: file }, cores)).stop();
  return serve(dataDir, env, cores);
}
