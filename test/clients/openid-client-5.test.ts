import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Client, type ClientMetadata, generators, Issuer, type TokenSet } from 'openid-client-5';
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

describe('openid-client 5', () => {
  let server: TestServer;
  let issuer: Issuer;
  let client: Client;
  let keys: Keys;
  before(async () => {
    keys = await createKeys();
    server = await startWith([application('five'), keyedApplication('five-keyed', keys)]);
    issuer = await Issuer.discover(server.issuer);
    client = new issuer.Client({
      client_id: 'five',
      client_secret: SECRET,
      redirect_uris: [CALLBACK],
      post_logout_redirect_uris: [BYE],
      response_types: ['code'],
    });
  });
  after(() => server[Symbol.asyncDispose]());

  async function logIn(): Promise<{ person: Person; tokens: TokenSet }> {
    const person = createPerson(server);
    const [state, nonce] = [generators.state(), generators.nonce()];
    const answer = await person.authorize(client.authorizationUrl({ scope: SCOPE, state, nonce }));
    const parameters = client.callbackParams(answer.href);
    return { person, tokens: await client.callback(CALLBACK, parameters, { state, nonce }) };
  }

  test('it logs in without PKCE, checks the ID token and reads the profile', async () => {
    const { tokens } = await logIn();
    assert.equal(tokens.claims().iss, server.issuer);
    assert.equal(tokens.scope, SCOPE);
    const profile = await client.userinfo(tokens);
    assert.deepEqual([profile.preferred_username, profile.email], ['ann', 'ann@acme.example']);
  });

  test('it refreshes', async () => {
    const { tokens } = await logIn();
    const renewed = await client.refresh(tokens);
    assert.notEqual(renewed.access_token, tokens.access_token);
    assert.equal((await client.userinfo(renewed)).sub, tokens.claims().sub);
  });

  test('it revokes and introspects', async () => {
    const { tokens } = await logIn();
    const token = tokens.refresh_token ?? '';
    assert.equal((await client.introspect(token)).active, true);
    await client.revoke(token);
    assert.equal((await client.introspect(token)).active, false);
    await assert.rejects(client.refresh(tokens), /invalid_grant/);
  });

  test('it logs out', async () => {
    const { person, tokens } = await logIn();
    const bye = await person.logOut(client.endSessionUrl({ id_token_hint: tokens, state: 'bye' }));
    assert.equal(bye.href, `${BYE}?state=bye`);
    await assert.rejects(client.userinfo(tokens), /invalid_token/);
  });

  test('it proves itself with an assertion', async () => {
    const method = {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
    };
    const keyed = new issuer.Client({ client_id: 'five-keyed', ...method } as ClientMetadata, {
      keys: [keys.privateJwk],
    });
    const { access_token } = await keyed.grant({ grant_type: 'client_credentials', scope: 'orders.read' });
    assert.equal((await keyed.introspect(access_token ?? '')).active, true);
  });
});
