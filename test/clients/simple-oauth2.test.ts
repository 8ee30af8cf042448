import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
// @ts-expect-error it brings no types
import { AuthorizationCode, ClientCredentials, ResourceOwnerPassword } from 'simple-oauth2';
import { codeOf } from '../interaction/flow.ts';
import { PASSWORD, type TestServer } from '../support/server.ts';
import { application, CALLBACK, createPerson, SCOPE, SECRET, startWith } from './world.ts';

/** Its paths are not given: those of Grantable are its defaults. */
describe('simple-oauth2', () => {
  let server: TestServer;
  let settings: Record<string, Record<string, string>>;
  before(async () => {
    const grants = ['authorization_code', 'refresh_token', 'client_credentials', 'password'];
    server = await startWith([application('simple', { grants })]);
    settings = { client: { id: 'simple', secret: SECRET }, auth: { tokenHost: server.issuer } };
  });
  after(() => server[Symbol.asyncDispose]());

  async function logIn(): Promise<any> {
    const client = new AuthorizationCode(settings);
    const url = client.authorizeURL({ redirect_uri: CALLBACK, scope: SCOPE, state: 'st4te' });
    const code = codeOf(await createPerson(server).authorize(url));
    return client.getToken({ code, redirect_uri: CALLBACK });
  }

  const isActive = async ({ token }: any): Promise<unknown> =>
    (await server.introspect(token.access_token)).active;

  test('it logs in without PKCE', async () => {
    const login = await logIn();
    assert.equal(login.token.scope, SCOPE);
    assert.equal(login.expired(), false);
    assert.equal(await isActive(login), true);
  });

  test('it refreshes', async () => {
    const login = await logIn();
    const renewed = await login.refresh();
    assert.notEqual(renewed.token.access_token, login.token.access_token);
    assert.equal(await isActive(renewed), true);
  });

  test('it revokes one token', async () => {
    const login = await logIn();
    await login.revoke('access_token');
    assert.equal(await isActive(login), false);
    assert.equal(await isActive(await login.refresh()), true);
  });

  test('it revokes all of a login', async () => {
    const login = await logIn();
    await login.revokeAll();
    await assert.rejects(login.refresh(), /400/);
  });

  test('it gets tokens for an application and for a password', async () => {
    const machine = await new ClientCredentials(settings).getToken({ scope: 'orders.read' });
    assert.equal(await isActive(machine), true);
    const typed = { username: 'ann', password: PASSWORD, scope: 'orders.read' };
    const person = await new ResourceOwnerPassword(settings).getToken(typed);
    assert.equal(await isActive(person), true);
  });
});
