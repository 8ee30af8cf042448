/** Starts the server as an operator does, and says what that took. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { timeOf } from '../timing/compare.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
/** Without `node`. */
const START = scripts.start.split(' ').slice(1);

export interface Start {
  readonly readyMs: number;
  /** Processor time until then. */
  readonly cpuMs: number;
  readonly residentMb: number;
}

/** Starts the server, and stops it so that it keeps its compiled code. */
export async function measureStart(dataDir: string): Promise<Start> {
  const child = spawn(process.execPath, START, {
    env: { PATH: process.env.PATH, GRANTABLE_DATA_DIR: dataDir, GRANTABLE_PORT: String(await freePort()) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  const readyMs = await timeOf(() => until('it is ready', () => said.includes('"ready"')));
  const times = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [, resident] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
  child.kill();
  await ended;
  return {
    readyMs,
    cpuMs: (Number(times[11]) + Number(times[12])) * 10,
    residentMb: Number(resident) / 1024,
  };
}
