import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { createBrowser } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { codeOf, createFlow, errorOf, type Flow, isConsentPage } from './flow.ts';

const DAY = 86_400_000;
const SESSION = 14 * DAY;
const LOGIN = 30 * DAY;
const OFFLINE = 'openid offline_access orders.read';

describe('how long a login in the browser lasts', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        acme.applications.push({
          ...web,
          name: 'once',
          clientId: 'once',
          clientSecret: 'secret-of-once-'.padEnd(40, 'x'),
          grants: ['authorization_code'],
        });
        acme.users.push({ ...acme.users[0], application: 'once' });
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());
  afterEach(() => {
    server.clock.offset = 0;
  });

  async function refresh(refresh_token: string) {
    const { status, json } = await server.post('/oauth/token', 'web', {
      grant_type: 'refresh_token',
      refresh_token,
    });
    return { status, json };
  }

  /** Refreshes shortly before and after the end. @param length milliseconds that the login should last */
  async function assertLasts(scope: string, length: number): Promise<void> {
    const { refresh_token } = await flow.tokens(createBrowser(server.issuer), { scope });
    server.clock.offset = length - DAY;
    const { status, json } = await refresh(refresh_token);
    assert.equal(status, 200, JSON.stringify(json));
    server.clock.offset = length + 60_000;
    assert.equal((await refresh(json.refresh_token)).json.error, 'invalid_grant');
  }

  test('a login with openid lasts as long as a browser session may', () =>
    assertLasts('openid orders.read', SESSION));

  test('a login with offline_access lasts as long as the server says', () => assertLasts(OFFLINE, LOGIN));

  test('a login without openid lasts as long as the server says', () => assertLasts('orders.read', LOGIN));

  test('a shorter lifetime of logins counts for those of a session too', async () => {
    await using own = await startServer({ env: { GRANTABLE_LOGIN_TTL: '1h' } });
    const { refresh_token } = await createFlow(own).tokens(createBrowser(own.issuer));
    own.clock.offset = 3_660_000;
    const form = { grant_type: 'refresh_token', refresh_token };
    assert.equal((await own.post('/oauth/token', 'web', form)).json.error, 'invalid_grant');
  });

  test('offline_access is taken with any prompt', async () => {
    for (const prompt of [undefined, 'login', 'consent', 'login consent']) {
      const json = await flow.tokens(createBrowser(server.issuer), { scope: OFFLINE, prompt });
      assert.equal(json.scope, OFFLINE, prompt);
    }
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser, { scope: OFFLINE });
    codeOf(new URL((await browser.get(flow.request({ scope: OFFLINE, prompt: 'none' }).url)).url));
  });

  test('offline_access is taken from a posted request', async () => {
    await flow.forget();
    const browser = createBrowser(server.issuer);
    const { url, pkce } = flow.request({ scope: OFFLINE });
    const { origin, pathname, searchParams } = new URL(url);
    const login = await browser.post(origin + pathname, Object.fromEntries(searchParams));
    const consent = await flow.logIn(browser, login);
    assert.match(consent.text, /access until/);
    const code = codeOf(new URL((await browser.submit(consent, '/consent')).url));
    assert.equal((await flow.redeem(code, pkce.verifier)).json.scope, OFFLINE);
  });

  test('offline_access that was not agreed to is not given silently', async () => {
    await flow.forget();
    const browser = createBrowser(server.issuer);
    await flow.tokens(browser);
    const page = await browser.get(flow.request({ scope: OFFLINE, prompt: 'none' }).url);
    assert.equal(errorOf(page), 'consent_required');
  });

  test('without the grant there is no refresh token, and offline_access is left out', async () => {
    const { code, pkce } = await flow.login({ client_id: 'once', scope: OFFLINE });
    const { json } = await flow.redeem(code, pkce.verifier, 'once');
    assert.equal(json.refresh_token, undefined);
    assert.equal(json.scope, 'openid orders.read');
  });

  test('the consent page says until when access lasts', async () => {
    const page = async (parameters: Record<string, string>) => {
      const browser = createBrowser(server.issuer);
      const shown = await flow.logIn(browser, await browser.get(flow.request(parameters).url));
      assert.ok(isConsentPage(shown), shown.text);
      return shown.text;
    };
    const until = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
    const offline = await page({ scope: OFFLINE, prompt: 'consent' });
    assert.ok(offline.includes(`access until ${until.format(Date.now() + LOGIN)}`), offline);
    const bound = await page({ prompt: 'consent' });
    assert.match(bound, /can renew it until you log out, for up to 14 days\./);
    assert.doesNotMatch(bound, /access until/);
    assert.doesNotMatch(await page({ client_id: 'once', prompt: 'consent' }), /can renew/);
  });
});
