import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import bcrypt from 'bcrypt';
import { createHashQueue } from '../../src/accounts/hash-queue.ts';
import { createPasswords } from '../../src/accounts/passwords.ts';
import { dummyFor, parseStored, verifyParsed } from '../../src/datasources/password-formats/index.ts';
import { readVectors } from '../datasources/password-vectors/vectors.ts';
import { startServer } from '../support/server.ts';
import { ratioOf, untilWithin } from './compare.ts';

const TRIES = 150;
const ORG = { organization: 'org' };
const KEY = randomBytes(32);
const TOO_LONG = 'x'.repeat(1_025);

async function areAlike(
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
  { tries = TRIES, spread = 0.15 } = {},
): Promise<void> {
  const bounds = { least: 1 - spread, most: 1 + spread };
  const ratio = await untilWithin(bounds, () => ratioOf(one, other, { tries }));
  assert.ok(ratio >= bounds.least && ratio <= bounds.most, `takes ${ratio.toFixed(2)} times as long`);
}

describe('refusals take the same time', async () => {
  const queue = createHashQueue({ limit: 1_000, now: () => performance.now(), concurrency: 1 });
  const secrets = { current: () => ({ id: 'first', key: KEY }), byId: () => KEY };
  const passwords = createPasswords({ queue, cost: 6, secrets });
  const cheaper = createPasswords({ queue, cost: 4, secrets });
  const stored = await passwords.hash('correct horse', ORG);
  const against =
    (known: string | undefined, password = 'wrong') =>
    () =>
      passwords.verify(password, known, ORG);

  test('AC-09 for an unknown user and a wrong password', () => areAlike(against(undefined), against(stored)));

  for (const [what, password] of [
    ['73 bytes', 'x'.repeat(73)],
    ['1,025 bytes', TOO_LONG],
  ] as const) {
    test(`AC-03 for a password of ${what}, known user or not`, () =>
      areAlike(against(undefined, password), against(stored, password)));
  }

  test('AC-05 for a password of 5 MB', () =>
    areAlike(against(stored, 'x'.repeat(5_000_000)), against(stored)));

  test('AC-09 for a cheaper, an imported, an unusable and a missing hash', async () => {
    await areAlike(against(await cheaper.hash('correct horse', ORG)), against(undefined));
    await areAlike(against(await bcrypt.hash('correct horse', 5)), against(undefined));
    await areAlike(
      against('$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde'),
      against(undefined),
    );
    await areAlike(against(''), against(undefined));
  });
});

describe('an unknown row of a table costs as much as a known one', () => {
  const seen = new Set<string>();
  for (const vector of readVectors()) {
    if (seen.has(vector.format) || !['bcrypt', 'scrypt', 'pbkdf2'].includes(vector.format)) continue;
    seen.add(vector.format);
    test(`DB-11 with passwords in ${vector.format}`, async () => {
      const parsed = parseStored(vector, { hash: vector.hash });
      assert.ok(parsed);
      const dummy = dummyFor(vector, parsed);
      await areAlike(
        () => verifyParsed(dummy, 'wrong'),
        () => verifyParsed(parsed, 'wrong'),
        { tries: 41, spread: 0.4 },
      );
    });
  }
});

describe('a login of an unknown user takes as long as a wrong password', () => {
  for (const length of [10, 73, 1_025, 20_000]) {
    test(`AC-03 with a password of ${length} bytes`, async () => {
      await using server = await startServer({
        env: {
          GRANTABLE_BCRYPT_COST: '8',
          GRANTABLE_ACCOUNT_LIMIT: '1000/15m',
          GRANTABLE_ADDRESS_LIMIT: '10000/15m',
        },
      });
      assert.equal((await server.token('machine')).status, 200);
      const logIn = (username: string) => async () => {
        const { json } = await server.post('/oauth/token', 'shop', {
          grant_type: 'password',
          username,
          password: 'x'.repeat(length),
        });
        assert.equal(json.error, 'invalid_grant');
      };
      await areAlike(logIn('nobody'), logIn('ann'), { tries: 25, spread: 0.4 });
    });
  }
});
