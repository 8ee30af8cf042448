/** What a change of a person's attribute, of their address or of its verification does to what they hold. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { User } from '../../src/nouns/index.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { toStored } from '../../src/permissions/stored.ts';
import { AUTHOR, createTrader, type Trader } from '../support/exchange.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';

const rows = (conditions: object) => ({ read: { rows: conditions } });
const CUSTOMER = { $user: 'attributes.customer' };

function addOwnRows(fixture: any): void {
  const [acme] = fixture.organizations;
  const [resource] = acme.resources;
  resource.tables = [
    {
      id: 'orders',
      columns: [
        { name: 'customer', type: 'integer' },
        { name: 'mail', type: 'text' },
      ],
    },
    { id: 'products' },
    { id: 'public.users' },
  ];
  acme.roles.push(
    { name: 'own', permissions: { isAdmin: false, tables: { orders: rows({ customer: [CUSTOMER] }) } } },
    {
      name: 'mail',
      permissions: { isAdmin: false, tables: { orders: rows({ mail: [{ $user: 'email' }] }) } },
    },
    {
      name: 'shelf',
      permissions: { isAdmin: false, tables: { products: { read: true } } },
    },
  );
  for (const name of ['desk', 'second', 'third']) {
    acme.applications.push({
      name,
      clientId: name,
      clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
      grants: ['client_credentials', 'password', 'refresh_token', 'token_exchange'],
      resource: RESOURCE,
      permissions: { isAdmin: false, tables: { orders: { read: true }, products: { read: true } } },
      mayExchange: ['second', 'third'].filter((other) => other !== name),
    });
  }
  acme.applications.push({
    name: 'own',
    clientId: 'own',
    clientSecret: 'secret-of-own-'.padEnd(40, 'x'),
    grants: ['token_exchange', 'password'],
    resource: RESOURCE,
    permissions: { isAdmin: false, tables: { orders: rows({ customer: [CUSTOMER] }) } },
    mayExchange: ['second'],
  });
  const person = (username: string, roles: string[], rest: object = {}) => ({
    username,
    password: PASSWORD,
    application: 'desk',
    roles,
    ...rest,
  });
  acme.users.push(
    person('cleo', ['own'], { attributes: { customer: '42' } }),
    person('dora', ['own', 'shelf'], { attributes: { customer: '42' } }),
    person('emil', ['mail'], { email: 'emil@acme.example', emailVerified: true }),
    person('fred', ['own'], { attributes: { customer: '42' } }),
    person('gina', ['own'], { attributes: { customer: '42' } }),
    person('hans', ['own', 'shelf'], { attributes: { customer: '42' }, application: 'own' }),
  );
}

/** Conditions of the limited rights of an answer, in text. */
const rowsOf = ({ authorization_details = [] }: Record<string, any>): string[] =>
  authorization_details
    .filter(({ type }: { type: string }) => type === 'table_access_set')
    .map((detail: { rows: object }) => JSON.stringify(detail.rows));

const INACTIVE = { active: false };

describe('changed values of variables', () => {
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    server = await startServer({ fixture: addOwnRows });
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  async function login(username: string) {
    const form = { grant_type: 'password', username, password: PASSWORD };
    const { status, json, text } = await server.post('/oauth/token', 'desk', form);
    assert.equal(status, 200, text);
    return json;
  }
  const refresh = (refresh_token: string) =>
    server.post('/oauth/token', 'desk', { grant_type: 'refresh_token', refresh_token });

  async function find(username: string, application = 'desk'): Promise<User> {
    const { storage } = server.server.foundations;
    const { realm = '' } = (await storage.directory.applications.findBy('clientId', application)) ?? {};
    const user = await storage.directory.users.findBy('username', `${realm}/${username}`);
    assert.ok(user);
    return user;
  }

  /** A minute later, so that it cannot be mistaken for a difference of clocks. */
  async function change(username: string, facts: Partial<User>, application?: string): Promise<void> {
    server.clock.offset += 120_000;
    const before = await find(username, application);
    await server.server.foundations.changes.users.replace({ ...before, ...facts }, AUTHOR);
  }
  const setCustomer = (username: string, customer: string) => change(username, { attributes: { customer } });

  test('a living token loses what the old value gave', async () => {
    const { access_token, refresh_token } = await login('cleo');
    assert.deepEqual(rowsOf(await server.introspect(access_token)), ['{"customer":["42"]}']);
    await setCustomer('cleo', '43');
    assert.deepEqual(await server.introspect(access_token), INACTIVE);
    const refused = await refresh(refresh_token);
    assert.deepEqual([refused.status, refused.json.error], [400, 'invalid_grant']);
    assert.deepEqual(rowsOf(await login('cleo')), ['{"customer":["43"]}'], 'a new login has the new value');

    await setCustomer('cleo', '042');
    assert.deepEqual(rowsOf(await server.introspect(access_token)), ['{"customer":["42"]}'], 'set back');
    assert.deepEqual(rowsOf((await refresh(refresh_token)).json), ['{"customer":["42"]}']);
  });

  test('other rights stay, and a refresh gives those', async () => {
    const { access_token, refresh_token } = await login('dora');
    await setCustomer('dora', '43');
    const left = await server.introspect(access_token);
    assert.deepEqual([rowsOf(left), Object.keys(left.permissions.tables)], [[], ['products']]);
    const { json } = await refresh(refresh_token);
    assert.deepEqual([rowsOf(json), Object.keys(json.permissions.tables)], [[], ['products']]);
    const again = await login('dora');
    assert.deepEqual(rowsOf(again), ['{"customer":["43"]}']);
  });

  test('an address gives rows as long as it is verified and the same', async () => {
    const { access_token } = await login('emil');
    const own = ['{"mail":["emil@acme.example"]}'];
    assert.deepEqual(rowsOf(await server.introspect(access_token)), own);
    await change('emil', { emailVerified: false });
    assert.deepEqual(await server.introspect(access_token), INACTIVE);
    await change('emil', { emailVerified: true });
    assert.deepEqual(rowsOf(await server.introspect(access_token)), own);
    await change('emil', { email: 'e@acme.example', canonicalEmail: 'e@acme.example' });
    assert.deepEqual(await server.introspect(access_token), INACTIVE);
    assert.deepEqual(rowsOf(await login('emil')), ['{"mail":["e@acme.example"]}']);
  });

  test('tokens of an exchange chain lose it with the first one', async () => {
    const { access_token } = await login('fred');
    const second = await trader.exchange('second', access_token);
    const third = await trader.exchange('third', second.json.access_token);
    assert.deepEqual(rowsOf(third.json), ['{"customer":["42"]}']);
    await setCustomer('fred', '43');
    for (const { json } of [second, third]) {
      assert.deepEqual(await server.introspect(json.access_token), INACTIVE);
      assert.equal((await trader.exchange('third', json.access_token)).status, 400);
    }
    await setCustomer('fred', '42');
    assert.deepEqual(rowsOf(await server.introspect(third.json.access_token)), ['{"customer":["42"]}']);
  });

  test('a connection follows its owner, tokens made from it keep their values', async () => {
    const all = parsePermissions(
      { isAdmin: false, tables: { orders: { read: true } } },
      { unknownFlags: 'refuse' },
    );
    const { token } = await trader.connect('desk', {
      owner: (await find('gina')).id,
      permissions: toStored(all),
    });
    const first = await trader.exchange('desk', token);
    assert.deepEqual(rowsOf(first.json), ['{"customer":["42"]}']);
    await setCustomer('gina', '43');
    assert.deepEqual(await server.introspect(first.json.access_token), INACTIVE);
    const next = await trader.exchange('desk', token);
    assert.deepEqual(rowsOf(next.json), ['{"customer":["43"]}']);
    await change('gina', { attributes: {} });
    assert.deepEqual(await server.introspect(next.json.access_token), INACTIVE);
  });

  test('other applications keep the values that the owner of a connection gave', async () => {
    const { token } = await trader.connect('own', {
      owner: (await find('hans', 'own')).id,
      permissions: toStored(
        parsePermissions({ tables: { orders: { read: true } } }, { unknownFlags: 'refuse' }),
      ),
    });
    const { json } = await trader.exchange('second', token);
    assert.deepEqual(rowsOf(json), ['{"customer":["42"]}']);
    await change('hans', { emailVerified: true, attributes: { customer: '042', team: 'a' } }, 'own');
    assert.deepEqual(rowsOf(await server.introspect(json.access_token)), ['{"customer":["42"]}']);
    await change('hans', { attributes: { customer: '43' } }, 'own');
    assert.deepEqual(await server.introspect(json.access_token), INACTIVE);
  });
});
