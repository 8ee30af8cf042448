import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { createPkce, type Pkce } from '../support/browser.ts';
import { chromiumMissing, openTab, type Site, startChromium, startSite } from '../support/chromium.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { createFlow } from './flow.ts';

describe('in Chromium', { skip: chromiumMissing() }, () => {
  let site: Site;
  let elsewhere: Site;
  let server: TestServer;
  let browser: Browser;
  before(async () => {
    [site, elsewhere, browser] = await Promise.all([startSite(), startSite(), startChromium()]);
    server = await startServer({
      fixture({ organizations: [acme] }) {
        for (const name of ['web', 'spa']) {
          const application = acme.applications.find((each: { name: string }) => each.name === name);
          application.redirectUris = [`${site.origin}/callback`];
          application.postLogoutRedirectUris = [`${site.origin}/bye`];
          if (name === 'spa') application.allowedOrigins = [site.origin];
        }
      },
    });
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
    await elsewhere[Symbol.asyncDispose]();
  });

  function request(parameters: Record<string, string> = {}, pkce: Pkce = createPkce()) {
    return createFlow(server).request(
      { redirect_uri: `${site.origin}/callback`, prompt: 'consent', ...parameters },
      pkce,
    );
  }

  async function logIn(page: Page): Promise<void> {
    await page.fill('input[name=username]', 'ann');
    await page.fill('input[name=password]', PASSWORD);
    await page.click('form[action$="/login"] button');
    await page.click('form[action$="/consent"] button');
    await page.waitForURL(`${site.origin}/**`);
  }

  for (const javaScriptEnabled of [false, true]) {
    test(`WB-05 a login ends at the client ${javaScriptEnabled ? 'without a complaint' : 'without JavaScript'}`, async () => {
      await using tab = await openTab(browser, { javaScriptEnabled });
      const { url, pkce } = request();
      await tab.page.goto(url);
      await logIn(tab.page);
      const landed = new URL(tab.page.url());
      assert.equal(landed.searchParams.get('state'), 'st4te');
      assert.equal(landed.searchParams.get('iss'), server.issuer);
      const { status } = await createFlow(server).redeem(
        landed.searchParams.get('code') ?? '',
        pkce.verifier,
        'web',
        { redirect_uri: `${site.origin}/callback` },
      );
      assert.equal(status, 200);
      assert.deepEqual(tab.complaints, []);
      // Logged in and agreed to: no page asks again.
      await tab.page.goto(request({ prompt: 'none' }).url);
      assert.ok(new URL(tab.page.url()).searchParams.get('code'));
    });
  }

  test('WB-05 response_mode=form_post ends at the client', async () => {
    await using tab = await openTab(browser);
    await tab.page.goto(request({ response_mode: 'form_post' }).url);
    await logIn(tab.page);
    const posted = site.requests.findLast(({ method }) => method === 'POST');
    assert.ok(new URLSearchParams(posted?.body).get('code'));
    assert.deepEqual(tab.complaints, []);
  });

  test('TE-11 no address of the server reaches the client as a referrer', () => {
    assert.ok(site.requests.length > 0);
    for (const { referrer, url } of site.requests) {
      assert.ok(referrer === '' || referrer.startsWith(site.origin), `${url}: ${referrer}`);
    }
  });

  test('the whole login can be done with the keyboard, on a narrow screen', async () => {
    await using tab = await openTab(browser, { width: 360 });
    const { page } = tab;
    await page.goto(request().url);
    const assertReadable = async (): Promise<void> => {
      assert.ok(await page.getAttribute('html', 'lang'));
      assert.ok((await page.title()) !== '');
      // As text, because the page's own names are not known here.
      const facts = await page.evaluate(`({
        unlabelled: [...document.querySelectorAll('input:not([type=hidden])')].filter(({ labels }) => !labels?.length).length,
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      })`);
      assert.deepEqual(facts, { unlabelled: 0, overflow: 0 });
    };
    await assertReadable();
    await page.focus('input[name=username]');
    await page.keyboard.type('ann');
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=The username or the password is wrong.');
    assert.equal(await page.inputValue('input[name=username]'), 'ann');
    await page.focus('input[name=password]');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForSelector('form[action$="/consent"]');
    await assertReadable();
    await page.focus('form[action$="/consent"] button');
    await page.keyboard.press('Enter');
    await page.waitForURL(`${site.origin}/**`);
  });

  test('a logout ends the session and leads to where the client registered', async () => {
    await using tab = await openTab(browser);
    const { page } = tab;
    await page.goto(request().url);
    await logIn(page);
    const bye = new URLSearchParams({ client_id: 'web', post_logout_redirect_uri: `${site.origin}/bye` });
    await page.goto(`${server.issuer}/oauth/logout?${bye}`);
    await page.click('button >> nth=0');
    await page.waitForURL(`${site.origin}/bye*`);
    await page.goto(request({ prompt: 'none' }).url);
    assert.equal(new URL(page.url()).searchParams.get('error'), 'login_required');
    assert.deepEqual(tab.complaints, []);
  });

  test('TE-01 only a page of a listed origin can redeem its code', async () => {
    await using tab = await openTab(browser);
    const { page } = tab;
    for (const [at, isListed] of [
      [site, true],
      [elsewhere, false],
    ] as const) {
      const { url, pkce } = request({ client_id: 'spa' });
      await page.goto(url);
      if (isListed) await logIn(page);
      const code = new URL(page.url()).searchParams.get('code') ?? '';
      await page.goto(at.origin);
      const form = {
        grant_type: 'authorization_code',
        client_id: 'spa',
        code,
        code_verifier: pkce.verifier,
        redirect_uri: `${site.origin}/callback`,
      };
      const answer = await page.evaluate(
        async ([endpoint, fields]) => {
          try {
            const response = await fetch(endpoint, { method: 'POST', body: new URLSearchParams(fields) });
            return Object.keys((await response.json()) as object);
          } catch (error) {
            return String(error);
          }
        },
        [`${server.issuer}/oauth/token`, form] as const,
      );
      if (isListed) assert.ok(answer.includes('access_token'), String(answer));
      else assert.match(String(answer), /Failed to fetch/);
    }
  });
});
