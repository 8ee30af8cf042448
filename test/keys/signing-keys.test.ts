import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { JWKS_CACHE_SECONDS } from '../../src/keys/key-plan.ts';
import {
  loadSigningKeys as load,
  removeSigningKey,
  rotateSigningKeys,
  type SigningKeys,
  type SigningKeysDeps,
} from '../../src/keys/signing-keys.ts';
import { type AlgChoice, accessTokenAlgs, idTokenAlgs } from '../../src/nouns/signing-algs.ts';
import { openVault } from '../../src/storage/vault.ts';

const LONGEST = 30 * 86_400;
const NAMED: readonly AlgChoice[] = [idTokenAlgs({}), accessTokenAlgs({ alg: 'EdDSA' })];

test('signing keys', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-keys-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const storage = await openSqliteStorage({ path: join(folder, 'a.db') });
  t.after(() => storage.close());
  let clock = 1_800_000_000_000;
  const now = () => clock;
  const vault = await openVault({
    keys: storage.keys,
    masterKey: { source: 'env', key: randomBytes(32) },
    now,
  });
  const deps = { keys: storage.keys, vault, now };
  const loadSigningKeys = async (given: SigningKeysDeps): Promise<SigningKeys> => {
    const keys = await load(given);
    await keys.follow(NAMED, LONGEST);
    return keys;
  };

  await t.test('JW-07 of processes that start at once all sign with the same keys', async () => {
    const loaded = await Promise.all(Array.from({ length: 5 }, () => loadSigningKeys(deps)));
    for (const alg of ['ES256', 'RS256', 'EdDSA'] as const) {
      assert.equal(new Set(loaded.map((keys) => keys.active(alg).kid)).size, 1);
    }
    assert.equal(loaded[0]?.published().length, 3);
  });

  await t.test('no kid looks like an option of a command', async () => {
    for (let round = 0; round < 3; round += 1)
      await rotateSigningKeys(deps, { immediately: true, longestLifetime: 10 });
    for (const { id } of await storage.keys.list()) assert.doesNotMatch(id, /^-/);
  });

  await t.test('JW-06 a new key is published before it signs', async () => {
    clock += 100_000;
    const keys = await loadSigningKeys(deps);
    const before = keys.active('ES256').kid;
    await rotateSigningKeys(deps, { immediately: false, longestLifetime: 3_600 });
    assert.equal(await keys.refresh(), true);
    const next = keys.published().find((key) => key.alg === 'ES256' && keys.stateOf(key) === 'next');
    assert.ok(next);
    assert.equal(keys.active('ES256').kid, before);
    clock += JWKS_CACHE_SECONDS * 1000;
    assert.equal(keys.active('ES256').kid, next.kid);
    assert.ok(keys.published().some(({ kid }) => kid === before));
    clock += 3_600_000;
    assert.ok(!keys.published().some(({ kid }) => kid === before));
  });

  await t.test('JW-06 a lead publishes a new key longer, and never shorter', async () => {
    for (const [lead, seconds] of [
      [2_700, 2_700],
      [10, JWKS_CACHE_SECONDS],
    ] as const) {
      const keys = await loadSigningKeys(deps);
      const before = keys.active('ES256').kid;
      await rotateSigningKeys(deps, { immediately: false, longestLifetime: 3_600, lead });
      await keys.refresh();
      clock += seconds * 1000 - 1;
      assert.equal(keys.active('ES256').kid, before);
      clock += 1;
      assert.notEqual(keys.active('ES256').kid, before);
    }
  });

  await t.test('JW-06 a compromised key goes at once, and another signs', async () => {
    const keys = await loadSigningKeys(deps);
    const { kid } = keys.active('ES256');
    await removeSigningKey(deps, kid);
    assert.equal(await keys.refresh(), true);
    assert.ok(!keys.published().some((key) => key.kid === kid));
    assert.notEqual(keys.active('ES256').kid, kid);
  });

  await t.test('JW-06 a prepared next key takes the place of a compromised one', async () => {
    await rotateSigningKeys(deps, { immediately: false, longestLifetime: 3_600 });
    const keys = await loadSigningKeys(deps);
    const next = keys.published().find((key) => key.alg === 'ES256' && keys.stateOf(key) === 'next');
    await removeSigningKey(deps, keys.active('ES256').kid);
    await keys.refresh();
    assert.equal(keys.active('ES256').kid, next?.kid);
    const others = keys.published().filter((key) => key.alg === 'ES256' && key.kid !== next?.kid);
    assert.ok(
      others.every(({ expiresAt }) => expiresAt !== undefined),
      'no key stays published for ever',
    );
  });

  await t.test('JW-06 a key that was overtaken before its time never signs', async () => {
    await rotateSigningKeys(deps, { immediately: false, longestLifetime: 3_600 });
    const keys = await loadSigningKeys(deps);
    const overtaken = keys.published().find((key) => key.alg === 'ES256' && keys.stateOf(key) === 'next');
    clock += 1_000;
    await rotateSigningKeys(deps, { immediately: true, longestLifetime: 3_600 });
    await keys.refresh();
    const { kid } = keys.active('ES256');
    clock += JWKS_CACHE_SECONDS * 1000;
    await keys.refresh();
    assert.equal(keys.active('ES256').kid, kid);
    assert.notEqual(kid, overtaken?.kid);
  });

  await t.test('JW-06 a remembered signer is the one of its time', async () => {
    const keys = await loadSigningKeys(deps);
    const early = keys.active('ES256').kid;
    await rotateSigningKeys(deps, { immediately: false, longestLifetime: LONGEST });
    await keys.refresh();
    const started = clock;
    const at = (time: number) => {
      clock = time;
      return keys.active('ES256').kid;
    };
    const begins = started + JWKS_CACHE_SECONDS * 1000;
    assert.equal(at(begins - 1), early);
    const late = at(begins);
    assert.notEqual(late, early);
    assert.equal(at(started), early, 'the clock was set back');
    assert.equal(at(begins), late);
  });

  await t.test('JW-06 a removed key that was remembered does not sign', async () => {
    const keys = await loadSigningKeys(deps);
    const { kid } = keys.active('EdDSA');
    await removeSigningKey(deps, kid);
    await keys.refresh();
    assert.notEqual(keys.active('EdDSA').kid, kid);
  });

  await t.test('E5 a clock that was set back before the first key does not stop signing', async () => {
    const keys = await loadSigningKeys(deps);
    clock -= 30 * 86_400_000;
    assert.ok(keys.active('ES256').kid);
  });

  await t.test('private parts are never in what is published', async () => {
    for (const { publicJwk } of (await loadSigningKeys(deps)).published()) {
      for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi']) assert.equal(publicJwk[name], undefined);
    }
  });
});
