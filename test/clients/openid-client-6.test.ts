import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as client from 'openid-client';
import type { TestServer } from '../support/server.ts';
import {
  application,
  BYE,
  CALLBACK,
  createKeys,
  createPerson,
  type Keys,
  keyedApplication,
  type Person,
  SCOPE,
  SECRET,
  startWith,
} from './world.ts';

// On this machine only there is no TLS.
const execute = [client.allowInsecureRequests];

describe('openid-client 6', () => {
  let server: TestServer;
  let config: client.Configuration;
  let keys: Keys;
  before(async () => {
    keys = await createKeys();
    server = await startWith([application('six', { pkce: 'required' }), keyedApplication('six-keyed', keys)]);
    config = await client.discovery(new URL(server.issuer), 'six', SECRET, undefined, { execute });
  });
  after(() => server[Symbol.asyncDispose]());

  async function logIn(): Promise<{
    person: Person;
    tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers;
  }> {
    const person = createPerson(server);
    assert.ok(config.serverMetadata().supportsPKCE());
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedNonce = client.randomNonce();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: SCOPE,
      nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    const answer = await person.authorize(url.href);
    const tokens = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedNonce });
    return { person, tokens };
  }

  test('it logs in with the secret in the body and reads the profile', async () => {
    const { tokens } = await logIn();
    const { sub = '' } = tokens.claims() ?? {};
    const profile = await client.fetchUserInfo(config, tokens.access_token, sub);
    assert.deepEqual([profile.preferred_username, profile.email], ['ann', 'ann@acme.example']);
  });

  test('it refreshes', async () => {
    const { tokens } = await logIn();
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token ?? '');
    assert.notEqual(renewed.access_token, tokens.access_token);
    assert.equal(renewed.claims()?.sub, tokens.claims()?.sub);
  });

  test('it revokes and introspects', async () => {
    const { tokens } = await logIn();
    const token = tokens.refresh_token ?? '';
    assert.equal((await client.tokenIntrospection(config, token)).active, true);
    await client.tokenRevocation(config, token);
    assert.equal((await client.tokenIntrospection(config, token)).active, false);
    await assert.rejects(client.refreshTokenGrant(config, token), { error: 'invalid_grant' });
  });

  test('it logs out', async () => {
    const { person, tokens } = await logIn();
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: BYE,
    });
    assert.equal((await person.logOut(url.href)).href, BYE);
    const { active } = await client.tokenIntrospection(config, tokens.access_token);
    assert.equal(active, false);
  });

  test('it proves itself with an assertion', async () => {
    const method = client.PrivateKeyJwt(keys.privateKey);
    const keyed = await client.discovery(new URL(server.issuer), 'six-keyed', undefined, method, { execute });
    const { access_token } = await client.clientCredentialsGrant(keyed, { scope: 'orders.read' });
    assert.equal((await client.tokenIntrospection(keyed, access_token)).active, true);
  });
});
