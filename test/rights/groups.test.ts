/** What a change of the catalogue (tables, groups, columns) does to what was made before. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { toStoredSecret } from '../../src/directory/client-secrets.ts';
import { userSubject } from '../../src/directory/subjects.ts';
import type { Connection, Resource } from '../../src/nouns/index.ts';
import { createCurrentRights } from '../../src/rights/current-rights.ts';
import { findConnectionRights } from '../../src/rights/rights.ts';
import { createFlow, type Flow, isConsentPage } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { AUTHOR, createTrader, type Trader } from '../support/exchange.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer, tablesOf } from '../support/server.ts';

const only = (tables: object) => ({ isAdmin: false, tables });
const PEOPLE = { sally: 'seller', oscar: 'overseer', chad: 'chief', rosa: 'regional', tina: 'teller' };

function addGroups(fixture: any): void {
  const [acme] = fixture.organizations;
  const [resource] = acme.resources;
  resource.tables = [
    {
      id: 'orders',
      columns: [
        { name: 'customer', type: 'integer' },
        { name: 'total', type: 'decimal' },
      ],
    },
    { id: 'invoices' },
    { id: 'products' },
    { id: 'public.users' },
    { id: 'notes' },
  ];
  resource.groups = [{ id: 'sales', tables: ['orders', 'invoices'] }];
  acme.roles.push(
    { name: 'seller', scopes: ['orders.read'], permissions: only({ '@sales': { read: true } }) },
    { name: 'overseer', permissions: only({ '*': { read: true } }) },
    { name: 'chief', permissions: { isAdmin: true, tables: {} } },
    { name: 'regional', permissions: only({ orders: { read: { rows: { customer: ['42'] } } } }) },
    { name: 'teller', permissions: only({ orders: { read: { columns: ['customer', 'total'] } } }) },
  );
  acme.applications.push({
    name: 'desk',
    clientId: 'desk',
    clientSecret: 'secret-of-desk-'.padEnd(40, 'x'),
    grants: ['client_credentials', 'password', 'refresh_token', 'token_exchange'],
    resource: RESOURCE,
    permissions: { isAdmin: true, tables: {} },
  });
  acme.applications.find(({ name }: { name: string }) => name === 'web').permissions = only({
    '@sales': { read: true },
  });
  for (const [username, role] of Object.entries(PEOPLE)) {
    acme.users.push({ username, password: PASSWORD, application: 'desk', roles: [role] });
  }
  acme.users.push({ username: 'sally', password: PASSWORD, application: 'web', roles: ['seller'] });
}

describe('changes of the catalogue', () => {
  let server: TestServer;
  let trader: Trader;
  let flow: Flow;
  let first: Resource;
  const find = async () => {
    const { resources } = server.server.foundations.storage.directory;
    const found = await resources.findBy('identifier', RESOURCE);
    assert.ok(found);
    return found;
  };
  before(async () => {
    server = await startServer({ fixture: addGroups });
    trader = createTrader(server);
    flow = createFlow(server);
    first = await find();
  });
  afterEach(() => change(first));
  after(() => server[Symbol.asyncDispose]());

  async function change({ tables, groups }: Pick<Resource, 'tables' | 'groups'>): Promise<void> {
    server.clock.offset += 120_000;
    const next = { ...(await find()), tables, ...(groups && { groups }) };
    await server.server.foundations.changes.resources.replace(next, AUTHOR);
  }
  const setGroup = (...tables: string[]) =>
    change({ tables: first.tables, groups: [{ id: 'sales', tables }] });
  const addTable = (id: string) => change({ ...first, tables: [...first.tables, { id, name: id }] });
  const setColumns = (columns: NonNullable<Resource['tables'][number]['columns']>) => {
    const tables = first.tables.map((table) => (table.id === 'orders' ? { ...table, columns } : table));
    return change({ ...first, tables });
  };

  async function login(username: keyof typeof PEOPLE) {
    const form = { grant_type: 'password', username, password: PASSWORD };
    const { status, json, text } = await server.post('/oauth/token', 'desk', form);
    assert.equal(status, 200, text);
    return json;
  }
  const refresh = (refresh_token: string) =>
    server.post('/oauth/token', 'desk', { grant_type: 'refresh_token', refresh_token });
  const BOTH = { invoices: 'r', orders: 'r' };

  test('a table that joins a group widens neither tokens nor logins', async () => {
    const { access_token, refresh_token, ...answer } = await login('sally');
    assert.deepEqual(tablesOf(answer), BOTH, 'tokens name tables');
    await setGroup('orders', 'invoices', 'notes');
    assert.deepEqual(tablesOf(await server.introspect(access_token)), BOTH);
    assert.deepEqual(tablesOf((await refresh(refresh_token)).json), BOTH);
    assert.equal((await trader.exchange('desk', access_token, { scope: 'notes:read' })).status, 400);
    assert.deepEqual(tablesOf(await login('sally')), { ...BOTH, notes: 'r' });
  });

  test('a table that joins a group is not part of a consent', async () => {
    const browser = createBrowser(server.issuer);
    const { url } = flow.request();
    await flow.authorize(browser, url, { username: 'sally' });
    assert.equal(isConsentPage(await browser.get(flow.request().url)), false, 'remembered');
    await setGroup('orders', 'invoices', 'notes');
    assert.equal(isConsentPage(await browser.get(flow.request().url)), true);
  });

  test('a table that leaves a group is gone at the next introspection', async () => {
    const { access_token, refresh_token } = await login('sally');
    await setGroup('invoices');
    assert.deepEqual(tablesOf(await server.introspect(access_token)), { invoices: 'r' });
    const { json } = await refresh(refresh_token);
    assert.deepEqual(tablesOf(json), { invoices: 'r' });
    await setGroup('notes');
    assert.deepEqual(await server.introspect(access_token), { active: false });
    const refused = await refresh(json.refresh_token);
    assert.deepEqual([refused.status, refused.json.error], [400, 'invalid_grant']);
  });

  test('a table that joins the catalogue widens all tables and admin only', async () => {
    const [named, all, admin] = [await login('sally'), await login('oscar'), await login('chad')];
    const ask = ({ access_token }: Record<string, any>) =>
      trader.exchange('desk', access_token, { scope: 'leads:read' });
    for (const each of [named, all, admin]) assert.equal((await ask(each)).status, 400);
    await addTable('leads');
    assert.equal((await ask(named)).status, 400);
    assert.deepEqual(tablesOf(await server.introspect(named.access_token)), BOTH);
    for (const each of [all, admin]) assert.deepEqual(tablesOf((await ask(each)).json), { leads: 'r' });
    assert.deepEqual(tablesOf(await server.introspect(all.access_token)), { '*': 'r' });
  });

  test('a right to rows is gone with its column, or with the type of its values', async () => {
    const { access_token, refresh_token } = await login('rosa');
    const before = await server.introspect(access_token);
    assert.deepEqual(before.authorization_details[0].rows, { customer: ['42'] });
    await setColumns([{ name: 'total', type: 'decimal' }]);
    assert.deepEqual(await server.introspect(access_token), { active: false });
    await setColumns([{ name: 'customer', type: 'date' }]);
    assert.deepEqual(await server.introspect(access_token), { active: false });
    assert.equal((await refresh(refresh_token)).status, 400);
    await setColumns([{ name: 'customer', type: 'text' }]);
    assert.deepEqual(
      (await server.introspect(access_token)).authorization_details,
      before.authorization_details,
    );
  });

  test('a right to columns keeps those that are still declared', async () => {
    const { access_token } = await login('tina');
    await setColumns([{ name: 'customer', type: 'integer' }]);
    const [detail] = (await server.introspect(access_token)).authorization_details;
    assert.deepEqual(detail.columns, ['customer']);
    await setColumns([]);
    assert.deepEqual(await server.introspect(access_token), { active: false });
  });

  test('the name of a group that an old token has for a table gives nothing', async () => {
    const { directory, users, storage, now } = server.server.foundations;
    const { id, realm, organization } = (await storage.directory.applications.findBy('clientId', 'desk'))!;
    const user = (await users.findByLogin(realm, 'oscar'))!;
    const tables = ['@sales', 'products'].map((table) => ({ table, actions: 'r' }));
    const row = {
      ...{ application: id, organization, user: user.id, subject: userSubject(user), scope: '' },
      ...{ resource: RESOURCE, permissions: { isAdmin: false, tables } },
    };
    const { connections } = storage.directory;
    const left = await createCurrentRights({ directory, users, connections, now }).recompute(row as any);
    assert.deepEqual(left?.permissions.tables, [{ table: 'products', actions: 'r' }]);
  });

  describe('for an application that a person registered', () => {
    let oscar = 0;
    before(async () => {
      const { changes, storage } = server.server.foundations;
      const { applications, users } = storage.directory;
      const desk = await applications.findBy('clientId', 'desk');
      assert.ok(desk);
      const { id: _, number: __, version: ___, createdAt: ____, managedBy: _____, ...others } = desk;
      const facts = { ...others, realm: `organization:${desk.organization}` as const };
      const all = { isAdmin: false, tables: [{ table: '*', actions: 'cr' }] };
      const ceilings = [{ resource: RESOURCE, permissions: all }];
      const through = await changes.applications.create(
        { ...facts, name: 'wide', clientId: 'wide', ceilings },
        AUTHOR,
      );
      const owner = await users.findBy('username', `${desk.realm}/oscar`);
      assert.ok(owner);
      oscar = owner.number;
      await changes.applications.create(
        {
          ...facts,
          name: 'gadget',
          clientId: 'gadget',
          ceilings,
          owner: owner.id,
          registeredThrough: through.id,
          secrets: [
            toStoredSecret(server.server.foundations.clientSecrets, server.secretOf('gadget'), {
              createdAt: 1,
            }),
          ],
        },
        AUTHOR,
      );
    });

    test('all tables are those of today', async () => {
      const { status, json, text } = await server.token('gadget');
      assert.equal(status, 200, text);
      const tables = Object.fromEntries(first.tables.map(({ id }) => [id, 'r']));
      assert.deepEqual(tablesOf(json), tables);
      assert.deepEqual(tablesOf((await server.token('gadget', { scope: 'notes:read' })).json), {
        notes: 'r',
      });
      const refused = await server.token('gadget', { scope: '*:read' });
      assert.deepEqual([refused.status, refused.json.error], [400, 'invalid_scope'], refused.text);
      await addTable('leads');
      assert.deepEqual(tablesOf(await server.introspect(json.access_token)), tables);
      assert.deepEqual(tablesOf((await server.token('gadget')).json), { ...tables, leads: 'r' });
    });

    test('all tables are not part of its admin, nor of tokens that it exchanges', async () => {
      const { changes, storage } = server.server.foundations;
      const { applications, roles } = storage.directory;
      const ceilings = [{ resource: RESOURCE, permissions: { isAdmin: true, tables: [] } }];
      for (const clientId of ['wide', 'gadget', 'desk']) {
        const application = await applications.findBy('clientId', clientId);
        const gadget = await applications.findBy('clientId', 'gadget');
        assert.ok(application && gadget);
        const mayExchange = clientId === 'desk' ? [gadget.id] : [];
        await changes.applications.replace({ ...application, ceilings, mayExchange }, AUTHOR);
      }
      const { access_token } = await login('oscar');
      const { json } = await trader.exchange('gadget', access_token);
      assert.deepEqual(tablesOf(json), Object.fromEntries(first.tables.map(({ id }) => [id, 'r'])));
      assert.equal((await trader.exchange('gadget', access_token, { scope: '*:read' })).status, 400);

      const [role] = (await storage.directory.users.findNumber(oscar))?.roles ?? [];
      const overseer = await roles.get(role ?? '');
      assert.ok(overseer);
      const permissions = { isAdmin: true, tables: [] };
      await changes.roles.replace({ ...overseer, permissions }, AUTHOR);
      assert.equal((await server.token('gadget')).json.permissions.isAdmin, true);
      const refused = await server.token('gadget', { scope: '*:read' });
      assert.deepEqual([refused.status, refused.json.error], [400, 'invalid_scope'], refused.text);
    });

    test('all tables are not part of its connections', async () => {
      const { directory, storage } = server.server.foundations;
      const gadget = await storage.directory.applications.findBy('clientId', 'gadget');
      const owner = await storage.directory.users.findNumber(oscar);
      const permissions = { isAdmin: false, tables: [{ table: '*', actions: 'r' }] };
      const connection = { name: 'own', permissions, scopes: [] } as unknown as Connection;
      const rights = await findConnectionRights(
        await directory.view(),
        connection,
        gadget!,
        await find(),
        owner,
      );
      assert.equal(rights?.permissions.all, 0);
      assert.equal(rights?.permissions.allows('orders', 'read'), true);
      assert.equal(rights?.namesTables, true);
    });
  });
});
