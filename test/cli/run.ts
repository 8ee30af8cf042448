/** Commands, run in this process or as the real one, over a data folder of their own. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CommandIo } from '../../src/cli/command.ts';
import { runCommand } from '../../src/cli/run.ts';
import { createServer } from '../../src/server.ts';
import { freePort } from '../support/free-port.ts';
import { childEnv } from '../support/programs.ts';
import type { TestServer } from '../support/server.ts';

export const MAIN = new URL('../../src/main.js', import.meta.url).pathname;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Terminal {
  readonly dataDir: string;
  readonly env: Record<string, string>;
  /** In this process. */
  run(args: readonly string[], io?: Partial<CommandIo> & { input?: string }): Promise<Outcome>;
  /** As a process of its own. */
  spawn(args: readonly string[], env?: Record<string, string>): Promise<Outcome>;
}

/** A command in this process. */
async function runHere(
  args: readonly string[],
  { input = '', ...io }: Pick<CommandIo, 'env' | 'cwd'> & Partial<CommandIo> & { input?: string },
): Promise<Outcome> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCommand(args, {
    stdin: (async function* () {
      yield Buffer.from(input);
    })(),
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    now: Date.now,
    stopRequested: () => Promise.resolve(),
    startServer: createServer,
    ...io,
  });
  return { code, out: out.join(''), err: err.join('') };
}

/** A command in this process, over the store of a server that runs. */
export function runBeside(
  server: TestServer,
  args: readonly string[],
  { env: more, ...io }: Partial<CommandIo> & { input?: string } = {},
): Promise<Outcome> {
  const { storage } = server.server.foundations.config;
  const env = {
    GRANTABLE_DATA_DIR: server.dataDir,
    GRANTABLE_ISSUER: server.issuer,
    GRANTABLE_LOG_LEVEL: 'silent',
    GRANTABLE_BCRYPT_COST: '4',
    ...(storage.kind === 'mongodb' && { GRANTABLE_STORAGE: storage.url }),
    ...more,
  };
  return runHere(args, { env, cwd: server.dataDir, ...io });
}

export async function openTerminal(t: TestContext, env: Record<string, string> = {}): Promise<Terminal> {
  const dataDir = await mkdtemp(join(tmpdir(), 'grantable-cli-'));
  t.after(() => rm(dataDir, { recursive: true }));
  const whole = {
    GRANTABLE_DATA_DIR: dataDir,
    GRANTABLE_BCRYPT_COST: '4',
    GRANTABLE_LOG_LEVEL: 'silent',
    GRANTABLE_PORT: String(await freePort()),
    ...env,
  };
  return {
    dataDir,
    env: whole,
    run: (args, { input = '', ...io } = {}) => runHere(args, { input, env: whole, cwd: dataDir, ...io }),
    spawn: (args, more = {}) =>
      new Promise((resolve) => {
        const options = { cwd: dataDir, env: { ...childEnv, ...whole, ...more } };
        execFile(process.execPath, [MAIN, ...args], options, (error, out, err) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, out, err });
        });
      }),
  };
}

/** A process that goes on until it is told to stop. */
export function start(terminal: Terminal, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: terminal.dataDir,
    env: { ...childEnv, ...terminal.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stdout.on('data', (data) => said.push(String(data)));
  child.stderr.on('data', (data) => said.push(String(data)));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  return { child, ended, said: () => said.join('') };
}

export function childrenOf(pid: number | undefined): number[] {
  try {
    const listed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    return listed
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(Number);
  } catch {
    return [];
  }
}
