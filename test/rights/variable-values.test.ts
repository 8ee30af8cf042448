import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Application, Connection, Resource, Role } from '../../src/nouns/index.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { toStored } from '../../src/permissions/stored.ts';
import { findConnectionRights, findHeld, findRights, type Holder } from '../../src/rights/rights.ts';
import { newApplication, newResource, RESOURCE } from '../directory/fixture.ts';

const noun = { number: 1, version: 1, enabled: true, createdAt: 0 };
const written = (tables: object) =>
  toStored(
    parsePermissions({ isAdmin: false, tables }, { unknownFlags: 'refuse', limits: { variables: 'allow' } }),
  );
const rows = (condition: object) => ({ read: { rows: condition } });

const resource: Resource = {
  ...noun,
  ...newResource('acme', RESOURCE),
  id: 'resource',
  tables: [
    {
      id: 'orders',
      name: 'Orders',
      columns: [
        { name: 'customer', type: 'integer' },
        { name: 'owner', type: 'uuid' },
        { name: 'mail', type: 'text' },
      ],
    },
    { id: 'invoices', name: 'Invoices' },
    { id: 'notes', name: 'Notes' },
  ],
  groups: [{ id: 'sales', tables: ['orders', 'invoices', 'gone'] }],
};

const application = (tables: object, over: Partial<Application> = {}): Application => ({
  ...noun,
  ...newApplication('acme', 'shop', 'shop'),
  ceilings: [{ resource: RESOURCE, permissions: written(tables) }],
  ...over,
});

function viewOf(role: object, ...applications: Application[]) {
  const held: Role = {
    ...noun,
    id: 'role',
    organization: 'acme',
    name: 'clerk',
    default: false,
    resource: RESOURCE,
    scopes: [],
    permissions: written(role),
  };
  return {
    findRole: async () => held,
    findOrganization: async () => undefined,
    findApplicationById: async (id: string) => {
      const found = applications.find((each) => each.id === id);
      return found && ({ application: found } as never);
    },
  };
}

const ann: Holder = { id: '0F8FAD5B-D9CB-469F-A165-70867728950E', username: 'ann', roles: ['role'] };

/** What of orders may be read: `all`, or the conditions of each alternative. */
async function readable(condition: object, holder: Holder): Promise<unknown> {
  const view = viewOf({ orders: rows(condition) });
  const rights = await findRights(view, application({ '*': { read: true } }), resource, holder);
  return spell(rights);
}

function spell(rights: Pick<NonNullable<Awaited<ReturnType<typeof findRights>>>, 'permissions'> | undefined) {
  assert.ok(rights);
  const cell = rights.permissions.cell('orders', 'read');
  return cell.map(({ rows: conditions }) =>
    Object.fromEntries([...conditions].map(([column, values]) => [column, [...values]])),
  );
}

describe('values of variables', () => {
  test('an attribute is worth its text, in the form of the column', async () => {
    const condition = { customer: [{ $user: 'attributes.customer' }, '7'] };
    assert.deepEqual(await readable(condition, { ...ann, attributes: { customer: '042' } }), [
      { customer: ['42', '7'] },
    ]);
  });

  test('an id is that of the user, which is the last part of the sub', async () => {
    assert.deepEqual(await readable({ owner: [{ $user: 'id' }] }, ann), [
      { owner: ['0f8fad5b-d9cb-469f-a165-70867728950e'] },
    ]);
  });

  test('an address counts only while it is verified', async () => {
    const condition = { mail: [{ $user: 'email' }] };
    const holder = { ...ann, email: 'ann@acme.example' };
    assert.deepEqual(await readable(condition, { ...holder, emailVerified: true }), [
      { mail: ['ann@acme.example'] },
    ]);
    assert.deepEqual(await readable(condition, { ...holder, emailVerified: false }), []);
  });

  for (const [what, attributes] of Object.entries({
    'no value': {},
    'an empty value': { customer: '' },
    'a value with control characters': { customer: '4\u00002' },
    'a value that reads like a variable': { customer: '\u0000user.id' },
    'a value that the column cannot hold': { customer: 'forty-two' },
  })) {
    test(`a variable with ${what} gives nothing`, async () => {
      const condition = { customer: [{ $user: 'attributes.customer' }] };
      assert.deepEqual(await readable(condition, { ...ann, attributes }), []);
    });
  }

  test('an attribute named like a member of every object has no value', async () => {
    const condition = { mail: [{ $user: 'attributes.constructor' }] };
    assert.deepEqual(await readable(condition, { ...ann, attributes: {} }), []);
  });

  test('a column of a row is worth something to people of user tables only', async () => {
    const condition = { customer: [{ $account: 'customer_id' }] };
    const claims = new Map([['customer_id', 42]]);
    assert.deepEqual(await readable(condition, { ...ann, claims }), [{ customer: ['42'] }]);
    assert.deepEqual(await readable(condition, { ...ann, attributes: { customer_id: '42' } }), []);
  });

  test('people of user tables have nothing of what accounts have', async () => {
    const holder = { ...ann, claims: new Map(), attributes: { customer: '42' } };
    assert.deepEqual(await readable({ customer: [{ $user: 'attributes.customer' }] }, holder), []);
    assert.deepEqual(await readable({ owner: [{ $user: 'id' }] }, holder), []);
  });

  test('the application is the one in whose ceiling its id stands', async () => {
    const id = 'a3bb189e-8bf9-3888-9912-ace4e6543002';
    const condition = { owner: [{ $application: 'id' }] };
    const ceiling = application({ orders: rows(condition) }, { id });
    assert.deepEqual(spell(await findRights(viewOf({}), ceiling, resource)), [{ owner: [id] }]);
    assert.deepEqual(await readable(condition, ann), [], 'a role stands in no ceiling');
  });

  test('a ceiling has no user where an application asks for itself', async () => {
    const ceiling = application({ orders: rows({ owner: [{ $user: 'id' }] }) });
    assert.deepEqual(spell(await findRights(viewOf({}), ceiling, resource)), []);
  });

  test('ceiling and role are met with their values', async () => {
    const attributes = { customer: '42' };
    const ceiling = application({ orders: rows({ customer: ['41', '42'] }) });
    const view = viewOf({ orders: rows({ customer: [{ $user: 'attributes.customer' }] }) });
    const both = await findRights(view, ceiling, resource, { ...ann, attributes });
    assert.deepEqual(spell(both), [{ customer: ['42'] }]);
    const other = await findRights(view, ceiling, resource, { ...ann, attributes: { customer: '43' } });
    assert.deepEqual(spell(other), []);
  });

  test('variables of a connection speak of its owner', async () => {
    const connection = {
      permissions: written({ orders: rows({ customer: [{ $user: 'attributes.customer' }] }) }),
      scopes: [],
      name: 'site',
    } as unknown as Connection;
    const owner = { ...ann, attributes: { customer: '42' } };
    const view = viewOf({ orders: { read: true } });
    const shop = application({ '*': { read: true } });
    const rights = await findConnectionRights(view, connection, shop, resource, owner);
    assert.deepEqual(spell(rights), [{ customer: ['42'] }]);
    assert.deepEqual(spell(await findConnectionRights(view, connection, shop, resource, undefined)), []);
  });

  test('rights without variables are the same object for all who ask', async () => {
    const view = viewOf({ orders: { read: true } });
    const [one, other] = await Promise.all([
      findHeld(view, ann, resource),
      findHeld(view, { ...ann, id: 'bob', attributes: { customer: '42' } }, resource),
    ]);
    assert.equal(one.permissions, other.permissions);
  });
});

describe('groups and all tables', () => {
  test('a group is its tables that the catalogue lists, in ceilings and in roles', async () => {
    const all = await findRights(viewOf({}), application({ '@sales': { read: true } }), resource);
    assert.deepEqual([...(all?.permissions.tables.keys() ?? [])], ['invoices', 'orders']);
    const view = viewOf({ '@sales': { read: true, delete: true } });
    const both = await findRights(view, application({ '*': { read: true } }), resource, ann);
    assert.deepEqual([...(both?.permissions.tables.keys() ?? [])], ['invoices', 'orders']);
    assert.equal(both?.permissions.allows('orders', 'delete'), false);
  });

  test('steps of an explanation lead to the rights', async () => {
    const ceiling = application({ '@sales': { read: true }, orders: { update: { columns: ['mail'] } } });
    const rights = await findRights(viewOf({}), ceiling, resource);
    for (const { permissions } of rights?.steps ?? []) assert.equal(permissions.masks.has('@sales'), false);
  });

  const through = application({ '*': { read: true }, '@sales': { update: true } }, { id: 'through' });
  const registered = application(
    { '*': { read: true }, orders: { update: true } },
    { registeredThrough: 'through' },
  );

  test('a registered application has the tables of today instead of all', async () => {
    const rights = await findRights(viewOf({}, through), registered, resource);
    assert.equal(rights?.permissions.all, 0);
    assert.deepEqual([...(rights?.permissions.tables.keys() ?? [])], ['invoices', 'notes', 'orders']);
  });

  test('groups of the two ceilings of a registered application are met as tables', async () => {
    const rights = await findRights(viewOf({}, through), registered, resource);
    assert.equal(rights?.permissions.allows('orders', 'update'), true);
    assert.equal(rights?.permissions.allows('invoices', 'update'), false);
  });
});
