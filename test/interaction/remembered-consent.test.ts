import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { revokeConsent } from '../../src/admin/revoke.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import { eachNoun } from '../../src/directory/collections.ts';
import { userSubject } from '../../src/directory/subjects.ts';
import { createPermissions } from '../../src/permissions/permissions.ts';
import { LONGEST_LOGIN } from '../../src/tokens/expiry.ts';
import { createRememberedConsents, MOST_CONSENTS } from '../../src/tokens/remembered-consents.ts';
import { createBrowser, type Page } from '../support/browser.ts';
import { OPAQUE_RESOURCE, PASSWORD, REDIRECT_URI, startServer, type TestServer } from '../support/server.ts';
import {
  codeOf,
  createFlow,
  errorOf,
  type Flow,
  isConsentPage,
  isLoginPage,
  type Parameters,
} from './flow.ts';

const LOOPBACK = 'http://127.0.0.1:8765/callback';
const OWN_SCHEME = 'com.example.app:/callback';
const ORDERS = 'openid orders:read';
const READS = { isAdmin: false, tables: { orders: { read: true } } };

const CUSTOMER = { $user: 'attributes.customer' };

const ordersOf = (values: unknown[], columns?: string[]): Parameters => ({
  authorization_details: JSON.stringify([
    {
      type: 'table_access_set',
      tables: ['orders'],
      actions: ['read'],
      rows: { customer_id: values },
      ...(columns && { columns }),
    },
  ]),
});

const newsOf = ({ text }: Page): string[] =>
  [...text.matchAll(/([^<>]*) <mark>(new[^<]*)<\/mark>(?=<\/)/g)].map(
    ([, what, news]) => `${what?.trim()} ${news}`,
  );

describe('a remembered consent', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const find = (name: string) => acme.applications.find((each: { name: string }) => each.name === name);
        const [web, spa] = [find('web'), find('spa')];
        web.redirectUris = [REDIRECT_URI, LOOPBACK, OWN_SCHEME];
        web.native = true;
        web.resources = { [OPAQUE_RESOURCE]: web.permissions };
        spa.redirectUris = [REDIRECT_URI, LOOPBACK, OWN_SCHEME];
        spa.native = true;
        acme.applications.push({
          ...web,
          name: 'own',
          clientId: 'own',
          clientSecret: 'secret-of-own-'.padEnd(40, 'x'),
          redirectUris: [REDIRECT_URI],
          firstParty: true,
        });
        const person = (username: string, application: string) => ({
          username,
          password: PASSWORD,
          application,
          roles: ['clerk', 'opaque-reader'],
        });
        const permissions = { isAdmin: false, tables: { orders: { read: true } } };
        acme.roles.push({ name: 'opaque-reader', resource: OPAQUE_RESOURCE, permissions });
        acme.users.push(person('ann', 'own'));
        acme.resources[0].tables[0].columns = [
          { name: 'id', type: 'integer' },
          { name: 'customer_id', type: 'integer' },
        ];
        acme.roles.push({
          name: 'customer',
          scopes: ['orders.read'],
          permissions: { tables: { orders: { read: { rows: { customer_id: [CUSTOMER] } } } } },
        });
        for (const name of ['cleo', 'cora'])
          acme.users.push({ ...person(name, 'web'), roles: ['customer'], attributes: { customer: '42' } });
        for (const name of ['kim', 'amy', 'ben', 'cas', 'dan', 'eva', 'flo', 'gus', 'hal', 'ida', 'jon']) {
          acme.users.push(person(name, 'web'), person(name, 'spa'));
        }
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  /** A login in a browser that was never here before. @returns the page that it ended at: of ours, or the client's */
  async function enter(
    username: string,
    parameters: Parameters = {},
    browser = createBrowser(server.issuer),
  ) {
    const { url, pkce } = flow.request(parameters);
    const page = await browser.get(url);
    return { browser, pkce, page: isLoginPage(page) ? await flow.logIn(browser, page, { username }) : page };
  }

  /** Agrees once. */
  async function agree(username: string, parameters: Parameters = {}): Promise<void> {
    const { browser, page } = await enter(username, parameters);
    assert.ok(isConsentPage(page), page.text);
    codeOf(new URL((await browser.submit(page, '/consent')).url));
  }

  async function assertAskedAgain(username: string, parameters: Parameters = {}): Promise<void> {
    const { page } = await enter(username, parameters);
    assert.ok(isConsentPage(page), page.url);
    assert.match(page.text, /asks for access/);
    assert.doesNotMatch(page.text, /<mark>/);
  }

  async function find(username: string, clientId: string) {
    const { directory, users } = server.server.foundations;
    const client = (await (await directory.view()).findApplication(clientId))!;
    return { client, user: (await users.findByLogin(client.application.realm, username))! };
  }

  function consents() {
    const { directory, registry, storage, now } = server.server.foundations;
    return createRememberedConsents({ artifacts: storage.artifacts, directory, registry, now });
  }

  const apply = (acme: object) =>
    server.server.foundations.apply(
      parseApplyFile(JSON.stringify({ organizations: [{ name: 'acme', ...acme }] }), 'file.json'),
    );

  /** A login in the very second in which something ended counts as older. */
  function intoTheNextSecond(): void {
    server.clock.offset += 1_000;
  }

  test('skips the page in every browser for an application that authenticates', async () => {
    await agree('amy');
    for (const redirect_uri of [REDIRECT_URI, LOOPBACK, OWN_SCHEME]) {
      const { browser, page } = await enter('amy', { redirect_uri });
      assert.ok(page.url.startsWith(redirect_uri), page.url);
      codeOf(new URL(page.url));
      codeOf(new URL((await browser.get(flow.request({ redirect_uri, prompt: 'none' }).url)).url));
    }
  });

  test('skips the page for a public application that answers at https', async () => {
    await agree('amy', { client_id: 'spa' });
    const { browser, page } = await enter('amy', { client_id: 'spa' });
    codeOf(new URL(page.url));
    codeOf(new URL((await browser.get(flow.request({ client_id: 'spa', prompt: 'none' }).url)).url));
  });

  test('needs one click at a public application that answers on the device', async () => {
    await agree('ben', { client_id: 'spa' });
    for (const redirect_uri of [LOOPBACK, OWN_SCHEME]) {
      const parameters = { client_id: 'spa', redirect_uri };
      const { browser, page } = await enter('ben', parameters);
      assert.match(page.text, /<h1>Continue to spa\?<\/h1>/);
      assert.match(page.text, /<button>Continue<\/button>/);
      assert.doesNotMatch(page.text, /<mark>/);
      const silent = () => browser.get(flow.request({ ...parameters, prompt: 'none' }).url);
      assert.equal(errorOf(await silent()), 'consent_required');
      codeOf(new URL((await browser.submit(page, '/consent')).url));
      assert.equal(errorOf(await silent()), 'consent_required');
      assert.ok(isConsentPage((await enter('ben', parameters, browser)).page));
    }
  });

  test('does not keep prompt=consent from showing the page', async () => {
    await agree('cas');
    const { page } = await enter('cas', { prompt: 'consent' });
    assert.match(page.text, /<h1>web asks for access<\/h1>/);
    assert.deepEqual(newsOf(page), []);
  });

  test('is asked for again with what is new marked, and nothing else', async () => {
    await agree('dan', { scope: ORDERS });
    const scope = 'openid email orders:read orders:update products:read';
    const { browser, page } = await enter('dan', { scope });
    assert.match(page.text, /You allowed some of this before/);
    assert.deepEqual(newsOf(page), [
      'see your email address new',
      'Orders new: update',
      'Products new: read',
    ]);
    const silent = await browser.get(flow.request({ scope, prompt: 'none' }).url);
    assert.equal(errorOf(silent), 'consent_required');
    codeOf(new URL((await browser.submit(page, '/consent')).url));
    codeOf(new URL((await enter('dan', { scope })).page.url));
    codeOf(new URL((await enter('dan', { scope: ORDERS })).page.url));
  });

  test('is one to some rows and columns: fewer are given, and more asked for', async () => {
    await agree('kim', ordersOf(['43', '42'], ['id', 'customer_id']));
    for (const within of [
      ordersOf(['42', '43'], ['customer_id', 'id']),
      ordersOf(['042'], ['id', 'customer_id']),
      ordersOf([43], ['id']),
    ]) {
      codeOf(new URL((await enter('kim', within)).page.url));
    }
    for (const [beyond, news] of [
      [ordersOf(['42', '44'], ['id']), 'only those where customer_id is 42 or 44; columns id'],
      [ordersOf(['42']), 'only those where customer_id is 42'],
      [{ scope: ORDERS }, 'Orders new: read'],
    ] as const) {
      const { browser, page } = await enter('kim', beyond);
      assert.ok(isConsentPage(page), page.url);
      assert.equal(newsOf(page).length, 1);
      assert.ok(newsOf(page)[0]?.includes(news), newsOf(page)[0]);
      const silent = await browser.get(flow.request({ ...beyond, prompt: 'none' }).url);
      assert.equal(errorOf(silent), 'consent_required');
    }
  });

  for (const [username, scope] of [
    ['cleo', 'openid orders.read'],
    ['cora', 'openid orders:read'],
  ] as const) {
    test(`is one to values: another one is asked for again (${scope})`, async () => {
      await agree(username, { scope });
      codeOf(new URL((await enter(username, { scope })).page.url));
      intoTheNextSecond();
      const { user } = await find(username, 'web');
      await server.server.foundations.changes.users.replace(
        { ...user, attributes: { customer: '43' } },
        { actor: 'test' },
      );
      const { page } = await enter(username, { scope });
      assert.ok(isConsentPage(page), page.url);
      assert.match(
        page.text,
        /<strong title="orders">Orders<\/strong>, only those where customer_id is 43 <mark>new<\/mark>/,
      );
      assert.doesNotMatch(page.text, /customer_id is [^<]*42/);
    });
  }

  test('is one of a resource, and says nothing of another', async () => {
    await agree('eva', { scope: ORDERS });
    const { page } = await enter('eva', { scope: ORDERS, resource: OPAQUE_RESOURCE });
    assert.ok(isConsentPage(page));
    assert.deepEqual(newsOf(page), ['Orders new: read']);
  });

  test('says nothing of another person', async () => {
    await agree('flo');
    await assertAskedAgain('gus');
  });

  test('gives the code only the scopes of the current request', async () => {
    await agree('gus');
    const { page, pkce } = await enter('gus', { scope: ORDERS });
    const { json } = await flow.redeem(codeOf(new URL(page.url)), pkce.verifier);
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
    assert.equal(json.permissions.tables.orders.update, false);
  });

  test('outlives a logout, and a login in another browser does too', async () => {
    const here = createBrowser(server.issuer);
    const there = createBrowser(server.issuer);
    const fields = { username: 'flo' };
    const [mine, other] = [await flow.tokens(here, {}, fields), await flow.tokens(there, {}, fields)];
    const page = await here.get(`${server.issuer}/oauth/logout`);
    await here.submit(page, '/oauth/logout/confirm', { logout: 'yes' });
    assert.equal((await server.introspect(mine.access_token)).active, false);
    assert.equal((await server.introspect(other.access_token)).active, true);
    codeOf(new URL((await enter('flo', {}, here)).page.url));
  });

  test('ends when it is revoked, with all that came from it in any browser', async () => {
    const fields = { username: 'hal' };
    const tokens = [];
    for (let browser = 0; browser < 2; browser += 1) {
      tokens.push(await flow.tokens(createBrowser(server.issuer), {}, fields));
    }
    const { browser } = await enter('hal');
    const { user, client } = await find('hal', 'web');
    await revokeConsent(user, client.application, {
      ...server.server.foundations,
      author: { actor: 'test' },
    });
    for (const { access_token, refresh_token } of tokens) {
      assert.deepEqual(await server.introspect(access_token), { active: false });
      const form = { grant_type: 'refresh_token', refresh_token };
      assert.equal((await server.post('/oauth/token', 'web', form)).json.error, 'invalid_grant');
    }
    const silent = await browser.get(flow.request({ prompt: 'none' }).url);
    assert.equal(errorOf(silent), 'consent_required', 'also in a session that was agreed to before');
    await assertAskedAgain('hal');
  });

  test('a code that was made before the consent was revoked is dead', async () => {
    const { page, pkce } = await enter('ida').then(async (entered) =>
      isConsentPage(entered.page)
        ? { ...entered, page: await entered.browser.submit(entered.page, '/consent') }
        : entered,
    );
    const { user, client } = await find('ida', 'web');
    await revokeConsent(user, client.application, {
      ...server.server.foundations,
      author: { actor: 'test' },
    });
    const { json } = await flow.redeem(codeOf(new URL(page.url)), pkce.verifier);
    assert.equal(json.error, 'invalid_grant');
  });

  test('ends when the person gets another password', async () => {
    const { changes } = server.server.foundations;
    await agree('jon');
    const { user } = await find('jon', 'web');
    const { passwordHash } = (await find('ann', 'web')).user;
    await changes.users.replace({ ...user, passwordHash: passwordHash! }, { actor: 'test' });
    intoTheNextSecond();
    await assertAskedAgain('jon');
  });

  test('ends with the application', async () => {
    const application = { name: 'spa', clientId: 'spa' };
    await apply({ applications: [{ ...application, enabled: false }] });
    await apply({ applications: [{ ...application, enabled: true }] });
    intoTheNextSecond();
    await assertAskedAgain('amy', { client_id: 'spa' });
  });

  test('an application of the operator asks for consent only at prompt=consent', async () => {
    const own = { client_id: 'own' };
    const { browser, page, pkce } = await enter('ann', own);
    const { json } = await flow.redeem(codeOf(new URL(page.url)), pkce.verifier, 'own');
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders', 'products']);
    codeOf(new URL((await browser.get(flow.request({ ...own, prompt: 'none' }).url)).url));
    const narrow = await enter('ann', { ...own, scope: ORDERS }, browser);
    const answer = await flow.redeem(codeOf(new URL(narrow.page.url)), narrow.pkce.verifier, 'own');
    assert.deepEqual(Object.keys(answer.json.permissions.tables), ['orders']);
    assert.ok(isConsentPage((await enter('ann', { ...own, prompt: 'consent' })).page));
    await apply({ applications: [{ name: 'own', firstParty: false }] });
    assert.ok(isConsentPage((await enter('ann', own, browser)).page), 'in a session from before, too');
    await assertAskedAgain('ann', own);
  });

  for (const [whose, client_id, username] of [
    ['a remembered consent', 'web', 'amy'],
    ['an application of the operator', 'own', 'ann'],
  ] as const) {
    test(`a misspelled table gives no other table with ${whose}`, async () => {
      await apply({ applications: [{ name: 'own', firstParty: true }] });
      if (client_id === 'web') {
        await flow.forget(username);
        await agree(username);
      }
      const { browser, page, pkce } = await enter(username, { client_id, scope: 'openid ordres:read' });
      const { json } = await flow.redeem(codeOf(new URL(page.url)), pkce.verifier, client_id);
      assert.equal(json.scope, 'openid');
      assert.ok(!json.permissions?.isAdmin);
      assert.deepEqual(json.permissions?.tables ?? {}, {});
      for (const scope of ['ordres:read', 'openid orders:raed', 'openid *:raed']) {
        const refused = await browser.get(flow.request({ client_id, scope, prompt: 'none' }).url);
        assert.equal(errorOf(refused), 'invalid_scope', scope);
      }
    });
  }

  test('says nothing of a resource that is made anew under the same identifier', async () => {
    const { changes, directory, storage, now } = server.server.foundations;
    const identifier = 'https://anew.acme.example/';
    const add = () =>
      apply({
        resources: [{ identifier, name: 'anew', tables: [{ id: 'orders', name: 'Orders' }] }],
        roles: [{ name: 'anew', resource: identifier, permissions: READS }],
        applications: [{ name: 'web', resources: { [identifier]: READS } }],
        users: [{ username: 'eva', application: 'web', roles: ['clerk', 'anew'] }],
      });
    await add();
    await agree('eva', { scope: ORDERS, resource: identifier });
    await apply({
      users: [{ username: 'eva', application: 'web', roles: ['clerk'] }],
      applications: [{ name: 'web', resources: {} }],
    });
    const view = await directory.view();
    const { organization } = (await find('eva', 'web')).client;
    for await (const role of eachNoun(storage.directory.roles, organization.id)) {
      if (role.name === 'anew') await changes.roles.remove(role, { actor: 'test' });
    }
    const resource = (await view.findResource(identifier))!;
    await changes.resources.remove(resource, { actor: 'test' });
    await storage.sweep(now() + LONGEST_LOGIN * 1000 + 60_000, 10_000);
    await add();
    intoTheNextSecond();
    const { page } = await enter('eva', { scope: ORDERS, resource: identifier });
    assert.ok(isConsentPage(page), page.url);
  });

  test('a person has so many at most, and the oldest goes first', async () => {
    const { user, client } = await find('ida', 'web');
    const to = (id: string) => ({ user, client: { ...client, application: { ...client.application, id } } });
    const all = consents();
    for (let count = 0; count <= MOST_CONSENTS; count += 1) {
      await all.add(to(`application-${count}`), { openid: ['openid'] });
    }
    assert.equal(await all.find(to('application-0')), undefined);
    assert.deepEqual((await all.find(to('application-1')))?.openid, ['openid']);
    assert.deepEqual((await all.find(to(`application-${MOST_CONSENTS}`)))?.openid, ['openid']);
  });

  test('a consent that is too large to be remembered is asked for again', async () => {
    const { user, client } = await find('ida', 'web');
    const all = consents();
    await all.forget(userSubject(user), client.application.id);
    const many = Array.from({ length: 30_000 }, (_, index) => [`table-${index}`, 15] as const);
    const of = { id: 'resource', identifier: OPAQUE_RESOURCE };
    await all.add({ user, client }, { openid: ['openid'] });
    await all.add(
      { user, client },
      { openid: [], resource: { of, scopes: [], permissions: createPermissions(many) } },
    );
    const found = await all.find({ user, client });
    assert.deepEqual(found?.openid, ['openid']);
    assert.equal(found?.resources.size, 0);
  });
});
