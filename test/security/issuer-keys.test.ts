/** Keys of issuers at a `jwksUri`: how long they are kept, and when they are fetched again. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { createIssuerKeys, type IssuerKeys } from '../../src/clients/issuer-keys.ts';
import { Unavailable } from '../../src/errors/domain.ts';
import { createKey } from '../tokens/grants/assertions.ts';

const URL = 'https://idp.example/keys';
const ISSUER = { issuer: 'https://idp.example', jwksUri: URL };
const [one, two] = [createKey('one').jwk, createKey('two').jwk];

describe('keys of issuers', () => {
  let time: number;
  let fetched: string[];
  let answer: unknown;
  let keys: IssuerKeys;
  beforeEach(() => {
    time = 1_800_000_000_000;
    fetched = [];
    answer = { keys: [one] };
    keys = createIssuerKeys({
      now: () => time,
      getJson: async (url) => {
        fetched.push(url);
        if (answer === undefined) throw new Error('the host does not answer');
        return { json: answer, freshSeconds: undefined };
      },
    });
  });
  const kids = async (kid?: string, issuer: { issuer: string; jwksUri: string } = ISSUER) =>
    (await keys.find(issuer, kid)).keys.map((key) => key.kid);

  test('keys that the organization gave are not fetched', async () => {
    const { keys: given } = await keys.find({ issuer: ISSUER.issuer, jwks: { keys: [two] } }, 'one');
    assert.deepEqual(given, [two]);
    assert.deepEqual(fetched, []);
  });

  test('fetched keys are kept for five minutes', async () => {
    assert.deepEqual(await kids('one'), ['one']);
    time += 299_999;
    await kids('one');
    assert.deepEqual(fetched, [URL]);
    time += 1;
    await kids('one');
    assert.deepEqual(fetched, [URL, URL]);
  });

  test('an unknown key is looked for again, at most once a minute', async () => {
    await kids('one');
    answer = { keys: [one, two] };
    time += 59_999;
    assert.deepEqual(await kids('two'), ['one']);
    time += 1;
    assert.deepEqual(await kids('two'), ['one', 'two']);
    time += 59_999;
    for (const _ of Array(10)) await kids('three');
    assert.equal(fetched.length, 2);
  });

  test('keys are good for their five minutes although the look for another fails', async () => {
    await kids('one');
    answer = undefined;
    time += 60_000;
    assert.deepEqual(await kids('two'), ['one']);
    assert.deepEqual(await kids('one'), ['one']);
    assert.equal(fetched.length, 2);
    time += 240_000;
    await assert.rejects(kids('one'), Unavailable);
  });

  test('a failure is answered with when to try again, and not repeated before', async () => {
    answer = undefined;
    await assert.rejects(kids('one'), { constructor: Unavailable, status: 503, retryAfter: 60 });
    time += 20_000;
    await assert.rejects(kids('one'), { retryAfter: 40, reason: 'the host does not answer' });
    assert.equal(fetched.length, 1);
    answer = { keys: [one] };
    time += 40_000;
    assert.deepEqual(await kids('one'), ['one']);
  });

  test('parallel requests share one fetch', async () => {
    await Promise.all(Array.from({ length: 50 }, () => kids('one')));
    assert.equal(fetched.length, 1);
  });

  test('issuers do not use the keys of each other', async () => {
    await kids('one');
    answer = { keys: [two] };
    assert.deepEqual(await kids('two', { issuer: 'https://b.example', jwksUri: 'https://b.example/k' }), [
      'two',
    ]);
    assert.deepEqual(await kids('one'), ['one']);
  });

  test('keys that cannot be used are left out, and what is not a key set is a failure', async () => {
    const secret = { kty: 'oct', k: 'c2VjcmV0', kid: 'secret' };
    answer = { keys: [secret, 7, { kty: 'EC', crv: 'P-999', x: 'a', y: 'b' }, { ...one, d: 'x' }, two] };
    assert.deepEqual(await kids('two'), ['two']);
    for (const [index, wrong] of ['text', [], { keys: 'x' }, { keys: Array(101).fill(one) }].entries()) {
      answer = wrong;
      await assert.rejects(kids('one', { ...ISSUER, jwksUri: `${URL}/${index}` }), Unavailable);
    }
  });

  test('the memory for keys is bounded', async () => {
    for (let index = 0; index < 1_100; index += 1)
      await kids('one', { ...ISSUER, jwksUri: `${URL}/${index}` });
    fetched = [];
    await kids('one', { ...ISSUER, jwksUri: `${URL}/1099` });
    await kids('one', { ...ISSUER, jwksUri: `${URL}/0` });
    assert.deepEqual(fetched, [`${URL}/0`]);
  });
});
