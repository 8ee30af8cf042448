/** What the metadata says can be had, and nothing else can. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import {
  codeOf,
  createFlow,
  errorOf,
  isConsentPage,
  isLoginPage,
  type Parameters,
} from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';

const DOCUMENTS = ['openid-configuration', 'oauth-authorization-server'];

async function metadataOf(server: TestServer): Promise<Record<string, any>[]> {
  return Promise.all(
    DOCUMENTS.map(async (name) => (await fetch(`${server.issuer}/.well-known/${name}`)).json() as any),
  );
}

describe('metadata and answers', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      fixture: ({ organizations: [acme] }) => {
        acme.applications.find(({ name }: any) => name === 'web').redirectUris.push('https://x.example/cb');
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const ask = (parameters: Parameters, browser = createBrowser(server.issuer)) =>
    browser.get(createFlow(server).request(parameters).url);

  test('response modes are query and form_post, and each of them works', async () => {
    for (const metadata of await metadataOf(server)) {
      assert.deepEqual(metadata.response_modes_supported, ['query', 'form_post']);
    }
    for (const mode of ['query', 'form_post']) {
      assert.ok(isLoginPage(await ask({ response_mode: mode })), mode);
    }
    const { url } = await ask({ response_mode: 'fragment' });
    assert.match(new URL(url).hash, /error=invalid_request/);
  });

  test('each prompt value that is advertised is taken', async () => {
    const [metadata] = await metadataOf(server);
    assert.deepEqual(metadata?.prompt_values_supported, ['none', 'login', 'consent', 'select_account']);
    const browser = createBrowser(server.issuer);
    await createFlow(server).authorize(browser, createFlow(server).request().url);
    assert.equal(new URL((await ask({ prompt: 'none' }, browser)).url).searchParams.has('code'), true);
    assert.ok(isLoginPage(await ask({ prompt: 'login' }, browser)));
    assert.ok(isConsentPage(await ask({ prompt: 'consent' }, browser)));
    assert.ok(isLoginPage(await ask({ prompt: 'select_account' }, browser)));
    assert.equal(errorOf(await ask({ prompt: 'create' }, browser)), 'invalid_request');
  });

  test('select_account asks who logs in, and goes with consent and not with none', async () => {
    const flow = createFlow(server);
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request().url);
    const { url, pkce } = flow.request({ prompt: 'select_account' });
    const code = codeOf(await flow.authorize(browser, url));
    assert.equal((await flow.redeem(code, pkce.verifier)).status, 200);
    const both = await ask({ prompt: 'select_account consent' }, browser);
    assert.ok(isLoginPage(both));
    assert.ok(isConsentPage(await flow.logIn(browser, both)));
    for (const prompt of ['none select_account', 'select_account nonsense']) {
      assert.equal(errorOf(await ask({ prompt }, browser)), 'invalid_request', prompt);
    }
  });

  test('select_account in a posted request asks who logs in', async () => {
    const flow = createFlow(server);
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request().url);
    const url = new URL(flow.request({ prompt: 'select_account' }).url);
    const fields = Object.fromEntries(url.searchParams);
    assert.ok(isLoginPage(await browser.post(`${url.origin}${url.pathname}`, fields)));
  });

  test('claims that are advertised come out, and no others', async () => {
    const [metadata] = await metadataOf(server);
    const json = await createFlow(server).tokens(createBrowser(server.issuer), {
      scope: 'openid profile email orders.read',
    });
    const refreshed = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    const idToken = decodeJwt(json.id_token);
    assert.deepEqual(idToken.amr, ['pwd']);
    assert.equal(typeof idToken.auth_time, 'number');
    // OpenID Connect Core section 12.2: the time of the login, not of the refresh.
    assert.equal(decodeJwt(refreshed.json.id_token).auth_time, idToken.auth_time);
    assert.deepEqual(decodeJwt(refreshed.json.id_token).amr, ['pwd']);
    const technical = ['aud', 'exp', 'iat', 'nonce', 'at_hash'];
    assert.deepEqual(
      Object.keys(idToken)
        .filter((claim) => !technical.includes(claim))
        .sort(),
      [...(metadata?.claims_supported ?? [])].sort(),
    );
  });

  test('userinfo says nothing of when and how the person logged in', async () => {
    const json = await createFlow(server).tokens(createBrowser(server.issuer), { scope: 'openid profile' });
    const answer = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${json.access_token}` },
    });
    assert.deepEqual(Object.keys((await answer.json()) as object).sort(), [
      'name',
      'preferred_username',
      'sub',
      'updated_at',
    ]);
  });

  test('each endpoint names the methods by which clients authenticate there', async () => {
    const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];
    for (const metadata of await metadataOf(server)) {
      assert.deepEqual(metadata.token_endpoint_auth_methods_supported, [...methods, 'none']);
      assert.deepEqual(metadata.revocation_endpoint_auth_methods_supported, [...methods, 'none']);
      assert.deepEqual(metadata.introspection_endpoint_auth_methods_supported, methods);
      for (const endpoint of ['token', 'revocation', 'introspection']) {
        const algs = metadata[`${endpoint}_endpoint_auth_signing_alg_values_supported`];
        assert.deepEqual(algs, ['RS256', 'PS256', 'ES256', 'EdDSA'], endpoint);
      }
    }
    const form = { token: 'x', client_id: 'spa' };
    assert.equal((await server.post('/oauth/revoke', undefined, form)).status, 200);
    assert.equal((await server.post('/oauth/introspect', undefined, form)).json.error, 'invalid_client');
  });

  test('detail types of devices are advertised only while DeviceHive is answered', async () => {
    const [metadata] = await metadataOf(server);
    const types = ['table_access', 'table_access_set'];
    assert.deepEqual(metadata?.authorization_details_types_supported, types);
    const { changes, storage } = server.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme);
    const faces = { devicehive: { enabled: true, registration: false } };
    await changes.organizations.replace({ ...acme, faces }, { actor: 'test' });
    const [changed] = await metadataOf(server);
    assert.deepEqual(changed?.authorization_details_types_supported, [...types, 'devicehive']);
  });
});
