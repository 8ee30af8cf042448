import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { authorizeUrl, createBrowser, createPkce } from '../support/browser.ts';
import { REDIRECT_URI, startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isConsentPage } from './flow.ts';

const BYE = 'https://app.acme.example/bye';

describe('logout', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        // Two applications that share their people, hence a session.
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        web.realm = 'organization';
        acme.applications.push({
          ...web,
          name: 'desk',
          clientId: 'desk',
          clientSecret: secretOf('desk'),
        });
        const ann = acme.users.find(({ application }: { application: string }) => application === 'web');
        delete ann.application;
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  function secretOf(clientId: string): string {
    return `secret-of-${clientId}-`.padEnd(40, 'x');
  }

  const logoutUrl = (parameters: Record<string, string> = {}) =>
    `${server.issuer}/oauth/logout?${new URLSearchParams(parameters)}`;
  const silently = (parameters: Record<string, string> = {}) =>
    flow.request({ prompt: 'none', ...parameters }).url;

  test('logging out ends the session and what was made without offline_access', async () => {
    const browser = createBrowser(server.issuer);
    const { access_token, id_token } = await flow.tokens(browser);
    const page = await browser.get(logoutUrl({ id_token_hint: id_token, post_logout_redirect_uri: BYE }));
    assert.match(page.text, /Log out\?/);
    assert.match(page.text, /web asks to log you out/);
    assert.equal((await server.introspect(access_token)).active, true, 'asking is not doing');
    const done = await browser.submit(page, '/oauth/logout/confirm', { logout: 'yes' });
    assert.equal(done.url, BYE);
    assert.deepEqual(await server.introspect(access_token), { active: false });
    assert.equal(errorOf(await browser.get(silently())), 'login_required');
  });

  test('a login with offline_access outlives the session', async () => {
    const browser = createBrowser(server.issuer);
    const offline = { scope: 'openid offline_access orders.read', prompt: 'consent' };
    const { access_token, refresh_token } = await flow.tokens(browser, offline);
    const page = await browser.get(logoutUrl());
    assert.match(
      (await browser.submit(page, '/oauth/logout/confirm', { logout: 'yes' })).text,
      /are logged out/,
    );
    assert.equal((await server.introspect(access_token)).active, true);
    const form = { grant_type: 'refresh_token', refresh_token };
    assert.equal((await server.post('/oauth/token', 'web', form)).status, 200);
  });

  test('a login without offline_access ends, whatever else its application asked for', async () => {
    const [bound, offline, api] = ['openid orders.read', 'openid offline_access orders.read', 'orders.read'];
    for (const ofAll of [{ logout: 'yes' }, {}]) {
      for (const [first, second] of [
        [bound, offline],
        [offline, bound],
        [bound, api],
      ] as const) {
        const browser = createBrowser(server.issuer);
        const logins = [];
        for (const scope of [first, second])
          logins.push({ scope, ...(await flow.tokens(browser, { scope })) });
        await browser.submit(
          await browser.get(logoutUrl({ client_id: 'web' })),
          '/oauth/logout/confirm',
          ofAll,
        );
        for (const { scope, access_token, refresh_token } of logins as Record<string, string>[]) {
          const isLeft = scope !== bound;
          const form = { grant_type: 'refresh_token', refresh_token: refresh_token ?? '' };
          assert.equal((await server.introspect(access_token ?? '')).active, isLeft, scope);
          assert.equal((await server.post('/oauth/token', 'web', form)).status, isLeft ? 200 : 400, scope);
        }
      }
    }
  });

  test('a code of a login with offline_access is good after the session has ended', async () => {
    const browser = createBrowser(server.issuer);
    const { url, pkce } = flow.request({ scope: 'openid offline_access orders.read' });
    const code = codeOf(await flow.authorize(browser, url));
    await browser.submit(await browser.get(logoutUrl()), '/oauth/logout/confirm', { logout: 'yes' });
    const { status, json, text } = await flow.redeem(code, pkce.verifier);
    assert.equal(status, 200, text);
    assert.equal((await flow.redeem(code, pkce.verifier)).status, 400);
    assert.deepEqual(
      await server.introspect(json.access_token),
      { active: false },
      'the code was used twice',
    );
  });

  test('two tabs that ask for a first consent at once both log in, and both log out', async () => {
    await flow.forget();
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request({ client_id: 'desk' }).url);
    const requests = [flow.request(), flow.request()];
    const tabs = [];
    // Browsers keep the cookies of each interaction apart, by their path.
    for (const { url } of requests)
      tabs.push({ page: await browser.get(url), cookies: [...browser.cookies] });
    const codes = [];
    for (const { page, cookies } of tabs) {
      assert.ok(isConsentPage(page), page.text);
      for (const [name, value] of cookies)
        if (/^(interaction|resume)/.test(name)) browser.cookies.set(name, value);
      codes.push(codeOf(new URL((await browser.submit(page, '/consent')).url)));
    }
    const tokens = [];
    for (const [index, code] of codes.entries()) {
      const { status, json, text } = await flow.redeem(code, requests[index]!.pkce.verifier);
      assert.equal(status, 200, text);
      tokens.push(json.access_token);
    }
    await browser.submit(await browser.get(logoutUrl()), '/oauth/logout/confirm', { logout: 'yes' });
    for (const token of tokens) assert.deepEqual(await server.introspect(token), { active: false });
  });

  test('of one application only: the others, and the session, live on', async () => {
    const browser = createBrowser(server.issuer);
    const web = await flow.tokens(browser);
    const pkce = createPkce();
    const request = { client_id: 'desk', redirect_uri: REDIRECT_URI, scope: 'openid orders.read' };
    const answer = await flow.authorize(browser, authorizeUrl(server.issuer, pkce, request));
    const desk = (await flow.redeem(codeOf(answer), pkce.verifier, 'desk')).json;
    const page = await browser.get(logoutUrl({ id_token_hint: web.id_token }));
    assert.match(page.text, /Log out of web only/);
    const done = await browser.submit(page, '/oauth/logout/confirm');
    assert.match(done.text, /You are logged out of web/);
    assert.deepEqual(await server.introspect(web.access_token), { active: false });
    assert.equal((await server.introspect(desk.access_token)).active, true);
    codeOf(new URL((await browser.get(silently({ client_id: 'desk' }))).url));
  });

  test('WB-03 without a hint the person is asked, and no page can log anybody out', async () => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser);
    const page = await browser.get(logoutUrl());
    assert.match(page.text, /Log out\?/);
    assert.match(page.text, /To stay logged in, close this page/);
    assert.doesNotMatch(page.text, /only<\/button>/);
    const forged = await browser.post(`${server.issuer}/oauth/logout/confirm`, { xsrf: 'x', logout: 'yes' });
    assert.equal(forged.status, 400);
    codeOf(new URL((await browser.get(silently())).url));
  });

  test('AZ-15 logout redirects only to registered addresses', async () => {
    const browser = createBrowser(server.issuer);
    const { id_token } = await flow.tokens(browser);
    for (const uri of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      `${BYE}/../x`,
      `${BYE}?x`,
    ]) {
      const asked = { id_token_hint: id_token, post_logout_redirect_uri: uri };
      const page = await browser.get(logoutUrl(asked));
      assert.equal(page.status, 400, uri);
    }
    const unasked = await browser.get(logoutUrl({ post_logout_redirect_uri: 'https://evil.example/' }));
    const done = await browser.submit(unasked, '/oauth/logout/confirm', { logout: 'yes' });
    assert.equal(new URL(done.url).origin, server.issuer);
  });
});
