import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAdministration } from '../admin/fixture.ts';
import { acme, logIn, mint } from '../admin/tokens.ts';

test('a presented value has one of five kinds', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  const { presentedTokens, clock } = administration;
  const jwt = await mint(administration, 'jwt');
  const opaque = await mint(administration, 'opaque');
  const refresh = await logIn(administration);
  const kindOf = async (value: string) => (await presentedTokens.identify(value)).kind;
  assert.equal(await kindOf(jwt.value), 'access token');
  assert.equal(await kindOf(opaque.value), 'access token');
  assert.equal(await kindOf(refresh.value), 'refresh token');
  assert.deepEqual(await presentedTokens.identify('hello'), { kind: 'unknown' });
  assert.deepEqual(await presentedTokens.identify('eyJ.e30.eA'), { kind: 'unknown', resembles: 'JWT' });
  assert.deepEqual(await presentedTokens.identify(`${refresh.value}x`), {
    kind: 'unknown',
    resembles: 'refresh token',
  });
  for (const { value } of [jwt, opaque]) assert.equal(await presentedTokens.hasExpired(value), false);

  clock.offset += 3_601_000;
  assert.equal(await kindOf(jwt.value), 'expired');
  for (const { value } of [jwt, opaque]) assert.equal(await presentedTokens.hasExpired(value), true);
  assert.equal(await presentedTokens.findLiving(jwt.value), undefined);
});
