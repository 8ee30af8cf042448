/** Ports for servers that must know theirs before they start. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Below those that systems give to clients and to servers without a port of their own: none of these takes it meanwhile. */
const PORTS = { first: 10_000, amount: 20_000 };
/**
 * A file for each port that a process of the tests has. The port may be free for seconds, before its server listens and
 * while the server is started again: no other process gets it meanwhile.
 */
const TAKEN = join(tmpdir(), 'grantable-test-ports');
const own: string[] = [];

/** It belongs to this process until the process ends. */
export async function freePort(): Promise<number> {
  const port = PORTS.first + Math.floor(Math.random() * PORTS.amount);
  return take(port) && (await isFree(port)) ? port : freePort();
}

function take(port: number): boolean {
  if (own.length === 0) process.once('exit', giveBack);
  mkdirSync(TAKEN, { recursive: true });
  const file = join(TAKEN, String(port));
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  own.push(file);
  return true;
}

function giveBack(): void {
  for (const file of own) rmSync(file, { force: true });
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (listens) await new Promise((resolve) => probe.close(resolve));
  return listens;
}
