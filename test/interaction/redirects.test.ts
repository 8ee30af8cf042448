/** Where a login, a refusal and a logout end in a real browser, and what a page learns that opened one in a pop-up. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumMissing, openTab, type Site, startChromium, startSite } from '../support/chromium.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { createFlow } from './flow.ts';

const APP = 'com.example.app:/cb';

describe('redirects in Chromium', { skip: chromiumMissing() }, () => {
  let elsewhere: Site;
  let site: Site;
  let loopback: Site;
  let server: TestServer;
  let browser: Browser;
  before(async () => {
    [elsewhere, loopback, browser] = await Promise.all([
      startSite(),
      startSite({ host: '::1' }),
      startChromium(),
    ]);
    site = await startSite({
      redirects: {
        '/to-elsewhere': `${elsewhere.origin}/landed`,
        '/to-app': APP,
        '/bye': `${elsewhere.origin}/bye`,
      },
      pages: { '/popup': '<script>opener.postMessage(location.search, "*")</script>' },
    });
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        web.redirectUris = [
          `${site.origin}/to-elsewhere`,
          `${site.origin}/to-app`,
          `${site.origin}/popup`,
          `${loopback.origin}/callback`,
        ];
        web.postLogoutRedirectUris = [`${site.origin}/bye`, `${loopback.origin}/bye`];
      },
    });
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    for (const each of [site, elsewhere, loopback]) await each[Symbol.asyncDispose]();
  });

  const authorize = (redirectUri: string, parameters: Record<string, string> = {}): string =>
    createFlow(server).request({ redirect_uri: redirectUri, prompt: 'consent', ...parameters }).url;

  async function logIn(page: Page): Promise<void> {
    await page.fill('input[name=username]', 'ann');
    await page.fill('input[name=password]', PASSWORD);
    await page.click('form[action$="/login"] button');
    await page.waitForSelector('form[action$="/consent"]');
  }

  async function toConsent(page: Page, url: string): Promise<void> {
    await page.goto(url);
    await logIn(page);
  }

  const agree = (page: Page): Promise<void> => page.click('form[action$="/consent"] button');

  /** A browser asks the system for the app and leaves its own page as it is. */
  async function requestToApp(page: Page): Promise<{ readonly sent: Promise<void> }> {
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Network.enable');
    const sent = new Promise<void>((resolve) => {
      devtools.on('Network.requestWillBeSent', ({ request }) => {
        if (request.url === APP) resolve();
      });
    });
    return { sent };
  }

  test('a login whose callback leads to another origin arrives there', async () => {
    await using tab = await openTab(browser);
    await toConsent(tab.page, authorize(`${site.origin}/to-elsewhere`));
    await agree(tab.page);
    await tab.page.waitForURL(`${elsewhere.origin}/landed`);
    assert.deepEqual(tab.complaints, []);
  });

  test('a refusal whose callback leads to another origin arrives there', async () => {
    await using tab = await openTab(browser);
    await toConsent(tab.page, authorize(`${site.origin}/to-elsewhere`));
    await tab.page.click('form[action$="/abort"] button');
    await tab.page.waitForURL(`${elsewhere.origin}/landed`);
    assert.match(site.requests.at(-1)?.url ?? '', /error=access_denied/);
    assert.deepEqual(tab.complaints, []);
  });

  test('a login whose callback leads to an app is handed to the app', { timeout: 600_000 }, async () => {
    await using tab = await openTab(browser);
    await toConsent(tab.page, authorize(`${site.origin}/to-app`));
    const { sent } = await requestToApp(tab.page);
    await agree(tab.page);
    await sent;
    assert.match(site.requests.at(-1)?.url ?? '', /^\/to-app\?code=/);
    assert.deepEqual(tab.complaints, []);
  });

  test('a login ends at an IPv6 loopback address', async () => {
    await using tab = await openTab(browser);
    await toConsent(tab.page, authorize(`${loopback.origin}/callback`));
    await agree(tab.page);
    await tab.page.waitForURL(`${loopback.origin}/callback?*`);
    assert.deepEqual(tab.complaints, []);
  });

  for (const [what, callback, landing] of [
    ['an IPv6 loopback address', () => `${loopback.origin}/callback`, () => `${loopback.origin}/callback`],
    ['another origin', () => `${site.origin}/to-elsewhere`, () => `${elsewhere.origin}/landed`],
  ] as const) {
    test(`response_mode=form_post arrives at ${what}`, async () => {
      await using tab = await openTab(browser);
      await toConsent(tab.page, authorize(callback(), { response_mode: 'form_post' }));
      await agree(tab.page);
      await tab.page.waitForURL(landing());
      assert.deepEqual(tab.complaints, []);
    });
  }

  for (const [what, bye, landing] of [
    ['an IPv6 loopback address', () => `${loopback.origin}/bye`, () => `${loopback.origin}/bye`],
    ['a page that leads to another origin', () => `${site.origin}/bye`, () => `${elsewhere.origin}/bye`],
  ] as const) {
    test(`a logout ends at ${what}`, async () => {
      await using tab = await openTab(browser);
      const { page } = tab;
      await toConsent(page, authorize(`${loopback.origin}/callback`));
      await agree(page);
      const asked = new URLSearchParams({ client_id: 'web', post_logout_redirect_uri: bye() });
      await page.goto(`${server.issuer}/oauth/logout?${asked}`);
      await page.click('button >> nth=0');
      await page.waitForURL(landing());
      assert.deepEqual(tab.complaints, []);
    });
  }

  test('a logout of a person who is not logged in ends where the client leads', async () => {
    await using tab = await openTab(browser);
    const asked = new URLSearchParams({
      client_id: 'web',
      post_logout_redirect_uri: `${site.origin}/bye`,
    });
    await tab.page.goto(`${server.issuer}/oauth/logout?${asked}`);
    await tab.page.waitForURL(`${elsewhere.origin}/bye`);
    assert.deepEqual(tab.complaints, []);
  });

  test('a login in a pop-up answers the page that opened it by postMessage', {
    timeout: 600_000,
  }, async () => {
    await using tab = await openTab(browser);
    const { page } = tab;
    await page.goto(elsewhere.origin);
    // As text, because the page's own names are not known here.
    await page.evaluate(`void (globalThis.answer = new Promise((resolve) =>
      addEventListener('message', ({ data, origin }) => resolve({ data, origin }))))`);
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate(`void (globalThis.popup = open(${JSON.stringify(authorize(`${site.origin}/popup`))}))`),
    ]);
    await logIn(popup);
    assert.equal(await page.evaluate('popup.closed'), false, 'the opener sees its pop-up');
    await agree(popup);
    const answer = await page.evaluate<{ data: string; origin: string }>('answer');
    assert.equal(answer.origin, site.origin);
    assert.ok(new URLSearchParams(answer.data).get('code'));
  });

  /** From a page of another site. */
  function post(page: Page, path: string, fields: Record<string, string>): Promise<void> {
    // As text, because the page's own names are not known here.
    return page.evaluate(`{
      const form = Object.assign(document.createElement('form'), {
        method: 'post',
        action: ${JSON.stringify(server.issuer + path)},
      });
      for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
        form.append(Object.assign(document.createElement('input'), { name, value }));
      }
      document.body.append(form);
      form.submit();
    }`);
  }

  test('another site posts a request, and the session that the browser has answers it', async () => {
    await using tab = await openTab(browser);
    const { page } = tab;
    const url = new URL(authorize(`${loopback.origin}/callback`));
    await page.goto(elsewhere.origin);
    await post(page, url.pathname, Object.fromEntries(url.searchParams));
    await page.waitForSelector('form[action$="/login"]');
    await logIn(page);
    await agree(page);
    await page.waitForURL(`${loopback.origin}/callback?*`);
    await page.goto(elsewhere.origin);
    await post(page, url.pathname, { ...Object.fromEntries(url.searchParams), prompt: 'none' });
    await page.waitForURL(`${loopback.origin}/callback?*`);
    assert.ok(new URL(page.url()).searchParams.get('code'));
    const cookies = await page.context().cookies(server.issuer);
    assert.deepEqual(
      cookies.filter(({ name }) => name.startsWith('posted-')),
      [],
    );
    assert.deepEqual(tab.complaints, []);
  });

  test('another site posts a logout, and the session that the browser has ends', async () => {
    await using tab = await openTab(browser);
    const { page } = tab;
    const { url, pkce } = createFlow(server).request({
      redirect_uri: `${loopback.origin}/callback`,
      prompt: 'consent',
    });
    await toConsent(page, url);
    await agree(page);
    await page.waitForURL(`${loopback.origin}/callback?*`);
    const code = new URL(page.url()).searchParams.get('code') ?? '';
    const redeemed = await createFlow(server).redeem(code, pkce.verifier, 'web', {
      redirect_uri: `${loopback.origin}/callback`,
    });
    const visited: string[] = [];
    page.on('request', (request) => visited.push(request.url()));
    await page.goto(elsewhere.origin);
    const bye = `${loopback.origin}/bye`;
    const { id_token } = redeemed.json;
    await post(page, '/oauth/logout', { id_token_hint: id_token, post_logout_redirect_uri: bye });
    await page.waitForSelector('text=web asks to log you out');
    await page.click('button >> nth=0');
    await page.waitForURL(bye);
    assert.ok(!visited.some((each) => each.includes(id_token)));
    await page.goto(authorize(`${loopback.origin}/callback`, { prompt: 'none' }));
    assert.equal(new URL(page.url()).searchParams.get('error'), 'login_required');
    assert.deepEqual(tab.complaints, []);
  });
});
