/** The 15 s that client assertions are forgiven stretch nothing else: what the engine keeps ends to the second. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createFlow, errorOf, isLoginPage } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';

const SECOND = 1000;
const DAY = 86_400 * SECOND;

describe('lives that end on time', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
    // What is made lives in whole seconds, so the time that making it takes would count.
    server.clock.stoppedAt = Date.now();
  });
  after(() => server[Symbol.asyncDispose]());

  /** What happens when so much time has passed. @param ms since what was made */
  async function later<T>(ms: number, look: () => Promise<T>): Promise<T> {
    const made = Number(server.clock.stoppedAt);
    server.clock.stoppedAt = made + ms;
    try {
      return await look();
    } finally {
      server.clock.stoppedAt = made;
    }
  }

  test('a code is good for 60 s', async () => {
    for (const [ms, status] of [
      [59 * SECOND, 200],
      [61 * SECOND, 400],
    ] as const) {
      const flow = createFlow(server);
      const { code, pkce } = await flow.login();
      const answer = await later(ms, () => flow.redeem(code, pkce.verifier));
      assert.equal(answer.status, status, `${ms} ms`);
    }
  });

  test('a browser session is good for 14 days', async () => {
    const flow = createFlow(server);
    const browser = createBrowser(server.issuer);
    await flow.authorize(browser, flow.request().url);
    const { url } = flow.request({ prompt: 'none' });
    assert.equal(errorOf(await later(14 * DAY + SECOND, () => browser.get(url))), 'login_required');
  });

  test('a login page is good for an hour', async () => {
    const flow = createFlow(server);
    const browser = createBrowser(server.issuer);
    const page = await browser.get(flow.request().url);
    assert.ok(isLoginPage(page));
    assert.ok(isLoginPage(await later(3598 * SECOND, () => browser.get(page.url))));
    assert.ok(!isLoginPage(await later(3601 * SECOND, () => browser.get(page.url))));
  });

  test('an access token for userinfo ends when it says so', async () => {
    const flow = createFlow(server);
    const json = await flow.tokens(createBrowser(server.issuer), { scope: 'openid' });
    const ask = () =>
      fetch(`${server.issuer}/oauth/userinfo`, { headers: { authorization: `Bearer ${json.access_token}` } });
    const life = json.expires_in * SECOND;
    assert.equal((await later(life - 3 * SECOND, ask)).status, 200);
    assert.equal((await later(life + SECOND, ask)).status, 401);
  });

  test('request objects, whose time would be forgiven too, are not taken', async () => {
    const { url } = createFlow(server).request({ request: 'eyJhbGciOiJub25lIn0.e30.' });
    assert.equal(errorOf(await createBrowser(server.issuer).get(url)), 'request_not_supported');
  });
});
