import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isLoginPage } from './flow.ts';

describe('a request without openid', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer();
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const request = (parameters: Record<string, string>) =>
    flow.request({ scope: 'orders.read', ...parameters });

  test('with max_age asks for the password when the login is older, as RFC 9470 has it', async ({ mock }) => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser, { scope: 'orders.read' });
    // The engine reads the time by itself.
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 301_000 });
    const silent = (max_age: string) => browser.get(request({ prompt: 'none', max_age }).url);
    codeOf(new URL((await silent('400')).url));
    assert.equal(errorOf(await silent('300')), 'login_required');
    const { url, pkce } = request({ max_age: '300' });
    const page = await browser.get(url);
    assert.ok(isLoginPage(page), page.url);
    const answer = await flow.logIn(browser, page);
    const { json } = await flow.redeem(codeOf(new URL(answer.url)), pkce.verifier);
    assert.equal(json.id_token, undefined);
    const { auth_time: at } = await server.introspect(json.access_token);
    assert.ok(Math.abs(at - Date.now() / 1000) < 60, String(at));
  });

  test('with max_age=0 asks for the password always', async () => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser, { scope: 'orders.read' });
    assert.equal(errorOf(await browser.get(request({ prompt: 'none', max_age: '0' }).url)), 'login_required');
    const page = await browser.get(request({ max_age: '0' }).url);
    assert.ok(isLoginPage(page), page.url);
    codeOf(new URL((await flow.logIn(browser, page)).url));
  });

  test('with max_age asks for the password when it is posted too', async () => {
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser, { scope: 'orders.read' });
    const { origin, pathname, searchParams } = new URL(request({ max_age: '0' }).url);
    assert.ok(isLoginPage(await browser.post(origin + pathname, Object.fromEntries(searchParams))));
  });

  test('may have parameters that belong to ID tokens, which some libraries always send', async () => {
    for (const more of [
      { nonce: 'n0nce' },
      { acr_values: '1' },
      { claims: '{}' },
      { claims_locales: 'fr' },
    ]) {
      const { url, pkce } = request(more as Record<string, string>);
      const answer = await flow.authorize(createBrowser(server.issuer), url);
      const { json } = await flow.redeem(codeOf(answer), pkce.verifier);
      assert.deepEqual([json.scope, json.id_token], ['orders.read', undefined]);
    }
    const repeated = `${request({ nonce: 'a' }).url}&nonce=b`;
    assert.equal(errorOf(await createBrowser(server.issuer).get(repeated)), 'invalid_request');
  });

  test('with a max_age that is not a number of seconds is refused at the client', async () => {
    for (const max_age of ['-1', '1.5', 'soon', '1e400', ' ']) {
      const { searchParams } = new URL(
        (await createBrowser(server.issuer).get(request({ max_age }).url)).url,
      );
      assert.deepEqual([searchParams.get('error'), searchParams.get('state')], ['invalid_request', 'st4te']);
      assert.match(searchParams.get('error_description') ?? '', /max_age/);
    }
  });
});
