import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { createOneTimeTokens, type OneTimePurpose } from '../../src/accounts/one-time-tokens.ts';

const USER = '8f4c2c1e-58d2-4e8a-9a55-0a6f5d2d7a11';
const START = Date.UTC(2026, 0, 1);

async function openTokens(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-one-time-'));
  const path = join(folder, 'grantable.db');
  const clock = { at: START };
  const now = (): number => clock.at;
  const open = async () => {
    const storage = await openSqliteStorage({ path });
    t.after(() => storage.close());
    return { storage, tokens: createOneTimeTokens({ artifacts: storage.artifacts, now }) };
  };
  t.after(() => rm(folder, { recursive: true, force: true }));
  return { ...(await open()), path, clock, another: async () => (await open()).tokens };
}

test('a token is good once, for the user that it was made for', async (t) => {
  const { tokens, clock } = await openTokens(t);
  const token = await tokens.create('activation', USER, 3600);
  const other = await tokens.create('activation', 'other', 3600);
  assert.match(token, /^gmt_[A-Za-z0-9_-]{43}$/);
  assert.notEqual(token, other);
  clock.at += 1_000;
  assert.deepEqual(await tokens.redeem('activation', token), { user: USER, createdAt: START });
  assert.equal(await tokens.redeem('activation', token), undefined);
  assert.deepEqual(await tokens.redeem('activation', other), { user: 'other', createdAt: START });
});

test('of 50 parallel redemptions through two connections exactly one succeeds', async (t) => {
  const { tokens, another } = await openTokens(t);
  const doors = [tokens, await another()];
  for (let round = 0; round < 10; round += 1) {
    const token = await tokens.create('password-reset', USER, 60);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => doors[index % 2]?.redeem('password-reset', token)),
    );
    assert.equal(answers.filter((answer) => answer?.user === USER).length, 1);
    assert.equal(answers.filter((answer) => answer === undefined).length, 49);
  }
});

test('looking at a token uses nothing up, and tells when it is used up or too old', async (t) => {
  const { tokens, clock } = await openTokens(t);
  const [used, late] = [
    await tokens.create('first-administrator', 'management', 60),
    await tokens.create('first-administrator', 'management', 60),
  ];
  const look = async (token: string) =>
    (await tokens.find('first-administrator', token))?.user === 'management';
  assert.deepEqual([await look(used), await look(used), await look('gmt_x')], [true, true, false]);
  assert.ok(await tokens.redeem('first-administrator', used));
  assert.equal(await look(used), false);
  clock.at += 60_000;
  assert.equal(await look(late), false);
});

test('a token is good until its time is over', async (t) => {
  const { tokens, clock } = await openTokens(t);
  const [early, late] = [
    await tokens.create('activation', USER, 3600),
    await tokens.create('activation', USER, 3600),
  ];
  clock.at = START + 3600_000 - 1;
  assert.equal((await tokens.redeem('activation', early))?.user, USER);
  clock.at = START + 3600_000;
  assert.equal(await tokens.redeem('activation', late), undefined);
  clock.at = START;
  assert.equal((await tokens.redeem('activation', late))?.user, USER, 'asking too late used nothing up');
});

test('JW-10 a token for one purpose is refused for another', async (t) => {
  const { tokens } = await openTokens(t);
  const purposes: OneTimePurpose[] = ['activation', 'password-reset', 'first-administrator'];
  for (const purpose of purposes) {
    const token = await tokens.create(purpose, USER, 60);
    for (const other of purposes)
      if (other !== purpose) assert.equal(await tokens.redeem(other, token), undefined);
    assert.equal((await tokens.redeem(purpose, token))?.user, USER);
  }
});

test('JW-10 shortened, lengthened and changed copies are nothing, and use nothing up', async (t) => {
  const { tokens } = await openTokens(t);
  const token = await tokens.create('activation', USER, 60);
  const copies = [
    ...Array.from(token, (_, length) => token.slice(0, length)),
    ...Array.from(token, (_, from) => token.slice(from + 1)),
    ...['A', '=', ' ', '\n', '\0', '.', '%00', token].flatMap((more) => [token + more, more + token]),
    ...Array.from(token, (char, at) => {
      const turned = char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase();
      return token.slice(0, at) + turned + token.slice(at + 1);
    }),
    ...Array.from(
      token,
      (char, at) => `${token.slice(0, at)}${char === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`,
    ),
    ...[token.toLowerCase(), token.toUpperCase(), token.replace('gmt_', 'gat_'), token.replace('gmt_', '')],
    ...[token.replaceAll(/[-_]/g, '+'), Buffer.from(token).toString('base64url')],
  ].filter((copy) => copy !== token);
  assert.ok(copies.length > 180);
  for (const copy of copies)
    assert.equal(await tokens.redeem('activation', copy), undefined, JSON.stringify(copy));
  assert.equal((await tokens.redeem('activation', token))?.user, USER);
});

test('garbage is nothing', async (t) => {
  const { tokens } = await openTokens(t);
  for (const garbage of [
    ...['', 'gmt_', `gmt_${'A'.repeat(43)}`, `gmt_${'A'.repeat(1_000_000)}`, 'gmt_%', '\ud800', '🔑'],
    ...["gmt_' OR 1=1 --", '__proto__', 'activation', USER],
  ]) {
    assert.equal(await tokens.redeem('activation', garbage), undefined);
    assert.equal(await tokens.redeem('password-reset', garbage), undefined);
  }
});

test('a copy of the store holds no token', async (t) => {
  const { tokens, path } = await openTokens(t);
  const token = await tokens.create('activation', USER, 60);
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare('SELECT * FROM artifacts').all();
  database.close();
  assert.equal(rows.length, 1);
  const bytes = Buffer.concat(
    Object.values(rows[0] ?? {}).map((value) =>
      value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value)),
    ),
  );
  assert.ok(bytes.includes(USER));
  for (const form of [
    Buffer.from(token.slice(4)),
    Buffer.from(token.slice(4), 'base64url').subarray(0, 16),
  ]) {
    assert.ok(!bytes.includes(form));
  }
});
