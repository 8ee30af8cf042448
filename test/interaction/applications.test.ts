import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createNodeId } from '../../src/registry/token-values.ts';
import { createVerifier } from '../../src/resource-server/index.ts';
import { MOST_LOOKED_AT_OF_PERSON } from '../../src/tokens/holdings.ts';
import { addAgent, approveAgent } from '../support/agents.ts';
import { type Browser, createBrowser, type Page } from '../support/browser.ts';
import {
  OPAQUE_RESOURCE,
  PASSWORD,
  REDIRECT_URI,
  RESOURCE,
  startServer,
  type TestServer,
} from '../support/server.ts';
import { until } from '../support/until.ts';
import {
  codeOf,
  createFlow,
  errorOf,
  type Flow,
  isConsentPage,
  isLoginPage,
  type Parameters,
} from './flow.ts';

const AGENT = 'https://agents.example/claude.json';
const APPROVED = 'https://approved.example/shopper.json';
const PATH = '/account/applications';
const END = '/account/applications/end';
const PEOPLE = [
  'amy',
  'ben',
  'cas',
  'dan',
  'eva',
  'flo',
  'gus',
  'hal',
  'ida',
  'jon',
  'kim',
  'lea',
  'max',
  'ned',
  'nia',
  'oda',
];

/** What the page says, by the name of the application. */
function sectionsOf({ text }: Page): Record<string, string> {
  const plain = (html: string): string =>
    html
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim();
  return Object.fromEntries(
    [...text.matchAll(/<section.*?<h2><bdi>(.*?)<\/bdi><\/h2>(.*?)<\/section>/gs)].map(
      ([, name = '', rest = '']) => [name, plain(rest)],
    ),
  );
}

/** The hidden fields of the form that ends what an application has. */
function endFieldsOf({ text }: Page, name: string): Record<string, string> {
  const section = [...text.matchAll(/<section.*?<\/section>/gs)].find(([each]) =>
    each.includes(`<bdi>${name}</bdi>`),
  );
  const inputs = section?.[0].matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g) ?? [];
  return Object.fromEntries([...inputs].map(([, key, value]) => [key, value]));
}

/** Codes of the very second of an end are dead too, and the engine has no clock but the machine's. */
async function nextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1_000);
  await until('the next second', () => Math.floor(Date.now() / 1_000) > second);
}

describe(PATH, () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.displayName = 'Acme Ltd';
        acme.agents = { policy: 'any', application: 'web' };
        const find = (name: string) => acme.applications.find((each: { name: string }) => each.name === name);
        Object.assign(find('web'), {
          grants: [...find('web').grants, 'token_exchange'],
          mayExchange: ['trader'],
          resources: { [OPAQUE_RESOURCE]: find('web').permissions },
        });
        acme.applications.push({
          ...find('shop'),
          name: 'trader',
          clientId: 'trader',
          clientSecret: 'secret-of-trader-'.padEnd(40, 'x'),
          displayName: 'The Trader',
          grants: ['token_exchange'],
        });
        acme.resources[0].tables[0].columns = ['id', 'customer_id'].map((name) => ({
          name,
          type: 'integer',
        }));
        acme.roles.push({
          name: 'customer',
          scopes: ['orders.read'],
          permissions: {
            tables: { orders: { read: { rows: { customer_id: ['42'] } } }, products: { read: true } },
          },
        });
        for (const username of PEOPLE)
          for (const application of ['web', 'shop'])
            acme.users.push({ username, password: PASSWORD, application, roles: ['clerk'] });
        acme.users.push({ username: 'carl', password: PASSWORD, application: 'web', roles: ['customer'] });
      },
    });
    flow = createFlow(server);
    await addAgent(server, { clientId: AGENT });
    await approveAgent(server, await addAgent(server, { clientId: APPROVED, name: 'Shopper' }));
  });
  after(() => server[Symbol.asyncDispose]());

  /** Consents and gets tokens. */
  async function allow(
    username: string,
    parameters: Parameters = {},
    browser = createBrowser(server.issuer),
  ) {
    const client_id = parameters.client_id ?? AGENT;
    const { url, pkce } = flow.request({
      client_id,
      resource: RESOURCE,
      scope: 'openid orders:read',
      ...parameters,
    });
    const code = codeOf(await flow.authorize(browser, url, { username }));
    const redeem = () =>
      server.post('/oauth/token', client_id === 'web' ? 'web' : undefined, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: REDIRECT_URI,
        code_verifier: pkce.verifier,
        ...(client_id !== 'web' && { client_id }),
      });
    return { browser, redeem };
  }

  async function tokensOf(username: string, parameters?: Parameters, browser?: Browser) {
    const allowed = await allow(username, parameters, browser);
    const { json, text } = await allowed.redeem();
    assert.ok(json.access_token, text);
    return { ...allowed, json };
  }

  const listOf = (browser: Browser): Promise<Page> => browser.get(`${server.issuer}${PATH}`);

  async function logInHere(username: string, application = 'web', browser = createBrowser(server.issuer)) {
    const page = await browser.get(`${server.issuer}${PATH}?application=${application}`);
    return { browser, page: await browser.submit(page, PATH, { username, password: PASSWORD }) };
  }

  const end = (browser: Browser, page: Page, name: string, fields: Record<string, string> = {}) =>
    browser.post(`${server.issuer}${END}`, { ...endFieldsOf(page, name), ...fields });

  const isActive = async (token: string) => (await server.introspect(token)).active;
  const refresh = (refresh_token: string, client_id = AGENT) =>
    server.post('/oauth/token', undefined, { grant_type: 'refresh_token', refresh_token, client_id });

  test('shows what each application and agent may do, since when and when it was used', async () => {
    const { browser } = await tokensOf('amy', {
      scope: 'openid email orders:read orders:update products:read',
    });
    await tokensOf('amy', { client_id: APPROVED }, browser);
    await tokensOf('amy', { client_id: 'web', scope: 'openid orders.read' }, browser);
    const page = await listOf(browser);
    assert.match(page.text, /You are logged in as <strong>amy<\/strong>/);
    const sections = sectionsOf(page);
    assert.deepEqual(Object.keys(sections).sort(), ['Claude', 'Shopper', 'web']);
    assert.match(sections.Claude ?? '', /Agent of agents\.example Checked Not checked by Acme Ltd/);
    assert.match(sections.Claude ?? '', /It may know who you are; see your email address/);
    assert.match(sections.Claude ?? '', /In shop-db see and change Orders see Products/);
    assert.match(sections.Claude ?? '', /Since \d+ \w+ \d{4} Last used \d+ \w+ \d{4} at \d\d:\d\d UTC/);
    assert.match(sections.Shopper ?? '', /Approved by Acme Ltd .* In shop-db see Orders Since/);
    assert.match(sections.web ?? '', /Application of Acme Ltd It may know who you are; use orders\.read/);
  });

  test('shows limits in words, and only what the person may do at this moment', async () => {
    const { browser } = await tokensOf('carl', { scope: 'openid orders:read products:read' });
    assert.match(
      sectionsOf(await listOf(browser)).Claude ?? '',
      /In shop-db see Products see Orders , only those where customer_id is 42/,
    );
    const { changes, storage, users, directory } = server.server.foundations;
    const { application } = (await (await directory.view()).findApplication('web'))!;
    const carl = (await users.findByLogin(application.realm, 'carl'))!;
    const { items } = await storage.directory.roles.page({
      limit: 100,
      organization: application.organization,
    });
    const role = items.find(({ name }) => name === 'reader')!;
    await changes.users.replace({ ...carl, roles: [role.id] }, { actor: 'test' });
    const after = sectionsOf(await listOf(browser)).Claude ?? '';
    assert.doesNotMatch(after, /Products/);
  });

  test('an end kills tokens, refresh tokens, codes and the consent, in every browser', async () => {
    const here = await tokensOf('ben');
    const elsewhere = await tokensOf('ben', {
      scope: 'openid offline_access orders:read',
      prompt: 'consent',
    });
    const code = await allow('ben');
    const other = await tokensOf('ben', { client_id: APPROVED }, here.browser);
    const page = await end(here.browser, await listOf(here.browser), 'Claude');
    assert.equal(page.status, 200, page.text);
    assert.match(page.text, /<bdi>Claude<\/bdi><\/strong> has no access any more/);
    assert.deepEqual(Object.keys(sectionsOf(page)), ['Shopper']);
    for (const { json } of [here, elsewhere]) {
      assert.equal(await isActive(json.access_token), false);
      assert.equal((await refresh(json.refresh_token)).json.error, 'invalid_grant');
    }
    assert.equal((await code.redeem()).json.error, 'invalid_grant');
    assert.equal(await isActive(other.json.access_token), true, 'what others have stays');
    const { browser } = elsewhere;
    const again = await browser.get(
      flow.request({ client_id: AGENT, resource: RESOURCE, scope: 'orders:read' }).url,
    );
    assert.match(again.text, /<h1>An agent asks for access<\/h1>/);
    await nextSecond();
    assert.equal(await isActive((await tokensOf('ben')).json.access_token), true, 'it may be allowed again');
  });

  test('a verifier that follows the feed refuses what was ended', async () => {
    const { json, browser } = await tokensOf('cas');
    const verifier = createVerifier({
      issuer: server.issuer,
      resource: RESOURCE,
      clientId: 'shop-api',
      clientSecret: server.secretOf('shop-api'),
      now: () => Date.now() + server.clock.offset,
    });
    const answer = () =>
      verifier.verify(json.access_token).then(
        () => 'accepted',
        ({ code }) => code,
      );
    try {
      await until('the verifier follows the feed', async () => (await answer()) === 'accepted');
      await end(browser, await listOf(browser), 'Claude');
      await until('the verifier refuses the token', async () => (await answer()) === 'invalid_token');
    } finally {
      verifier.close();
    }
  });

  test('tokens from a password and from an exchange are shown and ended too', async () => {
    const logIn = () =>
      server.post('/oauth/token', 'shop', { grant_type: 'password', username: 'dan', password: PASSWORD });
    const { json } = await logIn();
    const { browser, page } = await logInHere('dan', 'shop');
    assert.deepEqual(Object.keys(sectionsOf(page)), ['shop']);
    await end(browser, page, 'shop');
    assert.equal(await isActive(json.access_token), false);
    assert.equal(
      (
        await server.post('/oauth/token', 'shop', {
          grant_type: 'refresh_token',
          refresh_token: json.refresh_token,
        })
      ).json.error,
      'invalid_grant',
    );
    assert.equal(await isActive((await logIn()).json.access_token), true, 'a later login lives');

    const web = await tokensOf('dan', { client_id: 'web' });
    const { json: traded, text } = await server.post('/oauth/token', 'trader', {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: web.json.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    assert.ok(traded.access_token, text);
    const list = await listOf(web.browser);
    assert.match(sectionsOf(list)['The Trader'] ?? '', /In shop-db see Orders/);
    await end(web.browser, list, 'The Trader');
    assert.equal(await isActive(traded.access_token), false);
    assert.equal(await isActive(web.json.access_token), true);
  });

  test('WB-03 fields of the form that were changed end nothing', async () => {
    const mine = await tokensOf('eva');
    await tokensOf('eva', { client_id: APPROVED }, mine.browser);
    const theirs = await tokensOf('flo');
    const [page, other] = [await listOf(mine.browser), await listOf(theirs.browser)];
    const claude = endFieldsOf(page, 'Claude');
    for (const fields of [
      { application: endFieldsOf(page, 'Shopper').application ?? '' },
      { form_token: endFieldsOf(page, 'Shopper').form_token ?? '' },
      { form_token: endFieldsOf(other, 'Claude').form_token ?? '' },
      { form_token: '' },
      { shown_at: String(Number(claude.shown_at) + 1) },
      { application: '' },
    ]) {
      assert.equal((await end(mine.browser, page, 'Claude', fields)).status, 403, JSON.stringify(fields));
    }
    // With all of another person's fields, from one's own browser.
    assert.equal(
      (await mine.browser.post(`${server.issuer}${END}`, endFieldsOf(other, 'Claude'))).status,
      403,
    );
    assert.equal((await createBrowser(server.issuer).post(`${server.issuer}${END}`, claude)).status, 403);
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const refused = await mine.browser.post(
        `${server.issuer}${END}`,
        claude,
        headers as Record<string, string>,
      );
      assert.equal(refused.status, 403);
    }
    for (const { json } of [mine, theirs]) assert.equal(await isActive(json.access_token), true);
  });

  test('a second click ends nothing that was allowed since, and is audited once', async () => {
    const { browser } = await tokensOf('gus');
    const page = await listOf(browser);
    await end(browser, page, 'Claude');
    assert.match((await end(browser, page, 'Claude')).text, /has no access any more/);
    const { audit } = server.server.foundations.storage;
    const { entries } = await audit.page({ limit: 10, event: 'consent.revoked' });
    const [latest, before] = entries;
    assert.match(String(latest?.actor), /^application:.+\/.+$/);
    assert.equal(latest?.subject, latest?.actor);
    assert.equal(latest?.client, AGENT);
    assert.equal(latest?.address, '127.0.0.1');
    assert.notEqual(before?.actor, latest?.actor);
    await nextSecond();
    const { json } = await tokensOf('gus');
    assert.equal((await end(browser, page, 'Claude')).status, 200);
    assert.equal(await isActive(json.access_token), true);
  });

  test('two clicks at once end it', async () => {
    const { browser, json } = await tokensOf('hal');
    const page = await listOf(browser);
    const answers = await Promise.all([end(browser, page, 'Claude'), end(browser, page, 'Claude')]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
    assert.equal(await isActive(json.access_token), false);
  });

  test('a browser without a login gets a form by the application, and none without one', async () => {
    const { browser, page } = await logInHere('jon');
    assert.match(page.text, /Nothing has access at this moment/);
    assert.equal((await listOf(browser)).status, 200);
    for (const query of ['', '?application=nope', '?application=web&application=spa']) {
      const refused = await createBrowser(server.issuer).get(`${server.issuer}${PATH}${query}`);
      assert.equal(refused.status, 404, query);
    }
    const wrong = await browser.get(`${server.issuer}${PATH}?application=spa`);
    const problem = await browser.submit(wrong, PATH, { username: 'ann', password: 'wrong' });
    assert.equal(problem.status, 400);
    assert.match(problem.text, /The username or the password is wrong\./);
  });

  test('a person of another realm is not shown', async () => {
    const { browser } = await tokensOf('kim');
    const page = await browser.get(`${server.issuer}${PATH}?application=shop`);
    assert.match(page.text, /<h1>Log in to see what has access<\/h1>/);
    assert.doesNotMatch(page.text, /Claude/);
    const other = await browser.submit(page, PATH, { username: 'kim', password: PASSWORD });
    assert.match(other.text, /Nothing has access/, 'another kim, of the shop');
    // The later login is the one that counts where no application is named.
    assert.match((await listOf(browser)).text, /Nothing has access/);
  });

  test('a login gives the browser another cookie, so that none can be planted', async () => {
    const browser = createBrowser(server.issuer);
    const form = await browser.get(`${server.issuer}${PATH}?application=web`);
    const planted = browser.cookies.get('account');
    const thief = createBrowser(server.issuer);
    for (const [name, value] of browser.cookies) thief.cookies.set(name, value);
    assert.equal((await browser.submit(form, PATH, { username: 'lea', password: PASSWORD })).status, 200);
    assert.notEqual(browser.cookies.get('account'), planted);
    assert.equal((await listOf(thief)).status, 404);
  });

  test('a disabled person and one whose logins were ended see nothing', async () => {
    const { changes, users, directory, revocations } = server.server.foundations;
    const { application } = (await (await directory.view()).findApplication('web'))!;
    for (const username of ['nia', 'ned']) {
      const { browser } = await tokensOf(username);
      const own = await logInHere(username);
      const user = (await users.findByLogin(application.realm, username))!;
      if (username === 'nia') await changes.users.replace({ ...user, enabled: false }, { actor: 'test' });
      else await revocations.revokeAllOf(user, { actor: 'test' });
      for (const each of [browser, own.browser]) {
        const page = await each.get(`${server.issuer}${PATH}?application=web`);
        assert.match(page.text, /<h1>Log in to see what has access<\/h1>/);
      }
    }
  });

  test('WB-02 a logout ends the login at this page too', async () => {
    const { browser, page } = await logInHere('oda');
    assert.equal(page.status, 200);
    await tokensOf('oda', { client_id: 'web' }, browser);
    const logout = `${server.issuer}/oauth/logout?client_id=web`;
    await browser.submit(await browser.get(logout), '/oauth/logout/confirm', {});
    assert.equal((await listOf(browser)).status, 200, 'only the application was left');
    await browser.submit(await browser.get(logout), '/oauth/logout/confirm', { logout: 'yes' });
    assert.equal((await listOf(browser)).status, 404);
    assert.equal((await end(browser, page, 'web')).status, 403);
  });

  test('a list of very many tokens ends at the newest, and says so', async () => {
    const { json, browser } = await tokensOf('max', { client_id: 'web' });
    const { registry, storage, presentedTokens } = server.server.foundations;
    const row = (await presentedTokens.findAccessToken(json.access_token))!;
    const { items } = await storage.tokens.page({ by: 'user', id: row.user!, now: 0, limit: 10 });
    assert.equal(items.length, 1);
    const ids = Array.from({ length: MOST_LOOKED_AT_OF_PERSON }, createNodeId);
    await Promise.all(ids.map((id) => registry.record(id, { ...row, id })));
    const page = await listOf(browser);
    assert.deepEqual(Object.keys(sectionsOf(page)), ['web']);
    assert.match(page.text, /An application that got its last one long ago may be missing here/);
    await end(browser, page, 'web');
    for (const id of ids.slice(0, 3)) assert.equal(await registry.find('jwt', id), undefined);
  });

  test('the consent page says where it can be ended', async () => {
    const browser = createBrowser(server.issuer);
    const { url } = flow.request({ client_id: AGENT, resource: RESOURCE });
    const page = await flow.logIn(browser, await browser.get(url), { username: 'ann' });
    assert.ok(isConsentPage(page) && !isLoginPage(page));
    const [, href = ''] = /You can end this later on the page <a href="([^"]*)"/.exec(page.text) ?? [];
    assert.equal(href, `${PATH}?application=web`);
    assert.equal((await browser.get(`${server.issuer}${href}`)).status, 200);
    assert.equal(errorOf(page), null);
  });

  test('a login that is too old sees a login form, and ends nothing', async () => {
    const { browser, json } = await tokensOf('ida');
    const page = await listOf(browser);
    server.clock.offset += 30 * 60_000;
    assert.equal((await end(browser, page, 'Claude')).status, 403);
    const form = await listOf(browser);
    assert.deepEqual(sectionsOf(form), {});
    assert.match(form.text, /<h1>Log in to see what has access<\/h1>/);
    const again = await browser.submit(form, PATH, { username: 'ida', password: PASSWORD });
    assert.deepEqual(Object.keys(sectionsOf(again)), ['Claude']);
    assert.equal((await end(browser, again, 'Claude')).status, 200);
    assert.equal((await refresh(json.refresh_token)).json.error, 'invalid_grant');
  });
});
