/** The thread that makes checkpoints, when it cannot work. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createCheckpoints } from '../../adapters/storage/sqlite/checkpoints.ts';
import { until } from '../support/until.ts';

const ROWS = 1_000;

const findFile = (path: string) => stat(path).catch(() => undefined);

/** Rows whose checkpoint is due, in a folder that is gone by then. */
async function startInLostFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-checkpoints-'));
  const path = join(folder, 'grantable.db');
  const connection = new DatabaseSync(path);
  connection.exec('PRAGMA journal_mode = WAL; CREATE TABLE numbers (number INTEGER)');
  const checkpoints = createCheckpoints(connection);
  const write = (): void => {
    for (let row = 0; row < ROWS; row += 1) connection.exec('INSERT INTO numbers VALUES (1)');
    checkpoints.committed();
  };
  await rm(folder, { recursive: true });
  return {
    folder,
    path,
    checkpoints,
    write,
    async [Symbol.asyncDispose]() {
      connection.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test('a thread that cannot open the database does not hold up the end', async () => {
  await using lost = await startInLostFolder();
  lost.write();
  await lost.checkpoints.close();
});

test('another thread takes the place of one that could not open the database', async () => {
  await using lost = await startInLostFolder();
  const threads: Worker[] = [];
  const onWorker = (thread: Worker): void => void threads.push(thread);
  process.on('worker', onWorker);
  lost.write();
  await until('the thread has started and ended', () => threads[0]?.threadId === -1);
  await mkdir(lost.folder);
  lost.write();
  await until('another thread opens what is there', async () => (await findFile(lost.path)) !== undefined);
  await lost.checkpoints.close();
  process.off('worker', onWorker);
  assert.equal(threads.length, 2);
});
