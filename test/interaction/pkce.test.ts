/** `pkce: optional`: which logins may leave PKCE out, and that what was sent is never forgotten. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createBrowser, createPkce } from '../support/browser.ts';
import { REDIRECT_URI, startServer, type TestServer } from '../support/server.ts';
import { createFlow, errorOf, isLoginPage } from './flow.ts';

const LOOPBACK = 'http://localhost:5173/callback';
const OWN_SCHEME = 'com.example.app:/callback';
const WITHOUT = { code_challenge: undefined, code_challenge_method: undefined };

describe('pkce: optional', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture: ({ organizations: [acme] }) => {
        const web = acme.applications.find(({ name }: any) => name === 'web');
        const redirectUris = [REDIRECT_URI, LOOPBACK, OWN_SCHEME];
        Object.assign(web, { pkce: 'optional', native: true, redirectUris });
        const strict = { ...web, name: 'strict', clientId: 'strict', realm: 'organization' };
        const local = {
          ...strict,
          name: 'local',
          clientId: 'local',
          native: false,
          redirectUris: [LOOPBACK],
        };
        acme.applications.push({ ...strict, pkce: undefined }, local);
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const redeemWithout = (code: string, form: Record<string, string> = {}) =>
    server.post('/oauth/token', 'web', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      ...form,
    });
  const ask = async (parameters: Record<string, string | undefined>) =>
    createBrowser(server.issuer).get(createFlow(server).request(parameters).url);

  test('a login without a challenge is redeemed without a verifier', async () => {
    const { code } = await createFlow(server).login(WITHOUT);
    const { status, json } = await redeemWithout(code);
    assert.equal(status, 200, JSON.stringify(json));
    assert.ok(json.id_token);
  });

  test('AZ-05 a verifier for a code without a challenge burns the code', async () => {
    const { code } = await createFlow(server).login(WITHOUT);
    const answer = await redeemWithout(code, { code_verifier: createPkce().verifier });
    assert.equal(answer.json.error, 'invalid_grant');
    assert.equal((await redeemWithout(code)).json.error, 'invalid_grant');
  });

  test('AZ-05 a challenge that was sent must be met', async () => {
    const { code } = await createFlow(server).login();
    assert.equal((await redeemWithout(code)).json.error, 'invalid_grant');
    const { code: other } = await createFlow(server).login();
    const wrong = await redeemWithout(other, { code_verifier: createPkce().verifier });
    assert.equal(wrong.json.error, 'invalid_grant');
  });

  test('half a challenge and the method plain are refused', async () => {
    for (const parameters of [
      { code_challenge_method: undefined },
      { code_challenge: undefined },
      { code_challenge_method: 'plain' },
    ]) {
      assert.equal(errorOf(await ask(parameters)), 'invalid_request', JSON.stringify(parameters));
    }
  });

  test('a web application that is developed on localhost may leave PKCE out', async () => {
    const page = await ask({ ...WITHOUT, client_id: 'local', redirect_uri: LOOPBACK });
    assert.ok(isLoginPage(page), page.url);
  });

  test('loopback and custom scheme redirects of native applications need PKCE', async () => {
    for (const redirect_uri of [LOOPBACK, OWN_SCHEME]) {
      assert.equal(errorOf(await ask({ ...WITHOUT, redirect_uri })), 'invalid_request', redirect_uri);
    }
  });

  test('AZ-04 other applications and public ones need PKCE', async () => {
    for (const client_id of ['strict', 'spa']) {
      assert.equal(errorOf(await ask({ ...WITHOUT, client_id })), 'invalid_request', client_id);
    }
  });

  test('a code without a challenge ends when the application must use PKCE', async () => {
    const { changes, storage } = server.server.foundations;
    const { code } = await createFlow(server).login(WITHOUT);
    const web = await storage.directory.applications.findBy('clientId', 'web');
    assert.ok(web);
    const { pkce: _, ...strict } = web;
    await changes.applications.replace(strict, { actor: 'test' });
    assert.equal((await redeemWithout(code)).json.error, 'invalid_grant');
  });

  test('both metadata documents say which challenge methods there are', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const metadata: any = await (await fetch(`${server.issuer}/.well-known/${name}`)).json();
      assert.deepEqual(metadata.code_challenge_methods_supported, ['S256'], name);
    }
  });
});
