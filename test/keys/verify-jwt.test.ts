import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import type { SigningKeys } from '../../src/keys/signing-keys.ts';
import { createJwtVerifier } from '../../src/keys/verify-jwt.ts';

const ISSUER = 'https://id.example';
const NOW = 1_800_000_000_000;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function sign(typ: string): Promise<string> {
  return new SignJWT({ client_id: 'shop' })
    .setProtectedHeader({ alg: 'ES256', typ, kid: 'of another server' })
    .setIssuer(ISSUER)
    .setSubject('s')
    .setAudience('a')
    .setJti('j')
    .setIssuedAt(NOW / 1000)
    .setExpirationTime(NOW / 1000 + 60)
    .sign(privateKey);
}

function createVerifier(published: SigningKeys['published']) {
  const fail = () => assert.fail('not asked for what was not verified');
  const signingKeys = { published, active: fail, stateOf: fail, refresh: fail, follow: fail };
  return createJwtVerifier({ issuer: ISSUER, signingKeys, directory: { view: fail }, now: () => NOW });
}

test('a value that this server did not sign is not one of its tokens', async () => {
  const verifier = createVerifier(() => []);
  for (const value of [
    await sign('at+jwt'),
    await sign('logout+jwt'),
    'eyJ',
    'eyJ.e30.eA',
    'e'.repeat(17_000),
  ])
    assert.equal(await verifier.verify(value), undefined, value);
});

test('a fault of the server is not taken for a token of another server', async () => {
  const fault = new Error('keys are not loaded');
  const verifier = createVerifier(() => {
    throw fault;
  });
  await assert.rejects(verifier.verify(await sign('at+jwt')), fault);
});
