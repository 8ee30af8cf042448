/** A person logs in with a browser to administer: the server itself, through an application of `management`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser as Chromium } from 'playwright-core';
import { createBrowser, createPkce } from '../support/browser.ts';
import { chromiumMissing, openTab, type Site, startChromium, startSite } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import {
  PASSWORD,
  REDIRECT_URI,
  RESOURCE,
  secretOf,
  startServer,
  type TestServer,
} from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isConsentPage, isLoginPage } from './flow.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const SCOPE = 'openid offline_access users:read applications:read applications:update';
const ROOT = { username: 'root' };

describe('a login for the administration', () => {
  let site: Site;
  let server: TestServer;
  let flow: Flow;
  let whole: string;

  before(async () => {
    const port = await freePort();
    whole = `http://localhost:${port}/admin`;
    site = await startSite();
    server = await startServer({
      port,
      fixture(fixture) {
        fixture.management = {
          applications: [
            {
              name: 'console',
              clientId: 'console',
              clientSecret: secretOf('console'),
              grants: ['authorization_code', 'refresh_token'],
              redirectUris: [REDIRECT_URI, `${site.origin}/callback`],
              realm: 'organization',
              resource: whole,
              permissions: { tables: { '*': ALL } },
            },
          ],
        };
        fixture.administrators = [
          { username: 'root', password: PASSWORD, roles: ['owner'] },
          { username: 'aude', password: PASSWORD, roles: ['auditor'] },
        ];
      },
    });
    flow = createFlow(server);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  const parameters = (more: Record<string, string | undefined> = {}) => ({
    client_id: 'console',
    resource: whole,
    scope: SCOPE,
    ...more,
  });
  async function tokens(
    browser = createBrowser(server.issuer),
    more: Record<string, string | undefined> = {},
    person = ROOT,
  ): Promise<Record<string, any>> {
    const { url, pkce } = flow.request(parameters(more));
    const code = codeOf(await flow.authorize(browser, url, person));
    const { status, json, text } = await flow.redeem(code, pkce.verifier, 'console');
    assert.equal(status, 200, text);
    return json;
  }
  const call = (token: string, path: string, init: RequestInit = {}) =>
    fetch(`${server.issuer}/admin/api/v1${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers },
    });
  async function refreshed(refreshToken: string): Promise<Record<string, any>> {
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const { status, json, text } = await server.post('/oauth/token', 'console', form);
    assert.equal(status, 200, text);
    return json;
  }

  test('a person of the server gets a token, refreshes it, and the API takes it', async () => {
    const first = await tokens();
    assert.equal(first.expires_in, 600);
    const second = await refreshed(first.refresh_token);
    for (const { access_token: token } of [first, second]) {
      const response = await call(token, '/organizations/acme/users');
      assert.equal(response.status, 200, await response.text());
    }
    assert.equal((await call(second.access_token, '/organizations/acme/roles')).status, 403);
  });

  test('its rights are those of the role', async () => {
    const { scope } = await tokens(undefined, {}, { username: 'aude' });
    const scopes = String(scope).split(' ');
    assert.ok(scopes.includes('users:read'));
    assert.ok(!scopes.includes('applications:update'));
  });

  test('the page of consent names what is administered in words', async () => {
    const browser = createBrowser(server.issuer);
    const { url } = flow.request(
      parameters({ prompt: 'consent', scope: 'keys:read audit:read logins:delete' }),
    );
    const page = await flow.logIn(browser, await browser.get(url), ROOT);
    assert.ok(isConsentPage(page), page.text);
    assert.match(page.text, /Administration of the server/);
    for (const words of ['Signing keys', 'Audit log', 'Logins'])
      assert.match(page.text, new RegExp(`">${words} `));
  });

  test('a request that names no rights is refused before the login', async () => {
    const page = await createBrowser(server.issuer).get(flow.request(parameters({ scope: undefined })).url);
    assert.ok(errorOf(page), page.url);
  });

  test('MT-11 a session of another realm does not answer prompt=none', async () => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser, { resource: RESOURCE });
    const silent = await browser.get(flow.request(parameters({ prompt: 'none' })).url);
    assert.equal(errorOf(silent), 'login_required');
    assert.ok(isLoginPage(await browser.get(flow.request(parameters()).url)));
  });

  test('an old login is told to log in again, and that login does it', async ({ mock }) => {
    const browser = createBrowser(server.issuer);
    const { refresh_token: refreshToken } = await tokens(browser);
    const applications = '/organizations/acme/applications';
    // The engine reads the time by itself.
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 301_000 });
    const { access_token: old } = await refreshed(refreshToken);
    const { items } = (await (await call(old, `${applications}?limit=100`)).json()) as any;
    const shop = items.find(({ name }: { name: string }) => name === 'shop');
    const makeSecret = (token: string) =>
      call(token, `${applications}/${shop.id}/secrets`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'next' }),
      });
    const stale = await makeSecret(old);
    assert.equal(stale.status, 401, await stale.text());
    const challenge = stale.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /error="insufficient_user_authentication"/);
    const maxAge = /max_age="?(\d+)/.exec(challenge)?.[1];
    assert.equal(maxAge, '300');

    const { url, pkce } = flow.request(parameters({ max_age: maxAge }));
    const page = await browser.get(url);
    assert.ok(isLoginPage(page), page.text);
    let answer = await flow.logIn(browser, page, ROOT);
    if (isConsentPage(answer)) answer = await browser.submit(answer, '/consent');
    const { json } = await flow.redeem(codeOf(new URL(answer.url)), pkce.verifier, 'console');
    const fresh = await makeSecret(json.access_token);
    assert.equal(fresh.status, 201, await fresh.text());
  });

  describe('in Chromium', { skip: chromiumMissing() }, () => {
    let chromium: Chromium;
    before(async () => {
      chromium = await startChromium();
    });
    after(() => chromium.close());

    test('a person of the server logs in and administers', async () => {
      await using tab = await openTab(chromium);
      const { page } = tab;
      const pkce = createPkce();
      const redirect_uri = `${site.origin}/callback`;
      await page.goto(flow.request(parameters({ redirect_uri, prompt: 'consent' }), pkce).url);
      await page.fill('input[name=username]', 'root');
      await page.fill('input[name=password]', PASSWORD);
      await page.click('form[action$="/login"] button');
      await page.click('form[action$="/consent"] button');
      await page.waitForURL(`${site.origin}/**`);
      const code = codeOf(new URL(page.url()));
      const { json } = await flow.redeem(code, pkce.verifier, 'console', { redirect_uri });
      assert.equal((await call(json.access_token, '/organizations')).status, 403);
      assert.equal((await call(json.access_token, '/organizations/acme/users')).status, 200);
      assert.deepEqual(tab.complaints, []);
    });
  });
});
