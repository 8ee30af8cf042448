import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createBrowser, createPkce } from '../support/browser.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import {
  codeOf,
  createFlow,
  errorOf,
  type Flow,
  isConsentPage,
  isLoginPage,
  postRaw,
  shownTables,
} from './flow.ts';

const MARKUP = `"><img src=x onerror="alert(1)">'&`;
const READS_ORDERS = '{"isAdmin":false,"tables":{"orders":{"read":true}}}';
/** Looks like a place of the operator's, and is whatever app says that the scheme is its own. */
const OWN_SCHEME = 'com.example.app://app.acme.example/callback';
/** Scopes that have the names of what every object has. */
const INHERITED = ['constructor', 'toString', '__proto__'];
const CLERK = { orders: ['create', 'read', 'update'], products: ['read'] };

describe('consent', () => {
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      fixture({ organizations: [acme] }) {
        const [shop] = acme.resources;
        shop.name = `Shop ${MARKUP}`;
        shop.scopes.push('orders.export', ...INHERITED);
        for (const { scopes } of acme.roles) scopes.push('orders.export', ...INHERITED);
        shop.scopeTexts = { 'orders.export': { displayName: `take all orders away ${MARKUP}` } };
        shop.tables[2].name = `Users ${MARKUP}`;
        const everything = { isAdmin: true, tables: {} };
        acme.roles.push({ name: 'owner', permissions: everything });
        acme.roles.push({
          name: 'auditor',
          permissions: { isAdmin: false, tables: { 'public.users': { read: true } } },
        });
        acme.applications.find(({ name }: { name: string }) => name === 'web').permissions = everything;
        const person = (username: string, role: string) => ({
          username,
          password: PASSWORD,
          application: 'web',
          roles: [role],
        });
        const web = acme.applications.find(({ name }: { name: string }) => name === 'web');
        acme.applications.push({
          ...web,
          name: 'phone',
          displayName: `The phone ${MARKUP}`,
          scopes: [...web.scopes, 'orders.export', ...INHERITED],
          clientId: 'phone',
          clientSecret: undefined,
          authMethod: 'none',
          native: true,
          redirectUris: [OWN_SCHEME],
        });
        acme.users.push({ ...acme.users[0], application: 'phone' });
        for (const name of ['rita', 'rob']) acme.users.push(person(name, 'reader'));
        acme.users.push(person('olga', 'owner'), person('audrey', 'auditor'));
        shop.tables[0].columns = ['id', 'customer_id', 'total'].map((name) => ({ name, type: 'integer' }));
        const own = { rows: { customer_id: ['42', '43'] } };
        acme.roles.push({
          name: 'customer',
          scopes: ['orders.read'],
          permissions: {
            tables: { '*': { read: true }, orders: { create: own, update: { ...own, columns: ['total'] } } },
          },
        });
        acme.users.push(person('carl', 'customer'));
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  async function consentPage(parameters: Record<string, string> = {}, fields: Record<string, string> = {}) {
    await flow.forget(fields.username, parameters.client_id);
    const browser = createBrowser(server.issuer);
    const { url, pkce } = flow.request(parameters);
    const page = await flow.logIn(browser, await browser.get(url), fields);
    assert.ok(isConsentPage(page), page.text);
    return { browser, page, pkce };
  }

  test('names for people stand in place of those for programs, as text', async () => {
    const { page } = await consentPage({
      client_id: 'phone',
      redirect_uri: OWN_SCHEME,
      scope: ['openid', 'orders.read', 'orders.export', ...INHERITED].join(' '),
    });
    assert.ok(!page.text.includes('<img'));
    for (const scope of INHERITED) assert.match(page.text, new RegExp(`<li>use ${scope}<`));
    assert.match(page.text, /<h1>The phone &quot;&gt;&lt;img src=x/);
    assert.match(page.text, /<li>take all orders away &quot;&gt;&lt;img src=x/);
    assert.match(page.text, /<li>use orders\.read/);
  });

  async function setRole(username: string, roleName: string): Promise<void> {
    const { changes, storage, directory, users } = server.server.foundations;
    const web = await (await directory.view()).findApplication('web');
    const user = await users.findByLogin(web!.application.realm, username);
    const organization = web!.organization.id;
    const { items } = await storage.directory.roles.page({ limit: 100, organization });
    const role = items.find(({ name }) => name === roleName);
    await changes.users.replace({ ...user!, roles: [role!.id] }, { actor: 'test' });
  }

  test('AZ-19 the page shows who asks, where the answer goes, what for and for how long', async () => {
    const { page } = await consentPage({
      scope: 'openid profile offline_access orders.read',
      prompt: 'consent',
      authorization_details: JSON.stringify([
        { type: 'table_access', identifier: 'orders', actions: ['read', 'update'] },
      ]),
    });
    assert.match(page.text, /<h1>web asks for access/);
    assert.match(page.text, /logged in as <strong>ann</);
    assert.match(page.text, /<strong>app\.acme\.example</);
    for (const scope of ['know who you are', 'see your name', 'stay logged in while', 'use orders.read']) {
      assert.ok(page.text.includes(`<li>${scope}`), scope);
    }
    assert.deepEqual(shownTables(page), { orders: ['read', 'update'] });
    assert.match(page.text, /title="orders">Orders</);
    assert.match(page.text, /access lasts 1 hour\./);
    assert.match(page.text, /renew it without you for up to \d+ days?\./);
    assert.ok(page.text.includes(RESOURCE));
  });

  test('AZ-19 the page says that a person registered the application', async () => {
    const { changes, directory, users } = server.server.foundations;
    const web = (await (await directory.view()).findApplication('web'))!.application;
    const { id: _, number: _number, version: _version, createdAt: _createdAt, ...like } = web;
    const { id: owner } = (await users.findByLogin(web.realm, 'rob'))!;
    const own = { name: `Acme Help ${MARKUP}`, clientId: 'help', owner, registeredThrough: web.id };
    await changes.applications.create({ ...like, ...own }, { actor: 'test' });
    const said = /Registered by a person<\/strong>, and not checked by acme/;
    assert.match((await consentPage({ client_id: 'help' })).page.text, said);
    assert.doesNotMatch((await consentPage({ prompt: 'consent' })).page.text, said);
  });

  test('AZ-19 an app with a private scheme is shown by the scheme, not by a host', async () => {
    const { page } = await consentPage({ client_id: 'phone', redirect_uri: OWN_SCHEME });
    assert.match(page.text, /<strong>com\.example\.app:</);
    assert.ok(!page.text.includes('app.acme.example'));
  });

  test('AZ-19 tables that the request leaves out are shown', async () => {
    const { browser, page, pkce } = await consentPage();
    assert.deepEqual(shownTables(page), CLERK);
    const code = codeOf(new URL((await browser.submit(page, '/consent')).url));
    const { json } = await flow.redeem(code, pkce.verifier);
    const allowed = Object.entries(json.permissions.tables as Record<string, Record<string, boolean>>).map(
      ([table, flags]) => [table, Object.keys(flags).filter((action) => flags[action])],
    );
    assert.deepEqual(Object.fromEntries(allowed), CLERK);
    assert.doesNotMatch(page.text, /renew it by itself/);
  });

  test('rights to every table and to parts of tables are shown in words', async () => {
    const { page } = await consentPage({}, { username: 'carl' });
    assert.deepEqual(shownTables(page), {});
    assert.match(page.text, /may see all tables of Shop [^.]*, also tables that are added later\./);
    const parts = [...page.text.matchAll(/<li>(\w+) <strong title="orders">Orders<\/strong>, (.*?)<\/li>/g)];
    assert.deepEqual(
      parts.map(([, verb, limit]) => [verb, limit]),
      [
        ['add', 'only those where customer_id is 42 or 43'],
        ['change', 'only those where customer_id is 42 or 43; columns total'],
      ],
    );
  });

  test('an identity only request shows no tables', async () => {
    const identity = await consentPage({ scope: 'openid email' });
    assert.doesNotMatch(identity.page.text, /<table>/);
    const owner = await consentPage(
      { scope: 'openid', permissions: '{"isAdmin":true}' },
      { username: 'olga' },
    );
    assert.match(owner.page.text, /everything with all tables/);
    assert.doesNotMatch(owner.page.text, /<table>/);
  });

  test('AZ-19 consent is to the stored request, not to the form', async () => {
    const { browser, page, pkce } = await consentPage({ permissions: READS_ORDERS });
    const done = await browser.submit(page, '/consent', {
      scope: 'openid offline_access orders.write',
      authorization_details: '[]',
      permissions: '{"isAdmin":true}',
    });
    const { json } = await flow.redeem(codeOf(new URL(done.url)), pkce.verifier);
    assert.equal(json.scope, 'openid orders.read');
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
    assert.equal(json.permissions.tables.orders.update, false);
  });

  test('AZ-19 who agreed to one table is asked before the client gets the others', async () => {
    const { browser, page } = await consentPage({ permissions: READS_ORDERS });
    await browser.submit(page, '/consent');
    const silent = (parameters: Record<string, string> = {}) =>
      browser.get(flow.request({ prompt: 'none', ...parameters }).url);
    assert.equal(errorOf(await silent()), 'consent_required');
    const wider = await silent({ permissions: '{"tables":{"orders":{"read":true,"update":true}}}' });
    assert.equal(errorOf(wider), 'consent_required');
    codeOf(new URL((await silent({ permissions: READS_ORDERS })).url));

    const again = await browser.get(flow.request().url);
    assert.deepEqual(shownTables(again), CLERK);
    codeOf(new URL((await browser.submit(again, '/consent')).url));
    codeOf(new URL((await silent()).url));
    const pkce = createPkce();
    const { url } = flow.request({ prompt: 'none', permissions: READS_ORDERS }, pkce);
    const narrow = codeOf(new URL((await browser.get(url)).url));
    const { json } = await flow.redeem(narrow, pkce.verifier);
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders'], 'no more than was asked for');
  });

  test('AZ-19 rights that have grown since are asked for again', async () => {
    const { browser, page } = await consentPage({}, { username: 'rita' });
    assert.deepEqual(shownTables(page), { orders: ['read'] });
    await browser.submit(page, '/consent');
    const silent = () => browser.get(flow.request({ prompt: 'none' }).url);
    codeOf(new URL((await silent()).url));
    await setRole('rita', 'clerk');
    assert.equal(errorOf(await silent()), 'consent_required');
    assert.deepEqual(shownTables(await browser.get(flow.request().url)), CLERK);
  });

  test('AZ-19 consent from a page that showed less does not count', async () => {
    const { browser, page } = await consentPage({}, { username: 'rob' });
    await setRole('rob', 'clerk');
    assert.equal((await browser.submit(page, '/consent')).status, 403);
    const reloaded = await browser.get(page.url);
    assert.deepEqual(shownTables(reloaded), CLERK);
    codeOf(new URL((await browser.submit(reloaded, '/consent')).url));
  });

  test('AZ-13 nothing is consented to silently, nor by having turned it down', async () => {
    const { browser, page } = await consentPage();
    const refused = await browser.submit(page, '/abort');
    assert.equal(errorOf(refused), 'access_denied');
    assert.equal(new URL(refused.url).searchParams.get('state'), 'st4te');
    const silent = await browser.get(flow.request({ prompt: 'none' }).url);
    assert.match(String(errorOf(silent)), /^(consent|interaction)_required$/);
    assert.ok(isConsentPage(await browser.get(flow.request().url)));
  });

  test('AZ-10 a burnt code costs the person one more consent, not the application', async () => {
    const { browser, page } = await consentPage();
    const burnt = codeOf(new URL((await browser.submit(page, '/consent')).url));
    assert.equal((await flow.redeem(burnt, createPkce().verifier)).json.error, 'invalid_grant');
    const { url, pkce } = flow.request();
    const again = await browser.get(url);
    assert.ok(isConsentPage(again), again.url);
    const code = codeOf(new URL((await browser.submit(again, '/consent')).url));
    const { status, json } = await flow.redeem(code, pkce.verifier);
    assert.equal(status, 200);
    assert.equal((await server.introspect(json.access_token)).active, true);
  });

  test('AZ-14 after consent and after turning it down the browser is sent on with 303', async () => {
    for (const step of ['consent', 'abort']) {
      const { browser, page } = await consentPage();
      const [form = ''] = [...page.text.matchAll(/<form[\s\S]*?<\/form>/g)]
        .map(([text]) => text)
        .filter((text) => text.includes(`/${step}"`));
      const token = /name="form_token" value="([^"]*)"/.exec(form)?.[1] ?? '';
      const answer = await postRaw(server, browser, `${new URL(page.url).pathname}/${step}`, {
        form_token: token,
      });
      assert.equal(answer.status, 303, step);
    }
  });

  test('WB-03 consent needs the token of its own page', async () => {
    const { browser, page } = await consentPage();
    const other = await consentPage();
    const tokenOf = (text: string) => /name="form_token" value="([^"]*)"/.exec(text)?.[1] ?? '';
    for (const form_token of ['', 'x', tokenOf(other.page.text)]) {
      assert.equal((await browser.submit(page, '/consent', { form_token })).status, 403, form_token);
    }
    const foreign = { origin: 'https://evil.example' };
    assert.equal((await browser.submit(page, '/consent', {}, foreign)).status, 403);
    codeOf(new URL((await browser.submit(page, '/consent')).url));
  });

  test('WB-05 the policy lets the form end wherever the client leads', async () => {
    const { page } = await consentPage();
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.doesNotMatch(policy, /form-action/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
  });

  test('WB-06 names of applications, resources and tables are text', async () => {
    const { changes, directory } = server.server.foundations;
    const web = (await (await directory.view()).findApplication('web'))!.application;
    const named = await changes.applications.replace({ ...web, name: `web ${MARKUP}` }, { actor: 'test' });
    try {
      const browser = createBrowser(server.issuer);
      const login = await browser.get(
        flow.request({ scope: 'openid', permissions: '{"tables":{"public.users":{"read":true}}}' }).url,
      );
      assert.ok(isLoginPage(login));
      const consent = await flow.logIn(browser, login, { username: 'audrey' });
      assert.deepEqual(shownTables(consent), { 'public.users': ['read'] });
      const account = await browser.get(`${server.issuer}/account/password?application=web`);
      for (const { text } of [login, consent, account]) {
        assert.doesNotMatch(text, /<img/);
        assert.match(text, /web &quot;&gt;&lt;img src=x onerror=&quot;alert\(1\)&quot;&gt;&#39;&amp;/);
      }
      assert.match(consent.text, /Users &quot;&gt;&lt;img/);
      assert.match(consent.text, /Shop &quot;&gt;&lt;img/);
    } finally {
      await changes.applications.replace({ ...named, name: 'web' }, { actor: 'test' });
    }
  });

  test('a consent is one audit entry that names the client and the person', async () => {
    const { browser, page } = await consentPage();
    await browser.submit(page, '/consent');
    const { entries } = await server.server.foundations.storage.audit.page({ limit: 20 });
    const entry = entries.find(({ event }) => event === 'consent.given');
    assert.equal(entry?.client, 'web');
    assert.match(String(entry?.subject), /^application:.+\/.+$/);
    assert.equal(entry?.outcome, 'allowed');
  });
});
