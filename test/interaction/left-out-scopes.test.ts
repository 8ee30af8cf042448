/** Scopes that cannot be given: what is left out, what is refused, and that neither ever gives more than was named. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { type Browser, createBrowser } from '../support/browser.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer, tablesOf } from '../support/server.ts';
import {
  codeOf,
  createFlow,
  errorOf,
  type Flow,
  isConsentPage,
  isLoginPage,
  type Parameters,
  shownTables,
} from './flow.ts';

const OPEN_RESOURCE = 'https://open.acme.example/';
const EVERYTHING = { isAdmin: true, tables: {} };
const CLERK = { orders: 'cru', products: 'r' };

/** Nothing that the closed catalogue, the application or its resources know. */
const MISSPELLED_TABLES = [
  'ordres:read',
  'Orders:read',
  'order:read',
  'orders%20:read',
  'orders%zz:read',
  'orders:read:read',
  'orders:reed:read',
  'public_users:delete',
  '__proto__:read',
  ':read',
  'orders',
  'orders/read',
  'orders.reed',
  'ordres:reed',
];
const MISSPELLED_ACTIONS = [
  'orders:reed',
  'orders:READ',
  'orders:',
  'orders:admin',
  'orders:*',
  'orders:read,update',
  'public%2Eusers:reed',
  '*:Admin',
  '*:reed',
  '%2A:admin',
  '*:',
];

describe('scopes that cannot be given', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        acme.resources.push({
          identifier: OPEN_RESOURCE,
          name: 'open',
          catalogue: 'open',
          scopes: ['reports'],
        });
        acme.roles.push(
          { name: 'auditor', permissions: { isAdmin: false, tables: { products: { read: true } } } },
          { name: 'boss', permissions: EVERYTHING },
          { name: 'owner', resource: OPEN_RESOURCE, scopes: ['reports'], permissions: EVERYTHING },
        );
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        const like = (name: string, rest: object) => ({
          ...web,
          name,
          clientId: name,
          clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
          ...rest,
        });
        acme.applications.push(
          like('open-web', { resource: OPEN_RESOURCE, scopes: ['reports'], permissions: EVERYTHING }),
          like('boss-web', { permissions: EVERYTHING }),
          like('own-web', { firstParty: true }),
          like('plain-web', { resource: undefined, scopes: [], permissions: undefined }),
        );
        const person = (username: string, application: string, roles: string[]) => ({
          username,
          password: PASSWORD,
          application,
          roles,
        });
        acme.users.push(
          person('rita', 'web', ['reader']),
          person('audrey', 'web', ['auditor']),
          person('ann', 'open-web', ['owner']),
          person('ann', 'boss-web', ['boss']),
          person('rita', 'boss-web', ['reader']),
          person('ann', 'plain-web', []),
          person('ann', 'own-web', ['clerk']),
          person('rita', 'own-web', ['reader']),
          person('audrey', 'own-web', ['auditor']),
        );
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  interface Who {
    readonly client?: string;
    readonly username?: string;
    readonly browser?: Browser;
  }

  /** @returns what the client gets: an answer of the token endpoint, or `error` */
  async function ask(
    parameters: Parameters,
    { client = 'web', username = 'ann', browser = createBrowser(server.issuer) }: Who = {},
  ): Promise<Record<string, any>> {
    const { url, pkce } = flow.request({ client_id: client, ...parameters });
    const answer = await flow.authorize(browser, url, { username });
    const error = answer.searchParams.get('error');
    if (error !== null) return { error, description: answer.searchParams.get('error_description') };
    const { status, json, text } = await flow.redeem(codeOf(answer), pkce.verifier, client);
    assert.equal(status, 200, text);
    return json;
  }

  /** A browser whose person has agreed to everything that the application may have. */
  async function agreed(client = 'web'): Promise<Browser> {
    const browser = createBrowser(server.issuer);
    const { error } = await ask({ scope: 'openid orders.read' }, { client, browser });
    assert.equal(error, undefined);
    return browser;
  }

  test('a misspelled table is left out, and what else was named is all there is', async () => {
    const browser = createBrowser(server.issuer);
    for (const scope of MISSPELLED_TABLES) {
      const identity = await ask({ scope: `openid ${scope}` }, { browser });
      assert.deepEqual([identity.scope, tablesOf(identity)], ['openid', {}], scope);
    }
    const all = MISSPELLED_TABLES.join(' ');
    const tables = await ask({ scope: `openid orders:read ${all}` });
    assert.deepEqual(tablesOf(tables), { orders: 'r' });
    const other = await ask({ scope: `orders.read ${all}` });
    assert.deepEqual([other.scope, tablesOf(other)], ['orders.read', {}]);
  });

  test('beside OpenID scopes other than openid, nothing misspelled becomes all there is', async () => {
    for (const others of ['profile', 'email']) {
      for (const client of ['web', 'own-web']) {
        const given = await ask({ scope: `${others} ordres:read` }, { client });
        assert.deepEqual([given.scope, tablesOf(given)], [others, {}], `${others}, ${client}`);
      }
      const { scope, permissions } = await ask({ scope: `${others} orders.read` }, { username: 'audrey' });
      assert.deepEqual([scope, permissions.tables], [others, {}], `${others}, not the person's`);
    }
  });

  test('a request of which nothing is left is refused before anybody logs in', async () => {
    for (const scope of [
      ...MISSPELLED_TABLES,
      'ordres:read nope',
      'orders:delete',
      'orders:delete offline_access',
      'offline_access',
      'orders.write',
      '*:admin',
    ]) {
      const page = await createBrowser(server.issuer).get(flow.request({ scope }).url);
      assert.equal(errorOf(page), 'invalid_scope', scope);
    }
  });

  test('a misspelled action on a table is refused, whatever else was named', async () => {
    for (const scope of MISSPELLED_ACTIONS) {
      for (const others of ['', 'openid ', 'openid orders:read orders.read ']) {
        const page = await createBrowser(server.issuer).get(flow.request({ scope: `${others}${scope}` }).url);
        assert.equal(errorOf(page), 'invalid_scope', `${others}${scope}`);
      }
    }
    const { description } = await ask({ scope: 'openid orders:reed' });
    assert.equal(
      description,
      'Unknown action reed in a scope for a table. Use create, read, update or delete.',
    );
  });

  test('with a remembered consent nothing misspelled becomes what was agreed to', async () => {
    const browser = await agreed();
    assert.deepEqual(
      tablesOf(await ask({ scope: 'openid orders.read', prompt: 'none' }, { browser })),
      CLERK,
    );
    for (const scope of MISSPELLED_TABLES) {
      const silent = await ask({ scope: `openid ${scope}`, prompt: 'none' }, { browser });
      assert.deepEqual([silent.scope, tablesOf(silent)], ['openid', {}], scope);
      const other = await ask({ scope: `orders.read ${scope}`, prompt: 'none' }, { browser });
      assert.deepEqual([other.scope, tablesOf(other)], ['orders.read', {}], scope);
    }
    for (const scope of MISSPELLED_ACTIONS) {
      assert.equal(
        (await ask({ scope: `openid ${scope}`, prompt: 'none' }, { browser })).error,
        'invalid_scope',
      );
    }
  });

  test('in another browser too, where only the consent is remembered', async () => {
    await agreed();
    const browser = createBrowser(server.issuer);
    const first = await browser.get(flow.request({ scope: `openid ${MISSPELLED_TABLES.join(' ')}` }).url);
    assert.ok(!isConsentPage(await flow.logIn(browser, first)), 'nothing is asked again');
    const silent = await ask({ scope: 'openid ordres:read orders.write', prompt: 'none' }, { browser });
    assert.deepEqual([silent.scope, tablesOf(silent)], ['openid', {}]);
    const named = await ask({ scope: 'openid nope', resource: RESOURCE, prompt: 'none' }, { browser });
    assert.deepEqual([named.scope, tablesOf(named)], ['openid', {}]);
    assert.deepEqual(tablesOf(await ask({ scope: 'orders.read', prompt: 'none' }, { browser })), CLERK);
  });

  test('an application that asks for no consent gets no more by misspelling', async () => {
    const own = { client: 'own-web', browser: createBrowser(server.issuer) };
    assert.deepEqual(tablesOf(await ask({ scope: 'openid orders.read' }, own)), CLERK);
    for (const scope of MISSPELLED_TABLES) {
      const identity = await ask({ scope: `openid ${scope}`, prompt: 'none' }, own);
      assert.deepEqual([identity.scope, tablesOf(identity)], ['openid', {}], scope);
      const other = await ask({ scope: `orders.read ${scope}`, prompt: 'none' }, own);
      assert.deepEqual([other.scope, tablesOf(other)], ['orders.read', {}], scope);
      assert.equal((await ask({ scope, prompt: 'none' }, own)).error, 'invalid_scope', scope);
    }
    for (const scope of MISSPELLED_ACTIONS) {
      assert.equal((await ask({ scope: `openid ${scope}`, prompt: 'none' }, own)).error, 'invalid_scope');
    }
  });

  test('nor what the person who uses it may not have', async () => {
    const rita = { client: 'own-web', username: 'rita', browser: createBrowser(server.issuer) };
    const tables = await ask({ scope: 'openid orders:read orders:update' }, rita);
    assert.deepEqual([tables.scope, tablesOf(tables)], ['openid orders:read', { orders: 'r' }]);
    assert.equal((await ask({ scope: 'orders:update', prompt: 'none' }, rita)).error, 'invalid_scope');
    const audrey = { client: 'own-web', username: 'audrey', browser: createBrowser(server.issuer) };
    const identity = await ask({ scope: 'openid orders.read' }, audrey);
    assert.deepEqual([identity.scope, tablesOf(identity)], ['openid', {}]);
    const again = await ask({ scope: 'openid orders.read', resource: RESOURCE, prompt: 'none' }, audrey);
    assert.deepEqual([again.scope, tablesOf(again)], ['openid', {}]);
  });

  test('whose session is there decides nothing for the person who logs in instead', async () => {
    const browser = createBrowser(server.issuer);
    await ask({ scope: 'openid' }, { username: 'audrey', browser });
    const { url, pkce } = flow.request({ scope: 'orders:read orders:update', prompt: 'login' });
    const login = await browser.get(url);
    assert.ok(isLoginPage(login), login.url);
    const switched = await flow.logIn(browser, login, { username: 'ann' });
    const consent = await browser.submit(switched, '/logout/confirm');
    const last = isConsentPage(consent) ? await browser.submit(consent, '/consent') : consent;
    const { json } = await flow.redeem(codeOf(new URL(last.url)), pkce.verifier);
    assert.deepEqual(tablesOf(json), { orders: 'ru' });
  });

  test('scopes that the application may not have are left out', async () => {
    const scope = 'openid orders:read orders:delete public.users:read *:admin orders.write nope';
    assert.deepEqual(tablesOf(await ask({ scope })), { orders: 'r' });
    const without = await ask({ scope: 'openid orders:delete orders.write' });
    assert.deepEqual([without.scope, tablesOf(without)], ['openid', {}]);
  });

  test('scopes that the person may not have are left out of page and answer', async () => {
    const browser = createBrowser(server.issuer);
    const { url, pkce } = flow.request({ scope: 'openid orders:read orders:update products:read' });
    const page = await flow.logIn(browser, await browser.get(url), { username: 'rita' });
    assert.deepEqual(shownTables(page), { orders: ['read'] });
    const code = codeOf(new URL((await browser.submit(page, '/consent')).url));
    assert.deepEqual(tablesOf((await flow.redeem(code, pkce.verifier)).json), { orders: 'r' });

    const audrey = { username: 'audrey' };
    const identity = await ask({ scope: 'openid orders.read' }, audrey);
    assert.deepEqual([identity.scope, tablesOf(identity)], ['openid', {}]);
    assert.deepEqual(tablesOf(await ask({ scope: 'openid', resource: RESOURCE }, audrey)), { products: 'r' });
    const refused = await ask({ scope: 'orders:update orders:create' }, audrey);
    assert.equal(refused.error, 'invalid_scope');
    const fewer = await ask({ scope: 'products:read orders:update' }, audrey);
    assert.deepEqual([fewer.scope, tablesOf(fewer)], ['products:read', { products: 'r' }]);
  });

  test('admin that the person does not have is left out, and tables beside it are not', async () => {
    const boss = { client: 'boss-web' };
    assert.equal((await ask({ scope: 'openid *:admin orders:read' }, boss)).permissions.isAdmin, true);
    const reader = { ...boss, username: 'rita' };
    const tables = await ask({ scope: 'openid *:admin orders:read' }, reader);
    assert.deepEqual([tables.permissions.isAdmin, tablesOf(tables)], [false, { orders: 'r' }]);
    const identity = await ask({ scope: 'openid *:admin' }, reader);
    assert.deepEqual([identity.permissions.isAdmin, tablesOf(identity)], [false, {}]);
    assert.equal((await ask({ scope: '*:admin' }, reader)).error, 'invalid_scope');
  });

  test('an open catalogue takes any table before an action, and the rest for scopes', async () => {
    const open = { client: 'open-web' };
    assert.deepEqual(tablesOf(await ask({ scope: 'openid ordres:read' }, open)), { ordres: 'r' });
    for (const scope of ['orders:reed', 'orders:READ', 'orders', 'read', 'a:b:']) {
      const identity = await ask({ scope: `openid ${scope}` }, open);
      assert.deepEqual(
        [identity.scope, identity.permissions],
        ['openid', { isAdmin: false, tables: {} }],
        scope,
      );
      assert.equal((await ask({ scope }, open)).error, 'invalid_scope', scope);
    }
    for (const scope of ['*:reed', ':read', '%zz:read', '__proto__:read', '%00:read']) {
      assert.equal((await ask({ scope: `openid ${scope}` }, open)).error, 'invalid_scope', scope);
    }
  });

  test('*:read is every table, for a person who holds it', async () => {
    const boss = await ask({ scope: 'openid *:read orders:update' }, { client: 'boss-web' });
    assert.deepEqual(tablesOf(boss), { '*': 'r', orders: 'ru' });
    const reader = await ask(
      { scope: 'openid *:read orders:read' },
      { client: 'boss-web', username: 'rita' },
    );
    assert.deepEqual(tablesOf(reader), { orders: 'r' });
  });

  test('a resource that was named stays the audience, of a token without tables', async () => {
    const named = await ask({ scope: 'openid nope', resource: RESOURCE });
    assert.equal(decodeJwt(named.access_token).aud, RESOURCE);
    assert.deepEqual(tablesOf(named), {});
    const own = await ask({ scope: 'openid nope' });
    assert.match(own.access_token, /^gat_/, 'good at userinfo only, as for openid alone');
  });

  test('an application without a resource gets the person’s identity', async () => {
    const plain = { client: 'plain-web' };
    for (const scope of ['nope', 'orders:read', 'orders:reed', 'api://shop/.default']) {
      assert.equal((await ask({ scope: `openid ${scope}` }, plain)).scope, 'openid', scope);
      assert.equal((await ask({ scope }, plain)).error, 'invalid_scope', scope);
    }
  });

  test('details and permissions stay strict beside scopes that are left out', async () => {
    const reads = '{"isAdmin":false,"tables":{"orders":{"read":true}}}';
    const kept = await ask({ scope: 'openid nope', permissions: reads });
    assert.deepEqual([kept.scope, tablesOf(kept)], ['openid', { orders: 'r' }]);
    assert.equal((await ask({ scope: 'nope', permissions: reads })).error, 'invalid_scope');
    const deletes = '{"isAdmin":false,"tables":{"orders":{"delete":true}}}';
    assert.equal(
      (await ask({ scope: 'openid', permissions: deletes })).error,
      'invalid_authorization_details',
    );
    const updates = '{"isAdmin":false,"tables":{"orders":{"update":true}}}';
    const refused = await ask({ scope: 'openid', permissions: updates }, { username: 'rita' });
    assert.equal(refused.error, 'invalid_authorization_details');
    const twice = await ask({ scope: 'openid orders:read', permissions: reads });
    assert.equal(twice.error, 'invalid_request');
  });

  test('offline_access says nothing of tables, also where there is no refreshing', async () => {
    assert.deepEqual(tablesOf(await ask({ scope: 'openid offline_access orders.read' })), CLERK);
  });

  test('left out scopes are not stored with the request', async () => {
    await flow.forget();
    const browser = createBrowser(server.issuer);
    const page = await browser.get(flow.request({ scope: 'openid nope orders:delete orders.read' }).url);
    assert.ok(isLoginPage(page));
    const consent = await flow.logIn(browser, page);
    assert.ok(isConsentPage(consent));
    assert.doesNotMatch(consent.text, /nope|delete<|<table/);
    await browser.submit(consent, '/consent');
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 20 });
    const entry = entries.find(({ event }) => event === 'consent.given');
    assert.equal((entry?.details as { scope?: string } | undefined)?.scope, 'openid orders.read');
  });
});
