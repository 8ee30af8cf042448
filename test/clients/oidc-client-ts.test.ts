import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromiumMissing, startChromium } from '../support/chromium.ts';
import { PASSWORD, type TestServer } from '../support/server.ts';
import { makeCertificate } from '../support/tls.ts';
import { startTlsFront, type TlsFront } from '../support/tls-front.ts';
import { application, SCOPE, startWith } from './world.ts';

const LIBRARY = join(
  dirname(fileURLToPath(import.meta.resolve('oidc-client-ts/package.json'))),
  'dist/browser/oidc-client-ts.min.js',
);

/** Below `/CLIENT_ID` an application of one page, whose login ends at `callback` and whose logout ends at `bye`. */
async function startPages(issuer: string, settings: Record<string, unknown>) {
  const library = await readFile(LIBRARY);
  const page = `<!doctype html><html lang="en"><title>application</title><link rel="icon" href="data:,">
<script src="/library.js"></script>
<script>
const [, clientId, at] = location.pathname.split('/');
const home = location.origin + '/' + clientId;
window.manager = new oidc.UserManager({
  authority: '${issuer}', client_id: clientId, scope: '${SCOPE}',
  redirect_uri: home + '/callback', post_logout_redirect_uri: home + '/bye',
  ...${JSON.stringify(settings)}[clientId],
});
if (at === 'callback') window.ended = manager.signinCallback();
if (at === 'bye') window.ended = manager.signoutCallback();
</script>`;
  const server = createServer(({ url }, response) => {
    const isLibrary = url === '/library.js';
    response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
    response.end(isLibrary ? library : page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface User {
  readonly access_token: string;
  readonly refresh_token?: string;
  /** Seconds since 1970. */
  readonly expires_at: number;
  readonly scope: string;
  readonly profile: Readonly<Record<string, unknown>>;
}

describe('oidc-client-ts in Chromium', { skip: chromiumMissing(), timeout: 900_000 }, () => {
  let folder: string;
  let front: TlsFront;
  let site: TlsFront;
  let pages: Awaited<ReturnType<typeof startPages>>;
  let server: TestServer;
  let browser: Browser;

  /** In a browser, and so without a secret: PKCE is what the library always sends. */
  const pageApplication = (clientId: string, rest: Record<string, unknown> = {}) =>
    application(clientId, {
      authMethod: 'none',
      clientSecret: undefined,
      pkce: undefined,
      redirectUris: [`${site.origin}/${clientId}/callback`],
      postLogoutRedirectUris: [`${site.origin}/${clientId}/bye`],
      allowedOrigins: [site.origin],
      ...rest,
    });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grantable-'));
    const certificate = await makeCertificate(folder);
    // Names of one site, as in production: cookies of the server go along into a frame.
    front = await startTlsFront(certificate, 'login.acme.localhost', () =>
      Number(new URL(server.issuer).port),
    );
    site = await startTlsFront(certificate, 'app.acme.localhost', () => pages.port);
    pages = await startPages(front.origin, { framed: { loadUserInfo: true } });
    server = await startWith(
      [
        pageApplication('own', { firstParty: true }),
        pageApplication('page'),
        pageApplication('framed', { grants: ['authorization_code'] }),
      ],
      { env: { GRANTABLE_ISSUER: front.origin, GRANTABLE_TRUSTED_PROXIES: '127.0.0.1' } },
    );
    browser = await startChromium();
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await pages[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
    await front[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** A person's browser at the application, and everything that it complained of. */
  async function open(clientId: string) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const complaints: string[] = [];
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    context.on('weberror', (error) => complaints.push(String(error.error())));
    await page.goto(`${site.origin}/${clientId}/`);
    return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
  }

  /** What a call of the library gives; it runs while the person answers in the pop-up. */
  async function call<T>(page: Page, code: string, answer?: (popup: Page) => Promise<void>): Promise<T> {
    const [given] = await Promise.all([
      page.evaluate(code) as Promise<T>,
      answer && page.waitForEvent('popup').then(answer),
    ]);
    return given;
  }

  async function logIn(at: Page): Promise<void> {
    await at.fill('input[name=username]', 'ann');
    await at.fill('input[name=password]', PASSWORD);
    await at.click('form[action$="/login"] button');
  }

  /** The operator's own application asks for no consent, others ask once. */
  async function logInAndConsent(at: Page): Promise<void> {
    await logIn(at);
    await at.click('form[action$="/consent"] button');
  }

  const logInByPopup = (page: Page, answer = logIn): Promise<User> =>
    call(page, 'manager.signinPopup()', answer);

  const profileOf = (page: Page, { access_token }: User): Promise<Record<string, unknown>> =>
    page.evaluate(
      async ([url, token]) => {
        const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
        return (await response.json()) as Record<string, unknown>;
      },
      [`${front.origin}/oauth/userinfo`, access_token] as const,
    );

  test('a login in a pop-up ends at the page that opened it', async () => {
    await using tab = await open('page');
    const user = await logInByPopup(tab.page, logInAndConsent);
    assert.equal(user.profile.iss, front.origin);
    assert.equal(user.scope, SCOPE);
    assert.equal((await profileOf(tab.page, user)).preferred_username, 'ann');
    assert.deepEqual(tab.complaints, []);
  });

  test('a login by redirect comes back to the page', async () => {
    await using tab = await open('own');
    await tab.page.evaluate('void manager.signinRedirect()');
    await logIn(tab.page);
    await tab.page.waitForURL(`${site.origin}/own/callback?*`);
    const user = await call<User>(tab.page, 'ended');
    assert.equal(user.scope, SCOPE);
    assert.deepEqual(tab.complaints, []);
  });

  test('it renews with the refresh token, by itself before the token expires', async () => {
    await using tab = await open('own');
    await tab.page.clock.install();
    const first = await logInByPopup(tab.page);
    assert.ok(first.refresh_token);
    await tab.page.evaluate(
      'void (window.renewed = new Promise((resolve) => manager.events.addUserLoaded(resolve)))',
    );
    // The library renews a minute before the end.
    await tab.page.clock.fastForward((first.expires_at - 59) * 1_000 - Date.now());
    const second = await call<User>(tab.page, 'renewed');
    assert.notEqual(second.access_token, first.access_token);
    assert.equal((await profileOf(tab.page, second)).preferred_username, 'ann');
    assert.deepEqual(tab.complaints, []);
  });

  test('it renews in a frame, without the person, when it has no refresh token', async () => {
    await using tab = await open('framed');
    const first = await logInByPopup(tab.page, logInAndConsent);
    assert.equal(first.refresh_token, undefined);
    assert.equal(first.profile.preferred_username, 'ann');
    const second = await call<User>(tab.page, 'manager.signinSilent()');
    assert.notEqual(second.access_token, first.access_token);
    assert.equal(second.profile.sub, first.profile.sub);
    assert.deepEqual(tab.complaints, []);
  });

  test('it revokes both tokens', async () => {
    await using tab = await open('own');
    const user = await logInByPopup(tab.page);
    await call(tab.page, 'manager.revokeTokens()');
    assert.deepEqual(tab.complaints, []);
    assert.equal((await profileOf(tab.page, user)).error, 'invalid_token');
  });

  test('a sign-out in a pop-up ends the session', async () => {
    await using tab = await open('own');
    const user = await logInByPopup(tab.page);
    await call(tab.page, 'manager.signoutPopup()', (popup) => popup.click('button >> nth=0'));
    assert.equal(await call(tab.page, 'manager.getUser()'), null);
    assert.deepEqual(tab.complaints, []);
    assert.equal((await profileOf(tab.page, user)).error, 'invalid_token');
    const again = await call<string>(
      tab.page,
      "manager.signinSilent().then(() => 'logged in', ({ error }) => error)",
    );
    assert.equal(again, 'login_required');
  });

  test('a sign-out by redirect comes back to the page', async () => {
    await using tab = await open('own');
    await logInByPopup(tab.page);
    await tab.page.evaluate('void manager.signoutRedirect()');
    await tab.page.click('button >> nth=0');
    await tab.page.waitForURL(`${site.origin}/own/bye*`);
    await call(tab.page, 'ended');
    assert.deepEqual(tab.complaints, []);
  });
});
