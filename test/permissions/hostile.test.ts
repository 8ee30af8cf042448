import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import { type Catalogue, requireWithinCatalogue, unknownNames } from '../../src/permissions/catalogue.ts';
import { parseDetailsText } from '../../src/permissions/details.ts';
import { createPermissions, EVERYTHING, isEmpty, NOTHING } from '../../src/permissions/permissions.ts';
import {
  parsePermissions,
  parsePermissionsText,
  toPermissionsJson,
} from '../../src/permissions/permissions-json.ts';
import { fromStored, toStored } from '../../src/permissions/stored.ts';
import { findTableIdProblem, isReservedName } from '../../src/permissions/table-ids.ts';
import { splitTableScopes } from '../../src/permissions/table-scopes.ts';
import { createTooLarge } from './too-large.ts';

const MODES = [{ unknownFlags: 'refuse' }, { unknownFlags: 'ignore' }] as const;
const shop = 'https://api.acme.example/';

function refuses(json: unknown, expected: object = { name: 'PermissionsError', code: 'malformed' }): void {
  for (const mode of MODES) {
    assert.throws(() => parsePermissions(json, mode), expected, JSON.stringify(json)?.slice(0, 80));
  }
}

function refusesText(text: string, expected: object = { name: 'PermissionsError', code: 'malformed' }): void {
  for (const mode of MODES)
    assert.throws(() => parsePermissionsText(text, mode), expected, text.slice(0, 80));
}

test('PM-01 hostile keys are refused at every depth', async (t) => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
  await t.test('in the JSON shape, for native endpoints and for faces', () => {
    for (const name of names) {
      refusesText(`{"${name}":{"isAdmin":true}}`);
      refusesText(`{"isAdmin":false,"tables":{},"${name}":{"isAdmin":true}}`);
      refusesText(`{"tables":{"${name}":{"read":true}}}`);
      refusesText(`{"tables":{"${name}":{"orders":{"read":true}}}}`);
      refusesText(`{"tables":{"orders":{"${name}":{"read":true}}}}`);
      refusesText(`{"tables":{"orders":{"read":true,"${name}":true}}}`);
      refusesText(`{"tables":{},"context":{"a":[{"${name}":{"isAdmin":true}}]}}`);
      refuses(JSON.parse(`{"tables":{"orders":{"x":{"${name}":1}}}}`));
    }
    refusesText('{"\\u005f_proto__":{"isAdmin":true}}');
  });
  await t.test('in authorization details and scopes', () => {
    for (const name of names) {
      const entry = '"type":"table_access","identifier":"orders","actions":["read"]';
      const broken = [
        `[{${entry},"${name}":{"privileges":["admin"]}}]`,
        `[{"${name}":{${entry}}}]`,
        `[{"type":"table_access","identifier":"${name}","actions":["read"]}]`,
      ];
      for (const text of broken) {
        assert.throws(() => parseDetailsText(text, shop), { code: 'malformed' }, text);
        assert.throws(() => parseAuthorizationDetails(JSON.parse(text), shop), { code: 'malformed' }, text);
      }
      assert.throws(() => splitTableScopes([`${name}:read`], () => false), { code: 'malformed' });
    }
  });
  await t.test('so that merging parsed values gives no more rights', () => {
    const json = toPermissionsJson(parsePermissions({ tables: { orders: { read: true } } }, MODES[0]));
    assert.equal(Object.assign({}, json, json.tables).isAdmin, false);
    assert.equal(({} as Record<string, unknown>).isAdmin, undefined);
  });
  await t.test('and a set made with such an id writes it as an own key instead of a prototype', () => {
    const { tables } = toPermissionsJson(createPermissions([['__proto__', 1]]));
    assert.deepEqual(Object.keys(tables), ['__proto__']);
    assert.equal(Object.getPrototypeOf(tables), Object.prototype);
  });
  await t.test('and the list covers every name that objects have by birth', () => {
    for (const name of Object.getOwnPropertyNames(Object.prototype)) assert.ok(isReservedName(name), name);
  });
  await t.test('and a polluted prototype gives no more rights', () => {
    const polluted = { isAdmin: true, read: true, type: 'table_access', identifier: 'a', actions: ['read'] };
    const tables = { orders: { read: true } };
    for (const [name, value] of Object.entries({ ...polluted, tables, privileges: ['admin'] })) {
      Object.defineProperty(Object.prototype, name, { value, configurable: true });
    }
    try {
      const entries = [
        '{"type":"table_access"}',
        '{"identifier":"a","actions":["read"]}',
        '{"privileges":["admin"]}',
      ];
      for (const json of ['{}', '{"tables":{"orders":{}}}']) {
        assert.ok(isEmpty(parsePermissions(JSON.parse(json), MODES[0])));
      }
      for (const entry of entries) {
        assert.throws(() => parseAuthorizationDetails([JSON.parse(entry)], shop), { code: 'malformed' });
      }
    } finally {
      for (const name of Object.keys({ ...polluted, tables, privileges: 0 })) {
        Reflect.deleteProperty(Object.prototype, name);
      }
    }
  });
  await t.test('and members that are inherited, or objects that are not plain, count for nothing', () => {
    refuses(Object.create({ isAdmin: true }));
    refuses({ tables: new Map([['orders', { read: true }]]) });
    refuses({ tables: { orders: Object.create({ read: true }) } });
    refuses(
      new (class {
        isAdmin = true;
      })(),
    );
    const bare = Object.assign(Object.create(null), { isAdmin: true });
    assert.equal(parsePermissions(bare, MODES[0]), EVERYTHING);
  });
});

test('PM-03 flags that are not booleans are refused, never truthy by accident', () => {
  for (const flag of ['false', 'true', '', 0, 1, null, {}, [], [true]]) {
    refuses({ isAdmin: flag });
    refuses({ isAdmin: flag, tables: {} });
    for (const action of ['create', 'read', 'update', 'delete'])
      refuses({ tables: { orders: { [action]: flag } } });
  }
  for (const value of [null, true, 'x', 1, [], [{}]]) {
    refuses(value);
    refuses({ tables: value });
    refuses({ tables: { orders: value } });
  }
  refuses(undefined);
});

function closed(...tables: string[]): Catalogue {
  return { isOpen: false, tables: new Map(tables.map((id) => [id, new Map()])), groups: new Map() };
}

test('PM-04 only a table that exists can be asked for', async (t) => {
  await t.test('empty, very long and invisible names are refused', () => {
    const broken = [
      '@',
      '',
      'x'.repeat(129),
      'x'.repeat(1_000_000),
      ' orders',
      'orders ',
      'orders\u00a0',
      '\ufefforders',
      'or\0ders',
      'orders\n',
      'orders\u007f',
      'orders\u0085',
      'a\u2028b',
      'a\u202eb',
      'a\u2066b',
      'a\u200fb',
      '\ud800',
      'a\udc00b',
      '😀'.slice(0, 1),
    ];
    for (const id of broken) {
      refuses({ tables: { [id]: { read: true } } });
      refuses({ tables: { [id]: {} } });
      const detail = { type: 'table_access', identifier: id, actions: ['read'] };
      assert.throws(() => parseAuthorizationDetails([detail], shop), { code: 'malformed' });
      assert.throws(() => fromStored({ isAdmin: false, tables: [{ table: id, actions: 'r' }] }), {
        code: 'malformed',
      });
    }
    for (const id of [undefined, null, 1, {}, ['orders'], Symbol('x')])
      assert.notEqual(findTableIdProblem(id), undefined);
    assert.equal(findTableIdProblem('x'.repeat(128)), undefined);
  });
  await t.test('look-alikes are other tables, which a closed catalogue refuses', () => {
    const catalogue = closed('orders', 'café');
    const lookAlikes = [
      'Orders',
      'ORDERS',
      '"orders"',
      '`orders`',
      'оrders',
      'orders\u200d',
      'cafe\u0301',
      'public.orders',
      'orders;',
    ];
    for (const id of lookAlikes) {
      const asked = parsePermissions({ tables: { orders: { read: true }, [id]: { read: true } } }, MODES[0]);
      assert.deepEqual(unknownNames(asked, catalogue), [id]);
      assert.throws(() => requireWithinCatalogue(asked, catalogue), {
        name: 'PermissionsError',
        code: 'unknown_table',
      });
    }
    requireWithinCatalogue(
      parsePermissions({ tables: { orders: { read: true }, café: {} } }, MODES[0]),
      catalogue,
    );
    requireWithinCatalogue(EVERYTHING, closed());
    requireWithinCatalogue(NOTHING, closed());
  });
  await t.test('no tables and no admin is nothing', () => {
    assert.equal(parsePermissions({ isAdmin: false, tables: {} }, MODES[0]), NOTHING);
  });
});

test('PM-05 very large permissions are refused', async (t) => {
  const { tables, details, attempts } = createTooLarge();
  for (const [name, attempt] of Object.entries(attempts)) {
    await t.test(name, () => assert.throws(attempt, { name: 'PermissionsError', code: 'too_large' }));
  }
  await t.test('and two thousand tables still are not too large', () => {
    const many = Object.fromEntries(Object.entries(tables).slice(0, 2000));
    assert.equal(parsePermissionsText(JSON.stringify({ tables: many }), MODES[0]).masks.size, 2000);
    assert.equal(parseAuthorizationDetails(details.slice(0, 2000), shop).permissions.masks.size, 2000);
    refuses({ tables: { ...many, another: { read: true } } }, { code: 'too_large' });
    assert.throws(() => parseAuthorizationDetails(details.slice(0, 2001), shop), { code: 'too_large' });
  });
});

test('PM-08 a value once read does not change when what it was read from does', () => {
  const json = { isAdmin: false, tables: { orders: { read: true, delete: true } } };
  const stored = { isAdmin: false, tables: [{ table: 'orders', actions: 'rd' }] };
  const details = [{ type: 'table_access', identifier: 'orders', actions: ['read', 'delete'] }];
  const read = [
    parsePermissions(json, MODES[0]),
    fromStored(stored),
    parseAuthorizationDetails(details, shop).permissions,
  ];
  json.tables.orders.delete = false;
  json.isAdmin = true;
  stored.tables.length = 0;
  details[0]?.actions.push('create');
  for (const set of read) {
    assert.deepEqual(toStored(set), { isAdmin: false, tables: [{ table: 'orders', actions: 'rd' }] });
    assert.throws(() => Object.assign(set, { isAdmin: true }), TypeError);
    (set.tables.get('orders') as Set<string>).add('create');
    assert.equal(set.allows('orders', 'create'), false);
  }
});
