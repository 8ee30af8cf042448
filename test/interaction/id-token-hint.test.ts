import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { type Browser, createBrowser, type Page } from '../support/browser.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, type Flow, isConsentPage, isLoginPage } from './flow.ts';

const CHANGE_SESSION = '/oauth/logout/confirm';

/** The person whom the client expects (OpenID Connect Core section 3.1.2.1 `id_token_hint`). */
describe('an id_token_hint', () => {
  let server: TestServer;
  let flow: Flow;
  let hint: string;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.users.push({ username: 'bob', password: PASSWORD, application: 'web', roles: ['clerk'] });
      },
    });
    flow = createFlow(server);
    hint = (await flow.tokens(createBrowser(server.issuer))).id_token;
  });
  after(() => server[Symbol.asyncDispose]());

  async function logIn(browser: Browser, page: Page, username: string): Promise<URL> {
    assert.ok(isLoginPage(page), page.url);
    let next = await flow.logIn(browser, page, { username });
    if (next.text.includes(CHANGE_SESSION)) next = await browser.submit(next, CHANGE_SESSION);
    if (isConsentPage(next)) next = await browser.submit(next, '/consent');
    return new URL(next.url);
  }

  const requests: readonly (readonly [string, Record<string, string>])[] = [
    ['a plain request', {}],
    ['prompt=login', { prompt: 'login' }],
    ['prompt=select_account', { prompt: 'select_account' }],
    ['prompt=login consent', { prompt: 'login consent' }],
  ];
  for (const [what, parameters] of requests) {
    test(`of one person refuses the login of another: ${what}`, async () => {
      for (const isLoggedIn of [false, true]) {
        const browser = createBrowser(server.issuer);
        // With a session of its own person, a plain request would be answered at once.
        const username = what === 'a plain request' ? 'bob' : 'ann';
        if (isLoggedIn) await flow.tokens(browser, {}, { username });
        const page = await browser.get(flow.request({ ...parameters, id_token_hint: hint }).url);
        const { searchParams } = await logIn(browser, page, 'bob');
        assert.equal(searchParams.get('error'), 'login_required');
        assert.equal(searchParams.get('state'), 'st4te');
        assert.equal(searchParams.get('iss'), server.issuer);
        assert.equal(searchParams.get('code'), null);
      }
    });

    test(`of one person lets this person log in: ${what}`, async () => {
      await flow.forget();
      const browser = createBrowser(server.issuer);
      const { url, pkce } = flow.request({ ...parameters, id_token_hint: hint });
      const answer = await logIn(browser, await browser.get(url), 'ann');
      const { json } = await flow.redeem(codeOf(answer), pkce.verifier);
      assert.equal(decodeJwt(json.id_token).sub, decodeJwt(hint).sub);
    });
  }

  test('of one person refuses the session of another at prompt=none', async () => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser, {}, { username: 'bob' });
    const { url } = await browser.get(flow.request({ prompt: 'none', id_token_hint: hint }).url);
    assert.equal(new URL(url).searchParams.get('error'), 'login_required');
  });
});
