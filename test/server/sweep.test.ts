import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNodeId, handleKey } from '../../src/registry/token-values.ts';
import { sweep } from '../../src/server/sweep.ts';
import { openAdministration } from '../admin/fixture.ts';
import { wholeTokenRow } from '../contracts/whole-rows.ts';
import { storageForTests } from '../support/mongodb.ts';

const EXPIRED = 10_000;
/** Tokens that expire between two slices. */
const MEANWHILE = 5;
const LARGEST_SLICE = 500;

test('E8 the sweep keeps up with tokens that expire meanwhile, in short slices', async (t) => {
  // A server would sweep beside it.
  const foundations = await openAdministration(t, await storageForTests());
  const { now, storage } = foundations;
  const slices: number[] = [];
  const counted: typeof storage = {
    ...storage,
    async sweep(at, limit) {
      const rows = await storage.sweep(at, limit);
      slices.push(rows);
      return rows;
    },
  };
  let left = 0;
  async function insertExpired(rows: number): Promise<void> {
    left += rows;
    await Promise.all(
      Array.from({ length: rows }, (_, index) => {
        const id = createNodeId();
        const row = { ...wholeTokenRow(id, now()), scope: `${index % 10}`, expiresAt: now() };
        return storage.tokens.insert(handleKey('jwt', id), row);
      }),
    );
  }
  async function pause(): Promise<void> {
    foundations.clock.offset += 1;
    await insertExpired(MEANWHILE);
  }
  await insertExpired(EXPIRED);
  for (let round = 0; round < 2; round += 1) {
    left -= await sweep({ ...foundations, storage: counted }, { pause });
    assert.ok(left < EXPIRED / 4, `${left} expired rows are left after round ${round}`);
  }
  assert.ok(
    slices.every((rows) => rows <= LARGEST_SLICE),
    `slices: ${slices}`,
  );
});
