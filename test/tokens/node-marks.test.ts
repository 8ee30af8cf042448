import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createNodeMarks } from '../../src/registry/node-marks.ts';
import type { NodeRecord, NodeStore } from '../../src/storage/contract.ts';
import { createAnswerCache } from '../../src/tokens/answer-cache.ts';
import { wholeLoginRow, wholeTokenRow } from '../contracts/whole-rows.ts';

const NOW = 1_800_000_000_000;
const LONG = process.env.GRANTABLE_TEST_LONG !== undefined;

/** Numbers that repeat with the seed. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

/** Announces the number of a change before it is written, as MongoDB does; every call may take several turns. */
function createLateStore(random: (below: number) => number) {
  const records = new Map<string, NodeRecord>();
  const pending = new Map<number, number>();
  let value = 0;
  let reads = 0;
  const late = async (): Promise<void> => {
    for (let turns = random(3); turns > 0; turns -= 1) await turn();
  };
  const passable = (): number => Math.min(value, ...pending.values());
  const store: Pick<NodeStore, 'read' | 'changesSince' | 'latestChange' | 'settledChange'> = {
    async read(ids) {
      reads += 1;
      await late();
      const found = ids.flatMap((id) => records.get(id) ?? []);
      await late();
      return found;
    },
    async changesSince(change, limit) {
      await late();
      const until = passable();
      const all = [...records.values()].filter((record) => record.change > change);
      const found = all.sort((a, b) => a.change - b.change).slice(0, limit);
      await late();
      return { records: found, until: Math.max(change, until) };
    },
    async latestChange() {
      await late();
      const latest = value;
      await late();
      return latest;
    },
    async settledChange() {
      await late();
      const settled = passable();
      await late();
      return settled;
    },
  };
  return {
    store,
    reads: () => reads,
    /** Resolves when the mark is acknowledged. */
    async revoke(id: string, at: number): Promise<void> {
      const floor = value;
      value += 1;
      const change = value;
      pending.set(change, floor);
      await late();
      const before = records.get(id);
      const revokedAt = Math.max(at, before?.revokedAt ?? 0);
      records.set(id, { id, revokedAt, expiresAt: NOW, change: Math.max(change, before?.change ?? 0) });
      await late();
      pending.delete(change);
      value += 1;
    },
  };
}

test('no mark that was acknowledged is missed, in whatever order the store answers', async () => {
  for (let seed = 1; seed <= (LONG ? 400 : 25); seed += 1) {
    const random = createRandom(seed);
    const { store, revoke } = createLateStore(random);
    const marks = createNodeMarks(store, seed % 5 === 0 ? 600 : 100_000);
    const acknowledged = new Map<string, number>();
    const ids = Array.from({ length: 6 }, (_, index) => `node-${index}`);
    let time = 0;
    const writer = async (): Promise<void> => {
      for (let times = 0; times < 25; times += 1) {
        const id = ids[random(ids.length)] as string;
        time += 1;
        const at = time;
        await revoke(id, at);
        acknowledged.set(id, Math.max(at, acknowledged.get(id) ?? 0));
        await turn();
      }
    };
    const reader = async (): Promise<void> => {
      for (let times = 0; times < 40; times += 1) {
        const expected = new Map(acknowledged);
        const asked = ids.filter(() => random(2) === 0);
        const found = new Map((await marks.read(asked)).map((record) => [record.id, record.revokedAt ?? 0]));
        for (const id of asked) {
          assert.ok((found.get(id) ?? 0) >= (expected.get(id) ?? 0), `seed ${seed}, ${id}`);
        }
      }
    };
    await Promise.all([writer(), writer(), reader(), reader(), reader()]);
  }
});

test('marks that nothing changed are not read again', async () => {
  const { store, reads, revoke } = createLateStore(createRandom(1));
  const marks = createNodeMarks(store, 100_000);
  await marks.read(['a', 'b']);
  for (let times = 0; times < 5; times += 1) await marks.read(['a', 'b']);
  assert.equal(reads(), 1);
  await revoke('a', 1);
  assert.deepEqual(
    (await marks.read(['a', 'b'])).map(({ id }) => id),
    ['a'],
  );
  assert.equal(reads(), 1);
});

test('a process that has slept through many changes begins again', async () => {
  const { store, revoke } = createLateStore(createRandom(1));
  const marks = createNodeMarks(store, 100_000);
  await marks.read(['node-0', 'other']);
  for (let index = 0; index < 500; index += 1) await revoke(`node-${index}`, 1);
  assert.deepEqual(
    (await marks.read(['node-0', 'other'])).map(({ id }) => id),
    ['node-0'],
  );
});

test('kept answers take no more memory than they may, whatever is asked', async () => {
  const cacheBytes = 200_000;
  const answers = createAnswerCache({
    cacheBytes,
    marks: { version: async () => 1 },
    registry: { hasAllRights: async () => true },
    now: () => NOW,
  });
  const caller = { client: { id: 'c', organization: 'o' }, view: { revisionOf: () => 1 } };
  const text = 'x'.repeat(1_000);
  const row = wholeTokenRow('t', NOW);
  const tokens = Array.from({ length: 2_000 }, (_, index) => `token-${index}`);
  const { account: _, ...bearer } = row;
  for (const token of tokens) {
    const question = await answers.find(token, caller);
    assert.ok(typeof question !== 'string');
    question.keep(text, { kind: 'access token', row: bearer, isNarrowed: false });
  }
  let kept = 0;
  for (const token of tokens) if (typeof (await answers.find(token, caller)) === 'string') kept += 1;
  assert.ok(kept > 20, `${kept} answers`);
  assert.ok(kept * 2 * text.length <= cacheBytes, `${kept} answers`);
});

test('answers for database accounts, narrowed tokens and refresh tokens are not kept', async () => {
  const answers = createAnswerCache({
    cacheBytes: 200_000,
    marks: { version: async () => 1 },
    registry: { hasAllRights: async () => true },
    now: () => NOW,
  });
  const caller = { client: { id: 'c', organization: 'o' }, view: { revisionOf: () => 1 } };
  const ofAccount = wholeTokenRow('t', NOW);
  const { account: _, ...bearer } = ofAccount;
  assert.ok(ofAccount.account);
  for (const living of [
    { kind: 'access token', row: ofAccount, isNarrowed: false },
    { kind: 'access token', row: bearer, isNarrowed: true },
    { kind: 'refresh token', row: wholeLoginRow('l', NOW), isCurrent: true },
  ] as const) {
    const question = await answers.find('token', caller);
    assert.ok(typeof question !== 'string');
    question.keep('text', living);
    assert.ok(typeof (await answers.find('token', caller)) !== 'string');
  }
});
