import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createHonestClient, startAttackedServer, startStranger } from './attacked-server.ts';

const ROUNDS = process.env.GRANTABLE_TEST_LONG ? 1_500 : 200;
const MB = 1024 * 1024;

/** Bytes that the store's pages take, those in its log of writes included. */
function sizeOf(dataDir: string): number {
  const store = new DatabaseSync(join(dataDir, 'grantable.db'), { readOnly: true });
  const number = (pragma: string): number =>
    Object.values(store.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] as number;
  const size = number('page_count') * number('page_size');
  store.close();
  return size;
}

/** Bytes of memory that a process has. */
function memoryOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

test('a stranger who does his worst makes no honest request fail', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const { server, dataDir, port } = await startAttackedServer(t);
  const honest = createHonestClient(port);
  t.after(() => honest.close());
  await honest.work();
  const sizeBefore = sizeOf(dataDir);
  const stranger = await startStranger(port);
  try {
    for (let round = 0; round < ROUNDS; round += 1) await honest.work();
  } finally {
    stranger.kill();
  }
  const [grown, memory] = [sizeOf(dataDir) - sizeBefore, memoryOf(server.pid as number)];
  const figures = `the store grew by ${(grown / MB).toFixed(1)} MB; ${Math.round(memory / MB)} MB of memory`;
  t.diagnostic(figures);
  assert.ok(memory < 500 * MB && grown < 10 * MB, figures);
});
