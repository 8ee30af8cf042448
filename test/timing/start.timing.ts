import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { median, timeOf } from './compare.ts';

const ROUNDS = 5;
const READY_MS = 800;
const IDLE_MB = 120;
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
/** Without `node`. */
const START = scripts.start.split(' ').slice(1);

interface Start {
  readonly readyMs: number;
  /** Processor time until then. */
  readonly cpuMs: number;
  readonly residentMb: number;
}

/** Starts the server, and stops it so that it keeps its compiled code. */
async function measure(dataDir: string): Promise<Start> {
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

test('the second start is ready within 0.8 s, in less than 120 MB', async (t) => {
  const seconds: Start[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const dataDir = await mkdtemp(join(tmpdir(), 'grantable-start-'));
    await measure(dataDir);
    seconds.push(await measure(dataDir));
    await rm(dataDir, { recursive: true });
  }
  const of = (member: keyof Start): number => median(seconds.map((start) => start[member]));
  t.diagnostic(
    `ready after ${Math.round(of('readyMs'))} ms, ${of('cpuMs')} of the processor; ${Math.round(of('residentMb'))} MB`,
  );
  // What else the machine does makes it later, and costs it no processor time.
  assert.ok(Math.min(of('readyMs'), of('cpuMs')) < READY_MS);
  assert.ok(of('residentMb') < IDLE_MB);
});
