import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { authorizeUrl, type Browser, createBrowser, createPkce, type Page } from '../support/browser.ts';
import { PASSWORD, REDIRECT_URI, RESOURCE, startServer, type TestServer } from '../support/server.ts';

describe('authorization_code with PKCE', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());

  const request = (parameters: Record<string, string | undefined>, pkce = createPkce()) => ({
    pkce,
    url: authorizeUrl(server.issuer, pkce, {
      client_id: 'web',
      redirect_uri: REDIRECT_URI,
      scope: 'openid orders.read',
      ...parameters,
    }),
  });
  const logIn = (browser: Browser, page: Page, password = PASSWORD) =>
    browser.submit(page, '/login', { username: 'ann', password });
  /** Login and consent, to where the client is answered. */
  async function authorize(browser: Browser, url: string): Promise<URL> {
    let page = await browser.get(url);
    if (page.text.includes('name="password"')) page = await logIn(browser, page);
    if (page.text.includes('/consent')) page = await browser.submit(page, '/consent');
    return new URL(page.url);
  }
  const redeem = (
    code: string,
    verifier: string,
    client: string | undefined = 'web',
    form: Record<string, string> = {},
  ) =>
    server.post('/oauth/token', client, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: verifier,
      ...form,
    });
  async function login(parameters: Record<string, string | undefined> = {}) {
    const { url, pkce } = request(parameters);
    const answer = await authorize(createBrowser(server.issuer), url);
    const code = answer.searchParams.get('code');
    assert.ok(code, answer.href);
    return { code, pkce, answer };
  }

  test('login, consent and code give a token for the resource and an ID token', async () => {
    const { code, pkce, answer } = await login({ nonce: 'n0nce' });
    assert.equal(answer.origin + answer.pathname, REDIRECT_URI);
    const { status, json } = await redeem(code, pkce.verifier);
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
    assert.equal(json.refresh_token, undefined, 'offline_access was not asked for');
  });

  test('offline_access gives a refresh token whose answers carry on who logged in', async () => {
    const { code, pkce } = await login({ scope: 'openid offline_access orders.read', prompt: 'consent' });
    const { json } = await redeem(code, pkce.verifier);
    assert.ok(json.refresh_token);
    const refreshed = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.equal(decodeJwt(refreshed.json.id_token).sub, decodeJwt(json.id_token).sub);
    assert.equal(decodeJwt(refreshed.json.access_token).auth_time, decodeJwt(json.access_token).auth_time);
  });

  test('an identity only login gives a token that is good at userinfo only', async () => {
    const { code, pkce } = await login({ scope: 'openid profile email' });
    const { json } = await redeem(code, pkce.verifier);
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

  test('IN-05 userinfo refuses tokens of a resource, tokens in the query, and gives claims of granted scopes only', async () => {
    const ofResource = await login();
    const { json } = await redeem(ofResource.code, ofResource.pkce.verifier);
    const answer = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${json.access_token}` },
    });
    assert.equal(answer.status, 401);
    const { code, pkce } = await login({ scope: 'openid' });
    const token = (await redeem(code, pkce.verifier)).json.access_token;
    assert.equal((await fetch(`${server.issuer}/oauth/userinfo?access_token=${token}`)).status, 400);
    const claims = await (
      await fetch(`${server.issuer}/oauth/userinfo`, { headers: { authorization: `Bearer ${token}` } })
    ).json();
    assert.deepEqual(Object.keys(claims as object), ['sub']);
  });

  test('tables are asked for in every spelling, shown at consent, and are what the token says', async () => {
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
      const { url, pkce } = request(spelling);
      const browser = createBrowser(server.issuer);
      const consent = await logIn(browser, await browser.get(url));
      assert.match(consent.text, /<td>orders<\/td><td>read<\/td>/, JSON.stringify(spelling));
      const answer = new URL((await browser.submit(consent, '/consent')).url);
      const { json } = await redeem(answer.searchParams.get('code') ?? '', pkce.verifier);
      assert.deepEqual(Object.keys(json.permissions?.tables ?? {}), ['orders'], JSON.stringify(json));
      assert.equal(json.permissions.tables.orders.update, false);
    }
  });

  test('asking for more than the ceiling allows is refused before anybody logs in', async () => {
    const { url } = request({ permissions: '{"isAdmin":true}' });
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
        const page = await createBrowser(server.issuer).get(request({ ...change, client_id }).url);
        assert.equal(new URL(page.url).searchParams.get('error'), 'invalid_request', JSON.stringify(change));
      }
    }
  });

  test('AZ-05 a code with a challenge is not redeemed without the verifier', async () => {
    const { code } = await login();
    const answer = await server.post('/oauth/token', 'web', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
    });
    assert.equal(answer.json.error, 'invalid_grant');
  });

  test('AZ-06 a verifier of the wrong form is refused, and a wrong one burns the code', async () => {
    const { code, pkce } = await login();
    assert.equal((await redeem(code, 'short')).json.error, 'invalid_request');
    assert.equal((await redeem(code, createPkce().verifier)).json.error, 'invalid_grant');
    assert.equal((await redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('AZ-07 repeated parameters are refused', async () => {
    for (const name of ['client_id', 'redirect_uri', 'scope', 'state']) {
      const { url } = request({});
      const page = await createBrowser(server.issuer).get(`${url}&${name}=${encodeURIComponent('x')}`);
      const error = new URL(page.url).searchParams.get('error') ?? (page.status >= 400 ? 'page' : undefined);
      assert.ok(error, name);
      assert.equal(new URL(page.url).searchParams.get('code'), null);
    }
  });

  test('AZ-08 other response types are refused and not advertised', async () => {
    for (const response_type of ['token', 'id_token', 'code id_token', 'none']) {
      const page = await createBrowser(server.issuer).get(request({ response_type, nonce: 'n' }).url);
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
    const { answer } = await login({ state });
    assert.equal(answer.searchParams.get('iss'), server.issuer);
    assert.equal(answer.searchParams.get('state'), state);
    const refused = new URL(
      (await createBrowser(server.issuer).get(request({ state, scope: 'nope' }).url)).url,
    );
    assert.equal(refused.searchParams.get('error'), 'invalid_scope');
    assert.equal(refused.searchParams.get('iss'), server.issuer);
    assert.equal(refused.searchParams.get('state'), state);
  });

  test('AZ-10 a code works once; used again, all that was made from it is dead', async () => {
    const { code, pkce } = await login();
    const { json } = await redeem(code, pkce.verifier);
    assert.equal((await redeem(code, pkce.verifier)).json.error, 'invalid_grant');
    assert.deepEqual(await server.introspect(json.access_token), { active: false });
  });

  test('AZ-10 of 50 parallel redemptions of one code exactly one succeeds', async () => {
    const { code, pkce } = await login();
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(code, pkce.verifier)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.ok(answers.every(({ status, json }) => status === 200 || json.error === 'invalid_grant'));
  });

  test('AZ-10 a code is dead after a minute, and with another redirect_uri it is burnt', async () => {
    const old = await login();
    server.clock.offset += 61_000;
    assert.equal((await redeem(old.code, old.pkce.verifier)).json.error, 'invalid_grant');
    server.clock.offset -= 61_000;
    const { code, pkce } = await login();
    assert.equal(
      (await redeem(code, pkce.verifier, 'web', { redirect_uri: `${REDIRECT_URI}/x` })).json.error,
      'invalid_grant',
    );
    assert.equal((await redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('AZ-11 a code that another client presents is burnt', async () => {
    const { code, pkce } = await login();
    assert.equal((await redeem(code, pkce.verifier, 'other-web')).json.error, 'invalid_grant');
    assert.equal((await redeem(code, pkce.verifier)).json.error, 'invalid_grant');
  });

  test('AZ-12 a login that was begun in one browser cannot be finished in another', async () => {
    const mine = createBrowser(server.issuer);
    const page = await mine.get(request({}).url);
    const victim = createBrowser(server.issuer);
    assert.equal((await victim.get(page.url)).status, 400);
    assert.equal((await victim.submit(page, '/login', { username: 'ann', password: PASSWORD })).status, 400);
  });

  test('AZ-14 after login and consent the browser is sent on with 303', async () => {
    const browser = createBrowser(server.issuer);
    const page = await browser.get(request({}).url);
    const form = /action="([^"]*\/login)"/.exec(page.text)?.[1] ?? '';
    const token = /name="form_token" value="([^"]*)"/.exec(page.text)?.[1] ?? '';
    const answer = await fetch(server.issuer + form, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      body: new URLSearchParams({ form_token: token, username: 'ann', password: PASSWORD }),
    });
    assert.equal(answer.status, 303);
  });

  test('AZ-18 unknown scopes, and those of another resource, are invalid_scope', async () => {
    for (const scope of ['openid nope', 'orders.write']) {
      const page = await createBrowser(server.issuer).get(request({ scope }).url);
      assert.equal(new URL(page.url).searchParams.get('error'), 'invalid_scope', scope);
    }
  });

  test('AZ-19 what is consented to comes from the request, whatever the form says', async () => {
    const { url, pkce } = request({
      scope: 'openid orders.read',
      authorization_details: JSON.stringify([
        { type: 'table_access', identifier: 'orders', actions: ['read'] },
      ]),
    });
    const browser = createBrowser(server.issuer);
    const consent = await logIn(browser, await browser.get(url));
    assert.match(consent.text, /app\.acme\.example/);
    const done = await browser.submit(consent, '/consent', {
      scope: 'openid offline_access orders.write',
      authorization_details: '[]',
      permissions: '{"isAdmin":true}',
    });
    const { json } = await redeem(new URL(done.url).searchParams.get('code') ?? '', pkce.verifier);
    assert.equal(json.scope, 'openid orders.read');
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
  });

  test('turning the request down is access_denied at the client', async () => {
    const browser = createBrowser(server.issuer);
    const page = await browser.get(request({}).url);
    const answer = new URL((await browser.submit(page, '/abort')).url);
    assert.equal(answer.searchParams.get('error'), 'access_denied');
  });

  test('WB-01 the session id changes at login', async () => {
    const browser = createBrowser(server.issuer);
    const page = await browser.get(request({}).url);
    const before = browser.cookies.get('session');
    await logIn(browser, page);
    assert.notEqual(browser.cookies.get('session'), before);
  });

  test('WB-03 forms of other pages, origins and without a token are refused', async () => {
    const browser = createBrowser(server.issuer);
    const page = await browser.get(request({}).url);
    const credentials = { username: 'ann', password: PASSWORD };
    assert.equal((await browser.submit(page, '/login', { ...credentials, form_token: 'x' })).status, 403);
    assert.equal(
      (await browser.submit(page, '/login', credentials, { origin: 'https://evil.example' })).status,
      403,
    );
    assert.equal(
      (await browser.submit(page, '/login', credentials, { 'sec-fetch-site': 'cross-site' })).status,
      403,
    );
    assert.equal((await browser.post(`${page.url}/login`, credentials)).status, 403);
  });

  test('WB-06 a login_hint fills the field and nothing else', async () => {
    const page = await createBrowser(server.issuer).get(
      request({ login_hint: '"><script>alert(1)</script>' }).url,
    );
    assert.doesNotMatch(page.text, /<script>/);
    assert.match(page.text, /&lt;script&gt;/);
  });

  test('AC-09 a wrong password and an unknown name get the same page', async () => {
    const pages = [];
    for (const credentials of [
      { username: 'ann', password: 'wrong' },
      { username: 'nobody', password: 'wrong' },
    ]) {
      const browser = createBrowser(server.issuer);
      const page = await browser.get(request({}).url);
      const answer = await browser.submit(page, '/login', credentials);
      pages.push({
        status: answer.status,
        text: answer.text.replaceAll(/value="[^"]*"|interaction\/[\w-]+/g, ''),
      });
    }
    assert.deepEqual(pages[0], pages[1]);
    assert.equal(pages[0]?.status, 400);
  });

  test('MT-11 a session of one realm is no login at a client of another, at prompt=none either', async () => {
    const browser = createBrowser(server.issuer);
    await authorize(browser, request({}).url);
    const other = (parameters: Record<string, string>) =>
      authorizeUrl(server.issuer, createPkce(), {
        client_id: 'other-web',
        redirect_uri: 'https://app.other.example/callback',
        scope: 'openid',
        ...parameters,
      });
    const silent = new URL((await browser.get(other({ prompt: 'none' }))).url);
    assert.equal(silent.searchParams.get('error'), 'login_required');
    const page = await browser.get(other({}));
    assert.match(page.text, /Log in to other-web/);
    // Its own realm still knows the session, unless somebody else has logged in since.
    const again = new URL((await browser.get(request({ prompt: 'none' }).url)).url);
    assert.ok(again.searchParams.get('code'), again.href);
  });

  test('a browser application without a secret redeems by PKCE alone, from a listed origin only', async () => {
    const pkce = createPkce();
    const browser = createBrowser(server.issuer);
    const answer = await authorize(
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

  test('logging out ends what was made without offline_access', async () => {
    const { url, pkce } = request({});
    const browser = createBrowser(server.issuer);
    const answer = await authorize(browser, url);
    const { json } = await redeem(answer.searchParams.get('code') ?? '', pkce.verifier);
    const page = await browser.get(
      `${server.issuer}/oauth/logout?id_token_hint=${json.id_token}&post_logout_redirect_uri=${encodeURIComponent('https://app.acme.example/bye')}`,
    );
    assert.match(page.text, /Log out\?/);
    const done = await browser.submit(page, '/oauth/logout/confirm', { logout: 'yes' });
    assert.equal(done.url, 'https://app.acme.example/bye');
    assert.deepEqual(await server.introspect(json.access_token), { active: false });
    const silent = new URL((await browser.get(request({ prompt: 'none' }).url)).url);
    assert.equal(silent.searchParams.get('error'), 'login_required');
  });

  test('AC-12 RT-08 a changed password needs the old one and ends every other login', async () => {
    const { code, pkce } = await login({ scope: 'openid offline_access orders.read', prompt: 'consent' });
    const { json } = await redeem(code, pkce.verifier);
    const session = createBrowser(server.issuer);
    await authorize(session, request({}).url);
    const browser = createBrowser(server.issuer);
    const page = await browser.get(`${server.issuer}/account/password?application=web`);
    const fields = {
      username: 'ann',
      new_password: 'a-brand-new-password',
      repeated: 'a-brand-new-password',
    };
    const wrong = await browser.submit(page, '/account/password', { ...fields, password: 'wrong' });
    assert.equal(wrong.status, 400);
    const weak = await browser.submit(page, '/account/password', {
      ...fields,
      password: PASSWORD,
      new_password: 'short',
      repeated: 'short',
    });
    assert.equal(weak.status, 400);
    assert.equal((await server.introspect(json.access_token)).active, true);
    const done = await browser.submit(page, '/account/password', { ...fields, password: PASSWORD });
    assert.match(done.text, /password was changed/);
    assert.deepEqual(await server.introspect(json.access_token), { active: false });
    const refreshed = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
    });
    assert.equal(refreshed.json.error, 'invalid_grant');
    const silent = new URL((await session.get(request({ prompt: 'none' }).url)).url);
    assert.equal(silent.searchParams.get('error'), 'login_required');
  });
});
