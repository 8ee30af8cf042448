import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { authorizeUrl, createBrowser, createPkce } from '../support/browser.ts';
import { REDIRECT_URI, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { createFlow, type Flow, shownTables } from './flow.ts';

describe('authorization_code with PKCE', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer();
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  test('login, consent and code give a token for the resource and an ID token', async () => {
    const { code, pkce, answer } = await flow.login({ nonce: 'n0nce' });
    assert.equal(answer.origin + answer.pathname, REDIRECT_URI);
    const { status, json } = await flow.redeem(code, pkce.verifier);
    assert.equal(status, 200, JSON.stringify(json));
    const claims = decodeJwt(json.access_token);
    assert.equal(claims.aud, RESOURCE);
    assert.equal(claims.username, 'ann');
    assert.deepEqual(claims.roles, ['clerk']);
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders', 'products']);
    const identity = decodeJwt(json.id_token);
    assert.equal(identity.nonce, 'n0nce');
    assert.equal(identity.sub, claims.sub);
    assert.equal(identity.aud, 'web');
    assert.equal((await server.introspect(json.access_token)).active, true);
    assert.ok(json.refresh_token, 'the application has the grant');
  });

  test('a refresh token of a code carries on who logged in', async () => {
    const { code, pkce } = await flow.login();
    const { json } = await flow.redeem(code, pkce.verifier);
    assert.ok(json.refresh_token);
    const refreshed = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.equal(decodeJwt(refreshed.json.id_token).sub, decodeJwt(json.id_token).sub);
    assert.equal(decodeJwt(refreshed.json.access_token).auth_time, decodeJwt(json.access_token).auth_time);
  });

  test('the ID token of a refresh has no nonce', async () => {
    const { code, pkce } = await flow.login({ nonce: 'n0nce', scope: 'openid offline_access orders.read' });
    let { json } = await flow.redeem(code, pkce.verifier);
    assert.equal(decodeJwt(json.id_token).nonce, 'n0nce');
    for (let times = 0; times < 2; times++) {
      ({ json } = await server.post('/oauth/token', 'web', {
        grant_type: 'refresh_token',
        refresh_token: json.refresh_token,
      }));
      // angular-auth-oidc-client refuses one, as OpenID Connect Core section 12.2 says that it should be absent.
      assert.equal('nonce' in decodeJwt(json.id_token), false);
    }
  });

  test('an identity only login gives a token that is good at userinfo only', async () => {
    const { code, pkce } = await flow.login({ scope: 'openid profile email' });
    const { json } = await flow.redeem(code, pkce.verifier);
    assert.match(json.access_token, /^gat_/);
    const userinfo = (token: string) =>
      fetch(`${server.issuer}/oauth/userinfo`, { headers: { authorization: `Bearer ${token}` } });
    const answer = await userinfo(json.access_token);
    assert.equal(answer.status, 200);
    const claims = (await answer.json()) as Record<string, unknown>;
    assert.equal(claims.preferred_username, 'ann');
    assert.equal(claims.email, 'ann@acme.example');
    await server.post('/oauth/revoke', 'web', { token: json.access_token });
    assert.equal((await userinfo(json.access_token)).status, 401);
  });

  test('tables asked for in every spelling are shown and granted', async () => {
    const spellings: Record<string, string>[] = [
      {
        authorization_details: JSON.stringify([
          { type: 'table_access', identifier: 'orders', actions: ['read'] },
        ]),
      },
      { permissions: '{"isAdmin":false,"tables":{"orders":{"read":true}}}' },
      { scope: 'openid orders.read orders:read' },
    ];
    for (const spelling of spellings) {
      const { url, pkce } = flow.request({ ...spelling, prompt: 'consent' });
      const browser = createBrowser(server.issuer);
      const consent = await flow.logIn(browser, await browser.get(url));
      assert.deepEqual(shownTables(consent), { orders: ['read'] }, JSON.stringify(spelling));
      const answer = new URL((await browser.submit(consent, '/consent')).url);
      const { json } = await flow.redeem(answer.searchParams.get('code') ?? '', pkce.verifier);
      assert.deepEqual(Object.keys(json.permissions?.tables ?? {}), ['orders'], JSON.stringify(json));
      assert.equal(json.permissions.tables.orders.update, false);
    }
  });

  test('asking for more than the ceiling allows is refused before anybody logs in', async () => {
    const { url } = flow.request({ permissions: '{"isAdmin":true}' });
    const answer = new URL((await createBrowser(server.issuer).get(url)).url);
    assert.equal(answer.searchParams.get('error'), 'invalid_authorization_details');
  });

  test('AZ-04 a request without a challenge, or with a plain one, is refused', async () => {
    for (const change of [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge_method: 'plain' },
      { code_challenge_method: undefined },
    ]) {
      for (const client_id of ['web', 'spa']) {
        const page = await createBrowser(server.issuer).get(flow.request({ ...change, client_id }).url);
        assert.equal(new URL(page.url).searchParams.get('error'), 'invalid_request', JSON.stringify(change));
      }
    }
  });

  test('AZ-05 a code with a challenge is not redeemed without the verifier', async () => {
    const { code } = await flow.login();
    const answer = await server.post('/oauth/token', 'web', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
    });
    assert.equal(answer.json.error, 'invalid_grant');
  });

  test('AZ-06 a verifier of the wrong form is refused, and a wrong one burns the code', async () => {
    const { code, pkce } = await flow.login();
    assert.equal((await flow.redeem(code, 'short')).json.error, 'invalid_request');
    assert.equal((await flow.redeem(code, createPkce().verifier)).json.error, 'invalid_grant');
    assert.equal((await flow.redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('AZ-07 repeated parameters are refused', async () => {
    for (const name of ['client_id', 'redirect_uri', 'scope', 'state']) {
      const { url } = flow.request({});
      const page = await createBrowser(server.issuer).get(`${url}&${name}=${encodeURIComponent('x')}`);
      const error = new URL(page.url).searchParams.get('error') ?? (page.status >= 400 ? 'page' : undefined);
      assert.ok(error, name);
      assert.equal(new URL(page.url).searchParams.get('code'), null);
    }
  });

  test('AZ-08 other response types are refused and not advertised', async () => {
    for (const response_type of ['token', 'id_token', 'code id_token', 'none']) {
      const page = await createBrowser(server.issuer).get(flow.request({ response_type, nonce: 'n' }).url);
      assert.equal(
        new URL(page.url.replace('#', '?')).searchParams.get('error'),
        'unsupported_response_type',
        response_type,
      );
    }
    const metadata: any = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json();
    assert.deepEqual(metadata.response_types_supported, ['code']);
    assert.ok(!metadata.grant_types_supported.includes('implicit'));
  });

  test('AZ-09 answers carry iss and the very state, errors too', async () => {
    const state = 'a+b %&=/ü';
    const { answer } = await flow.login({ state });
    assert.equal(answer.searchParams.get('iss'), server.issuer);
    assert.equal(answer.searchParams.get('state'), state);
    const refused = new URL(
      (await createBrowser(server.issuer).get(flow.request({ state, scope: 'nope' }).url)).url,
    );
    assert.equal(refused.searchParams.get('error'), 'invalid_scope');
    assert.equal(refused.searchParams.get('iss'), server.issuer);
    assert.equal(refused.searchParams.get('state'), state);
  });

  test('AZ-10 using a code twice ends all that was made from it', async () => {
    const { code, pkce } = await flow.login();
    const { json } = await flow.redeem(code, pkce.verifier);
    assert.equal((await flow.redeem(code, pkce.verifier)).json.error, 'invalid_grant');
    assert.deepEqual(await server.introspect(json.access_token), { active: false });
  });

  test('AZ-10 of 50 parallel redemptions of one code exactly one succeeds', async () => {
    const { code, pkce } = await flow.login();
    const answers = await Promise.all(Array.from({ length: 50 }, () => flow.redeem(code, pkce.verifier)));
    const [first, ...others] = answers.filter(({ status }) => status === 200);
    assert.deepEqual(others, []);
    assert.ok(answers.every(({ status, json }) => status === 200 || json.error === 'invalid_grant'));
    assert.deepEqual(await server.introspect(first?.json.access_token), { active: false });
  });

  test('AZ-10 a code is dead after a minute, and with another redirect_uri it is burnt', async () => {
    const old = await flow.login();
    server.clock.offset += 61_000;
    assert.equal((await flow.redeem(old.code, old.pkce.verifier)).json.error, 'invalid_grant');
    server.clock.offset -= 61_000;
    const { code, pkce } = await flow.login();
    assert.equal(
      (await flow.redeem(code, pkce.verifier, 'web', { redirect_uri: `${REDIRECT_URI}/x` })).json.error,
      'invalid_grant',
    );
    assert.equal((await flow.redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('AZ-11 a code that another client presents is burnt', async () => {
    const { code, pkce } = await flow.login();
    assert.equal((await flow.redeem(code, pkce.verifier, 'other-web')).json.error, 'invalid_grant');
    assert.equal((await flow.redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('a browser application redeems by PKCE alone from a listed origin', async () => {
    const pkce = createPkce();
    const browser = createBrowser(server.issuer);
    const answer = await flow.authorize(
      browser,
      authorizeUrl(server.issuer, pkce, {
        client_id: 'spa',
        redirect_uri: REDIRECT_URI,
        scope: 'openid orders.read',
      }),
    );
    const form = { client_id: 'spa' };
    const code = answer.searchParams.get('code') ?? '';
    const redeemed = await server.post(
      '/oauth/token',
      undefined,
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: pkce.verifier,
        ...form,
      },
      { origin: 'https://app.acme.example' },
    );
    assert.equal(redeemed.status, 200, redeemed.text);
    assert.equal(redeemed.headers.get('access-control-allow-origin'), 'https://app.acme.example');
    for (const origin of ['https://evil.example', 'null']) {
      const refused = await server.post(
        '/oauth/token',
        undefined,
        { grant_type: 'authorization_code', code, ...form },
        { origin },
      );
      assert.equal(refused.headers.get('access-control-allow-origin'), null, origin);
    }
  });
});
