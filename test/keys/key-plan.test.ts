import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chooseSigner,
  JWKS_CACHE_SECONDS,
  type KeyStep,
  planKeys,
  signersHoldUntil,
} from '../../src/keys/key-plan.ts';
import {
  type AlgChoice,
  accessTokenAlgs,
  algsBefore,
  idTokenAlgs,
  type SigningAlg,
} from '../../src/nouns/signing-algs.ts';
import type { StoredKey } from '../../src/storage/contract.ts';

const NOW = 1_800_000_000_000;
const WAIT = JWKS_CACHE_SECONDS * 1000;
const LONGEST = 86_400;

function key(alg: SigningAlg, times: Partial<StoredKey> = {}): StoredKey {
  const id = times.id ?? alg;
  return {
    id,
    purpose: 'signing',
    alg,
    sealed: Buffer.alloc(0),
    createdAt: 0,
    activeFrom: 0,
    ...times,
  } as StoredKey;
}

/** What the steps make of the keys. */
function carriedOut(stored: readonly StoredKey[], steps: readonly KeyStep[]): StoredKey[] {
  const replaced = new Map(
    steps.flatMap((step) => (step.kind === 'replace' ? [[step.key.id, step.key]] : [])),
  );
  const made = steps.flatMap((step) =>
    step.kind === 'make'
      ? [key(step.alg, { id: `${step.alg} after ${step.after}`, activeFrom: step.activeFrom })]
      : [],
  );
  return [...stored.map((each) => replaced.get(each.id) ?? each), ...made];
}

const plan = (stored: readonly StoredKey[], choices: readonly AlgChoice[], now = NOW) =>
  planKeys(stored, choices, { now, longestLifetime: LONGEST });
const follow = (stored: readonly StoredKey[], choices: readonly AlgChoice[], now = NOW) =>
  carriedOut(stored, plan(stored, choices, now));
const signer = (stored: readonly StoredKey[], choice: AlgChoice, now = NOW) =>
  chooseSigner(stored, choice, now)?.alg;

test('in a new store the first keys sign at once', () => {
  const choices = [idTokenAlgs({ idTokenAlg: 'PS256' }), accessTokenAlgs({ alg: 'EdDSA' })];
  const stored = follow([], choices);
  assert.deepEqual(stored.map(({ alg }) => alg).sort(), ['ES256', 'EdDSA', 'PS256']);
  for (const choice of choices) assert.equal(signer(stored, choice), choice[0]);
});

test('a first start that was interrupted is still the first', () => {
  const steps = plan([key('RS256')], [idTokenAlgs({}), idTokenAlgs({ idTokenAlg: 'PS256' })]);
  assert.deepEqual(
    steps.map((step) => step.kind === 'make' && [step.alg, step.activeFrom]),
    [
      ['PS256', NOW],
      ['ES256', NOW],
    ],
  );
});

test('a newly named algorithm signs when its key was published long enough', () => {
  const before = [key('ES256'), key('RS256')];
  const choice = idTokenAlgs({ idTokenAlg: 'PS256', idTokenAlgsBefore: ['RS256'] });
  const stored = follow(before, [choice]);
  assert.equal(signer(stored, choice, NOW + WAIT - 1), 'RS256');
  assert.equal(signer(stored, choice, NOW + WAIT), 'PS256');
  assert.deepEqual(plan(stored, [choice], NOW + WAIT - 1), [], 'both keys stay as they are until then');
});

test('an old key is retired when the new one signs, and published until its end', () => {
  const choice = accessTokenAlgs({ alg: 'EdDSA', algsBefore: ['RS256'] });
  const at = NOW + WAIT;
  const stored = follow(follow([key('ES256'), key('RS256')], [choice]), [choice], at);
  const rs256 = stored.find(({ alg }) => alg === 'RS256');
  assert.equal(rs256?.retiredAt, at);
  assert.equal(rs256?.expiresAt, at + LONGEST * 1000);
});

test('of algorithms that were named in a row, the last that could sign signs', () => {
  const before = algsBefore('EdDSA', ['PS256', 'RS256']);
  assert.deepEqual(before, ['PS256', 'RS256']);
  const choice = accessTokenAlgs({ alg: 'EdDSA', algsBefore: before ?? [] });
  const stored = follow([key('ES256'), key('RS256'), key('PS256', { activeFrom: NOW + 1000 })], [choice]);
  assert.equal(signer(stored, choice), 'RS256');
  assert.equal(signer(stored, choice, NOW + WAIT - 1), 'RS256');
  assert.equal(signer(stored, choice, NOW + WAIT), 'EdDSA');
});

test('a retired key is taken back when its algorithm is named again', () => {
  const [, retired] = follow([key('ES256'), key('RS256')], []);
  assert.equal(retired?.retiredAt, NOW);
  const stored = follow([key('ES256'), retired as StoredKey], [idTokenAlgs({})], NOW + 1000);
  assert.equal(stored.length, 2);
  assert.equal(stored[1]?.expiresAt, undefined);
  assert.equal(signer(stored, idTokenAlgs({}), NOW + 1000), 'RS256');
});

test('JW-06 a key that was overtaken before its time is not taken back', () => {
  const choices = [idTokenAlgs({ idTokenAlg: 'PS256' })];
  const end = { retiredAt: NOW + WAIT, expiresAt: NOW + WAIT + LONGEST * 1000 };
  const rotated = [
    ...follow([], []),
    key('PS256', { id: 'first', ...end }),
    key('PS256', { id: 'in a week', activeFrom: NOW + 7 * 86_400_000, ...end }),
    key('PS256', { id: 'in five minutes', activeFrom: NOW + WAIT }),
  ];
  assert.deepEqual(plan(rotated, choices), []);
});

test('one that is nearly gone is not taken back: another key is made', () => {
  const gone = key('RS256', { retiredAt: NOW - LONGEST, expiresAt: NOW + WAIT - 1 });
  const [step] = plan([key('ES256'), gone], [idTokenAlgs({})]);
  assert.deepEqual(step, { kind: 'make', alg: 'RS256', activeFrom: NOW + WAIT, after: 'RS256' });
});

test('the key of the revocation feed is never retired', () => {
  assert.deepEqual(plan([key('ES256'), key('RS256')], [idTokenAlgs({})]), []);
});

test('a signer signs until another may or it is not published, to the millisecond', () => {
  const next = key('ES256', { id: 'next', activeFrom: NOW + WAIT });
  const leaving = key('EdDSA', { retiredAt: NOW - 1, expiresAt: NOW + 2 * WAIT });
  const stored = [key('ES256'), next, leaving];
  const choices: readonly AlgChoice[] = [['ES256'], ['EdDSA'], ['EdDSA', 'ES256']];
  const signersAt = (now: number) => choices.map((choice) => chooseSigner(stored, choice, now)?.id);
  for (const [from, until] of [
    [NOW, NOW + WAIT],
    [NOW + WAIT, NOW + 2 * WAIT],
    [NOW + 2 * WAIT, Number.POSITIVE_INFINITY],
  ] as const) {
    assert.equal(signersHoldUntil(stored, from), until);
    assert.equal(signersHoldUntil(stored, from + 1), until);
    if (until === Number.POSITIVE_INFINITY) continue;
    assert.deepEqual(signersAt(until - 1), signersAt(from));
    assert.notDeepEqual(signersAt(until), signersAt(from));
  }
});
