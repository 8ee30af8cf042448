/** What was answered is on the disk: a power cut is played on a model of it (`synced-disk.ts`). */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { type Storage, StoreUnavailable } from '../../src/storage/contract.ts';
import { until } from '../support/until.ts';
import { createSyncedDisk, type Point, type SyncedDisk } from './synced-disk.ts';

const folder = await mkdtemp(join(tmpdir(), 'grantable-durability-'));
after(() => rm(folder, { recursive: true, force: true }));
let files = 0;
const newPath = (): string => join(folder, `${files++}.db`);

const POINTS = process.env.GRANTABLE_TEST_FIGURES ? 200 : 12;
const LATER = 4_000_000_000_000;
/** Marks that are written again and again, so that files stay small and pages are overwritten. */
const NODES = 2_000;

/** Writers that mark nodes with ever higher numbers, and what was answered to them. */
function createWriters(storages: readonly Storage[], writers: number) {
  const answered = new Map<string, number>();
  let last = 0;
  let isOver = false;
  const running = Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      const storage = storages[writer % storages.length] as Storage;
      while (!isOver) {
        last += 1;
        const [id, number] = [`n${last % NODES}`, last];
        try {
          await storage.nodes.mark(id, { revokedAt: number }, LATER);
          answered.set(id, Math.max(number, answered.get(id) ?? 0));
        } catch (error) {
          assert.ok(error instanceof StoreUnavailable);
        }
      }
    }),
  );
  return {
    answered,
    async stop(): Promise<void> {
      isOver = true;
      await running;
    },
  };
}

/** @returns what was answered and is not in the file, which is whole otherwise */
function missingFrom(path: string, answered: ReadonlyMap<string, number>): string[] {
  const database = new DatabaseSync(path);
  try {
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
    const rows = database.prepare('SELECT id, revoked_at FROM nodes').all();
    const found = new Map(rows.map((row) => [String(row.id), Number(row.revoked_at)]));
    return [...answered].filter(([id, number]) => !((found.get(id) ?? 0) >= number)).map(([id]) => id);
  } finally {
    database.close();
  }
}

/**
 * Cuts the power at points of time under load.
 * @param handles as many as processes would have
 * @param prepare runs before the load
 * @returns what was answered and lost
 */
async function cutPower(
  handles: number,
  prepare?: (storage: Storage, disk: SyncedDisk) => Promise<void>,
): Promise<string[]> {
  const path = newPath();
  const missing: string[] = [];
  let answered: ReadonlyMap<string, number> = new Map();
  let points = 0;
  const { promise: enough, resolve, reject } = Promise.withResolvers<void>();
  const check = (point: Point): void => {
    points += 1;
    for (const leave of [point.leave, point.leaveTorn]) {
      const copy = newPath();
      leave(copy);
      missing.push(...missingFrom(copy, answered));
      rmSync(copy);
    }
    if (points === POINTS) resolve();
  };
  const disk = createSyncedDisk(
    path,
    () => Math.random() < 0.1,
    (point) => {
      try {
        if (points < POINTS) check(point);
      } catch (error) {
        reject(error);
      }
    },
  );
  const storages: Storage[] = [];
  for (let handle = 0; handle < handles; handle += 1) {
    storages.push(await openSqliteStorage({ path, flushFile: disk.flushFile }));
  }
  await prepare?.(storages[0] as Storage, disk);
  const writers = createWriters(storages, 32);
  answered = writers.answered;
  try {
    await enough;
  } finally {
    await writers.stop();
    for (const storage of storages) await storage.close();
  }
  return missing;
}

test(`at ${POINTS} points under load a power cut takes nothing that was answered`, async () => {
  assert.deepEqual(await cutPower(1), []);
});

test(`nor at ${POINTS} points while two processes write one file`, async () => {
  assert.deepEqual(await cutPower(2), []);
});

test('a flush that fails refuses its callers, and what is answered later is safe', async () => {
  const missing = await cutPower(1, async (storage, disk) => {
    const mark = (id: string) => storage.nodes.mark(id, { revokedAt: 1 }, LATER);
    await mark('before');
    disk.fail(true);
    for (let time = 0; time < 3; time += 1) {
      for (const outcome of await Promise.allSettled(['a', 'b', 'c'].map(mark))) {
        assert.ok(outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable);
      }
      await assert.rejects(storage.ping(), StoreUnavailable);
    }
    disk.fail(false);
    await storage.ping();
  });
  assert.deepEqual(missing, []);
});

test('under steady writes the log starts again and again', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const writers = createWriters([storage], 32);
  // How often, as the header of the log counts it.
  await until('it has started again', () => readFileSync(`${path}-wal`).readUInt32BE(12) >= 3);
  await writers.stop();
  await storage.close();
  assert.deepEqual(missingFrom(path, writers.answered), []);
});

test('the log stays one file while other connections come, truncate it and go', async () => {
  const path = newPath();
  const storage = await openSqliteStorage({ path });
  const { ino } = statSync(`${path}-wal`);
  const other = await openSqliteStorage({ path });
  await other.nodes.mark('a', { revokedAt: 1 }, LATER);
  await other.close();
  const raw = new DatabaseSync(path);
  assert.equal(raw.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy, 0);
  raw.close();
  await storage.nodes.mark('b', { revokedAt: 1 }, LATER);
  assert.equal(statSync(`${path}-wal`).ino, ino);
  await storage.close();
});

for (const writers of [32, 128]) {
  test(`${writers} writers at once share a commit and its flush`, async () => {
    let flushes = 0;
    const storage = await openSqliteStorage({
      path: newPath(),
      async flushFile() {
        flushes += 1;
        await new Promise(setImmediate);
      },
    });
    const rounds = 20;
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let round = 0; round < rounds; round += 1) {
          await storage.nodes.mark(`n${writer}`, { revokedAt: round }, LATER);
        }
      }),
    );
    assert.equal(flushes, rounds);
    await storage.close();
  });
}
