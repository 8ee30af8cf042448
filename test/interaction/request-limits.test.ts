import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { createFlow, type Flow, isLoginPage } from './flow.ts';

const AUTHORIZE = '/oauth/authorize';
const LOGOUT = '/oauth/logout';

describe('limits of authorization requests', () => {
  let server: TestServer;
  let flow: Flow;
  let addresses = 0;
  before(async () => {
    server = await startServer({
      env: { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1/32', GRANTABLE_AUTHORIZATION_LIMIT: '6/1m' },
    });
    server.clock.stoppedAt = Date.now();
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  /** Asks from an address of its own. */
  function createClient() {
    const headers = { 'x-forwarded-for': `203.0.113.${++addresses}` };
    return (url: string, init: RequestInit = {}) =>
      fetch(new URL(url, server.issuer), {
        redirect: 'manual',
        ...init,
        headers: { ...headers, ...(init.headers as Record<string, string>) },
      });
  }

  for (const method of ['GET', 'HEAD', 'POST']) {
    for (const path of [AUTHORIZE, LOGOUT]) {
      test(`${method} ${path} from one address gets 429 after its limit`, async () => {
        const ask = createClient();
        const query = path === LOGOUT ? 'client_id=web' : new URL(flow.request().url).search.slice(1);
        const one = () =>
          method === 'POST'
            ? ask(path, { method, body: new URLSearchParams(query) })
            : ask(`${path}?${query}`, { method });
        const statuses = (await Promise.all(Array.from({ length: 8 }, one))).map(({ status }) => status);
        assert.equal(statuses.filter((status) => status === 429).length, 2);
        const refused = await one();
        assert.equal(refused.status, 429);
        assert.ok(Number(refused.headers.get('retry-after')) >= 1);
        server.clock.stoppedAt = Number(server.clock.stoppedAt) + 60_000;
        assert.notEqual((await one()).status, 429);
      });
    }
  }

  test('GET and POST count together, and the GET after a POST does not count', async () => {
    const ask = createClient();
    const body = () => new URL(flow.request().url).searchParams;
    for (let asked = 0; asked < 3; asked += 1) {
      assert.equal((await ask(flow.request().url)).status, 303);
      const posted = await ask(AUTHORIZE, { method: 'POST', body: body() });
      const cookie = posted.headers
        .getSetCookie()
        .map((text) => text.split(';')[0])
        .join('; ');
      const followed = await ask(posted.headers.get('location') ?? '', { headers: { cookie } });
      assert.match(followed.headers.get('location') ?? '', /\/interaction\//);
    }
    assert.equal((await ask(flow.request().url)).status, 429);
  });

  for (const [name, longest] of [
    ['state', 4096],
    ['nonce', 1024],
    ['login_hint', 1024],
  ] as const) {
    test(`a ${name} of ${longest} bytes is taken, and a longer one is refused`, async () => {
      server.clock.stoppedAt = Number(server.clock.stoppedAt) + 60_000;
      const ask = async (bytes: number) =>
        createBrowser(server.issuer).get(flow.request({ [name]: 'x'.repeat(bytes) }).url);
      assert.ok(isLoginPage(await ask(longest)));
      const { searchParams } = new URL((await ask(longest + 1)).url);
      assert.equal(searchParams.get('error'), 'invalid_request');
      assert.equal(
        searchParams.get('error_description'),
        `The parameter ${name} has ${longest + 1} bytes. Send at most ${longest}.`,
      );
    });
  }
});
