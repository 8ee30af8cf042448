import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseAuthorizationDetails,
  toAuthorizationDetails,
  toCompactDetails,
} from '../../src/permissions/authorization-details.ts';
import { type Catalogue, requireWithinCatalogue } from '../../src/permissions/catalogue.ts';
import { parseDetailsText } from '../../src/permissions/details.ts';
import { createPermissions, equals, type Permissions } from '../../src/permissions/permissions.ts';
import { parsePermissions, parsePermissionsText } from '../../src/permissions/permissions-json.ts';
import fc from '../support/properties.ts';
import { limitedPermissions } from './arbitraries.ts';

const shop = 'https://api.acme.example/';
const IN_FILES = { unknownFlags: 'refuse', limits: { variables: 'allow' } } as const;
const set = {
  type: 'table_access_set',
  tables: ['orders'],
  actions: ['read', 'update'],
  columns: ['id', 'status', 'total'],
  rows: { customer_id: ['42'], region: ['eu', 'us'] },
};

const read = (...details: unknown[]): Permissions => parseAuthorizationDetails(details, shop).permissions;
const written = (tables: object): Permissions => parsePermissions({ tables }, IN_FILES);

test('sets say of several tables what table_access says of each', () => {
  const tables = ['orders', 'items', '*', '@sales'];
  const each = tables.map((identifier) => ({ type: 'table_access', identifier, actions: ['read'] }));
  assert.ok(equals(read({ type: 'table_access_set', tables, actions: ['read'] }), read(...each)));
  assert.equal(read(...each).all, 2);
});

test('sets with limits are alternatives, and add up with what has none', () => {
  const both = read(
    set,
    { ...set, rows: { region: ['ap'] } },
    { ...set, actions: ['create'], rows: { a: ['1'] } },
  );
  assert.equal(both.cell('orders', 'read').length, 2);
  assert.equal(both.cell('orders', 'create').length, 1);
  assert.equal(both.allows('orders', 'read'), false);
  const beside = read(set, { type: 'table_access', identifier: 'orders', actions: ['delete'] });
  assert.equal(beside.allows('orders', 'delete'), true);
});

test('numbers and booleans are values as they are', () => {
  assert.ok(equals(read({ ...set, rows: { a: [42, true] } }), read({ ...set, rows: { a: ['42', 'true'] } })));
});

test('both forms of the details say the same, and the short one is shorter', () => {
  fc.assert(
    fc.property(limitedPermissions, (permissions) => {
      const [full, compact] = [
        toAuthorizationDetails(permissions, shop),
        toCompactDetails(permissions, shop),
      ];
      assert.ok(equals(parseAuthorizationDetails(full, shop).permissions, permissions));
      assert.ok(equals(parseAuthorizationDetails(compact, shop).permissions, permissions));
      assert.ok(compact.length <= full.length);
      // Who knows only table_access reads nothing that has limits.
      const plain = full.filter(({ type }) => type === 'table_access');
      assert.equal(parseAuthorizationDetails(plain, shop).permissions.limits.size, 0);
    }),
    { numRuns: 3_000 },
  );
});

const refused: [string, object[], RegExp][] = [
  ['no columns', [{ ...set, columns: [] }], /columns must be a list that is not empty/],
  ['no conditions', [{ ...set, rows: {} }], /rows must name a column/],
  ['no values', [{ ...set, rows: { a: [] } }], /must be a list that is not empty/],
  ['one value', [{ ...set, rows: { a: '1' } }], /must be a list/],
  ['a fraction', [{ ...set, rows: { a: [1.5] } }], /must be a text/],
  ['null', [{ ...set, rows: { a: [null] } }], /must be a text/],
  ['an empty value', [{ ...set, rows: { a: [''] } }], /must be a text/],
  ['a control character', [{ ...set, rows: { a: ['\u0000user.id'] } }], /control characters/],
  ['a long value', [{ ...set, rows: { a: ['x'.repeat(257)] } }], /1 to 256/],
  ['a variable', [{ ...set, rows: { a: [{ $user: 'id' }] } }], /in ceilings and roles only/],
  ['an own name for a column', [{ ...set, columns: ['constructor'] }], /A column name/],
  ['columns that are no texts', [{ ...set, columns: [1] }], /A column name/],
  ['tables without a list', [{ ...set, tables: 'orders' }], /tables must be a list/],
  ['no table', [{ ...set, tables: [] }], /tables must be a list/],
  ['a member of the other type', [{ ...set, identifier: 'orders' }], /has no member identifier/],
  [
    'a limit in table_access',
    [{ type: 'table_access', identifier: 'a', actions: ['read'], rows: {} }],
    /^table_access has no member rows: use table_access_set\.$/,
  ],
  ['limits of every table', [{ ...set, tables: ['*'] }], /cannot be limited/],
  ['columns of what is deleted', [{ ...set, actions: ['read', 'delete'] }], /A row is deleted whole/],
  [
    'a limit beside every table',
    [set, { type: 'table_access', identifier: '*', actions: ['read'] }],
    /orders \(read\) takes nothing away from \*/,
  ],
  [
    'a limit beside admin',
    [set, { type: 'table_access', privileges: ['admin'] }],
    /orders \(read, update\) takes nothing away from admin/,
  ],
  [
    'a limit beside the whole table',
    [{ type: 'table_access', identifier: 'orders', actions: ['read'] }, set],
    /takes nothing away/,
  ],
];

test('a set that is not understood is refused with the reason', async (t) => {
  for (const [name, details, message] of refused) {
    await t.test(name, () => {
      assert.throws(() => read(...details), { name: 'PermissionsError', code: 'malformed', message });
    });
  }
});

test('PM-05 limits beyond measure are refused', () => {
  const values = Array.from({ length: 10_000 }, (_, n) => `${n}`);
  const columns = Object.fromEntries(values.slice(0, 9).map((n) => [`c${n}`, ['1']]));
  const too = { code: 'too_large' };
  assert.throws(() => read({ ...set, rows: { a: values } }), too);
  assert.throws(() => read({ ...set, rows: columns }), too);
  assert.throws(() => read({ ...set, columns: values.map((n) => `c${n}`) }), too);
  assert.throws(() => read(...values.slice(0, 17).map((n) => ({ ...set, rows: { a: [n] } }))), too);
  assert.throws(
    () => written({ orders: { read: values.slice(0, 17).map((n) => ({ rows: { a: [n] } })) } }),
    too,
  );
  read(...values.slice(0, 16).map((n) => ({ ...set, rows: { a: [n] } })));
});

test('PM-01 hostile names are refused in limits, and hostile values are values', () => {
  for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty']) {
    const detail = JSON.stringify({ ...set, rows: { x: ['1'] } });
    assert.throws(() => parseDetailsText(`[${detail.replace('"x"', `"${name}"`)}]`, shop), {
      code: 'malformed',
    });
    const flags = `{"tables":{"orders":{"read":{"rows":{"${name}":["1"]}}}}}`;
    assert.throws(() => parsePermissionsText(flags, IN_FILES), { code: 'malformed' });
  }
  for (const value of [
    '__proto__',
    "'; DROP TABLE x",
    '"',
    '注文',
    '$user',
    '{"$user":"id"}',
    '\\u0000user.id',
  ]) {
    const [alternative] = read({ ...set, rows: { a: [value] } }).cell('orders', 'read');
    assert.deepEqual([...(alternative?.rows.get('a') ?? [])], [value]);
  }
});

test('flags are plain where requests have them', () => {
  const plain = { unknownFlags: 'refuse' } as const;
  for (const flag of [{ rows: { a: ['1'] } }, [], [{ columns: ['a'] }]]) {
    assert.throws(() => parsePermissions({ tables: { orders: { read: flag } } }, plain), /true or false/);
  }
  for (const flag of [{}, [], [{}], { rows: { a: ['1'] }, read: true }]) {
    assert.throws(() => written({ orders: { read: flag } }), { code: 'malformed' });
  }
});

test('variables are known by name, and never what people write themselves', () => {
  const own = (variable: object) => written({ orders: { read: { rows: { a: [variable] } } } });
  for (const good of [
    { $user: 'id' },
    { $user: 'email' },
    { $user: 'attributes.customer' },
    { $account: 'customer' },
    { $application: 'id' },
  ]) {
    assert.equal(own(good).hasVariables, true);
  }
  for (const bad of [
    { $user: 'username' },
    { $user: 'displayName' },
    { $user: 'attributes' },
    { $user: 'attributes.' },
    { $user: 'attributes.A' },
    { $application: 'name' },
    { $account: '' },
    { $token: 'sub' },
    { user: 'id' },
    { $user: ['id'] },
    { $user: 'id', $account: 'a' },
    {},
  ]) {
    assert.throws(() => own(bad), { code: 'malformed' }, JSON.stringify(bad));
  }
});

const CATALOGUE: Catalogue = {
  isOpen: false,
  tables: new Map([
    ['orders', new Map([['id', 'integer'] as const])],
    ['salaries', new Map()],
  ]),
  groups: new Map([['all', ['orders', 'salaries']]]),
};

test('a right that takes nothing away is refused where it is written', async (t) => {
  const check = (tables: object) => requireWithinCatalogue(written(tables), CATALOGUE);
  await t.test('beside every table', () => {
    assert.throws(
      () => check({ '*': { read: true }, salaries: { read: false } }),
      /salaries \(read\) takes nothing/,
    );
    assert.throws(
      () => check({ '*': { read: true }, orders: { read: { columns: ['id'] } } }),
      /takes nothing/,
    );
    check({ '*': { read: true, delete: false }, salaries: { delete: false, update: true } });
  });
  await t.test('beside a group that has the table', () => {
    assert.throws(
      () => check({ '@all': { read: true }, salaries: { read: false } }),
      /takes nothing away from @all/,
    );
    assert.throws(
      () => check({ '@all': { read: true }, orders: { read: { rows: { id: ['1'] } } } }),
      /from @all/,
    );
    check({ '@all': { read: true }, salaries: { update: true } });
  });
  await t.test('beside a group that has it with limits', () => {
    const groups = new Map([['own', ['orders']]]);
    const limited = { '@own': { read: { columns: ['id'] } }, orders: { read: false } };
    assert.throws(
      () => requireWithinCatalogue(written(limited), { ...CATALOGUE, groups }),
      /takes nothing away from @own/,
    );
  });
  await t.test('beside admin', () => {
    const json = { isAdmin: true, tables: { orders: { read: { columns: ['id'] } } } };
    assert.throws(() => parsePermissions(json, IN_FILES), /takes nothing away from admin/);
  });
});

test('names, columns and values are held against the catalogue', () => {
  const check = (tables: object) => requireWithinCatalogue(written(tables), CATALOGUE);
  assert.throws(() => check({ '@none': { read: true } }), {
    code: 'unknown_table',
    message: /no group none/,
  });
  assert.throws(() => check({ nowhere: { read: true } }), {
    code: 'unknown_table',
    message: /no table nowhere/,
  });
  assert.throws(() => check({ salaries: { read: { columns: ['a'] } } }), /declares no column a/);
  assert.throws(
    () => check({ '@all': { read: { columns: ['id'] } } }),
    /table salaries declares no column id/,
  );
  assert.throws(
    () => check({ orders: { read: { rows: { id: ['forty'] } } } }),
    /type integer, which forty is not/,
  );
  check({ orders: { read: { rows: { id: ['042', { $user: 'id' }] } } } });
  check({ '*': { read: true } });
  requireWithinCatalogue(createPermissions([['anything', 2]]), { ...CATALOGUE, isOpen: true });
});
