import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Alternative } from '../../src/permissions/limits.ts';
import { createPermissions, EVERYTHING, NOTHING, type Right } from '../../src/permissions/permissions.ts';
import {
  createVerifier,
  demand,
  demandAll,
  demandAny,
  type Rule,
  access as rules,
} from '../../src/resource-server/index.ts';
import { TokenAccess } from '../../src/resource-server/token-access.ts';
import type { VerifiedToken } from '../../src/resource-server/verified-token.ts';
import { limitedPermissions } from '../permissions/arbitraries.ts';
import fc from '../support/properties.ts';

const TABLES = { orders: { customer_id: 'integer' } } as const;
const [CREATE, READ, UPDATE, DELETE] = [1, 2, 4, 8];

/** A right to orders. */
const right = (mask: number, columns: string[] | undefined, rows: Record<string, string[]> = {}): Right => [
  'orders',
  mask,
  new Alternative(columns, Object.entries(rows)),
];
const accessTo = (...rights: Right[]) => new TokenAccess(createPermissions(rights), TABLES);
const tokenWith = (...rights: Right[]): VerifiedToken => {
  const permissions = createPermissions(rights);
  const access = new TokenAccess(permissions, TABLES);
  return { subject: 's', clientId: 'c', scopes: new Set(), permissions, access, expiresAt: 0, claims: {} };
};
const refused = { code: 'insufficient_scope', status: 403 };
const own = { customer_id: ['042'] };

test('limits are plain data: an empty list, one without limits, or alternatives', () => {
  assert.deepEqual(new TokenAccess(NOTHING, {}).limits('orders', 'read'), []);
  assert.deepEqual(new TokenAccess(EVERYTHING, {}).limits('orders', 'read'), [{}]);
  assert.deepEqual(accessTo(['*', READ]).limits('later', 'read'), [{}]);
  const both = accessTo(right(READ, ['id', 'total'], own), right(READ, ['id']));
  assert.deepEqual(both.limits('orders', 'read'), [
    { columns: ['id', 'total'], rows: { customer_id: ['42'] } },
    { columns: ['id'] },
  ]);
  assert.deepEqual(both.limits('orders', 'update'), []);
  assert.deepEqual(accessTo(right(READ, undefined, { customer_id: ['forty'] })).limits('orders', 'read'), []);
});

describe('rules of routes', () => {
  const limited = tokenWith(right(READ, undefined, own));
  test('a right with limits is not enough for a route that knows none', () => {
    assert.throws(() => demand(limited, 'orders', 'read'), {
      ...refused,
      message: 'The token does not allow to read all rows and columns of orders.',
      scope: 'orders:read',
    });
    assert.throws(() => demandAll(limited, rules.require('orders', 'read')), refused);
    demandAll(tokenWith(['orders', READ]), rules.require('orders', 'read'));
  });
  test('it is enough for one that applies them', () => {
    demandAll(limited, rules.requireAny('orders', 'read'));
    demandAny(tokenWith(['orders', READ]), 'orders', 'read');
    assert.throws(() => demandAll(limited, rules.requireAny('orders', 'update')), refused);
    assert.throws(
      () => demandAny(tokenWith(right(READ, undefined, { customer_id: ['x'] })), 'orders', 'read'),
      refused,
    );
  });
  test('several that are missing are one refusal with the scopes of all', () => {
    const steps = [
      rules.require('public.ü s', 'create'),
      rules.requireAny('orders', 'read'),
      rules.requireAny('orders', 'delete'),
      rules.requireScope('orders.write'),
    ];
    assert.throws(() => demandAll(limited, ...steps, ...steps), {
      ...refused,
      message: /to create rows of public.*to delete rows of orders\. .*not have the scope orders\.write\./,
      scope: 'public.%C3%BC%20s:create orders:read orders:delete orders.write',
    });
  });
  test('a scope that no client can ask for is an error of the program', () => {
    assert.throws(() => rules.requireScope('offline_access'), /does not ask for offline_access/);
    for (const scope of ['', 'a b', 'a"b', 'ü'])
      assert.throws(() => rules.requireScope(scope), /not a scope/);
  });
  test('a rule passes for what the permissions of the token allow, and no more', () => {
    fc.assert(
      fc.property(limitedPermissions, (permissions) => {
        const token = { ...tokenWith(), permissions, access: new TokenAccess(permissions, {}) };
        for (const table of ['orders', 'products', 'later']) {
          const passes = (rule: Rule) => rule.findProblem(token) === undefined;
          assert.equal(passes(rules.require(table, 'read')), permissions.allows(table, 'read'));
          assert.equal(passes(rules.requireAny(table, 'read')), permissions.cell(table, 'read').length > 0);
        }
      }),
    );
  });
});

describe('rows in memory', () => {
  test('rows outside are dropped and hidden columns removed, each by its alternative', () => {
    const access = accessTo(right(READ, ['id', 'total'], own), right(READ, ['id'], { region: ['eu'] }));
    const rows = [
      { id: 1, total: 5, region: 'us', customer_id: 42 },
      { id: 2, total: 6, region: 'eu', customer_id: 7 },
      { id: 3, total: 7, region: 'us', customer_id: 7 },
      { id: 4, total: 8, region: null, customer_id: null },
      { id: 5, total: 9, region: 'eu', customer_id: '042' },
    ];
    assert.deepEqual(access.filter('orders', 'read', rows), [
      { id: 1, total: 5 },
      { id: 2 },
      { id: 5, total: 9 },
    ]);
    assert.deepEqual(accessTo(['orders', READ]).filter('orders', 'read', rows), rows);
    assert.deepEqual(accessTo().filter('orders', 'read', rows), []);
  });
  test('a row without the column of a condition, or with NULL in it, is dropped', () => {
    const access = accessTo(right(READ, undefined, { customer_id: ['42', 'null', 'undefined'] }));
    for (const row of [{}, { customer_id: null }, { customer_id: undefined }, { customer_id: [42] }]) {
      assert.deepEqual(access.filter('orders', 'read', [row]), []);
    }
    const inherited = Object.create({ customer_id: 42 }) as object;
    assert.deepEqual(access.filter('orders', 'read', [inherited]), []);
  });
  test('PM-01 names that objects have are columns as others are', () => {
    const access = accessTo(right(READ, ['__proto__', 'toString'], { constructor: ['x'] }));
    const mine = JSON.parse('{"__proto__": 1, "toString": 2, "constructor": "x", "valueOf": 3}');
    const [seen = {}] = access.filter('orders', 'read', [mine, {}]) as object[];
    assert.deepEqual(Object.entries(seen), [
      ['__proto__', 1],
      ['toString', 2],
    ]);
    assert.equal(Object.getPrototypeOf(seen), Object.prototype);
    assert.equal(accessTo(right(READ, ['id'])).filter('__proto__', 'read', [{ id: 1 }]).length, 0);
  });
  test('values that no database compares as they are equal nothing', () => {
    const access = accessTo(right(READ, undefined, { region: ['eu\u0000', '\ud800', '\ufffd'] }));
    const rows = ['eu', 'eu\u0000', '\ud800', '\ufffd'].map((region) => ({ region }));
    assert.deepEqual(access.filter('orders', 'read', rows), [{ region: '\ufffd' }]);
  });
});

describe('a client filters and sorts by columns that every visible row shows', () => {
  const access = accessTo(right(READ, ['id', 'status', 'total'], own), right(READ, ['id', 'status']));
  test('a hidden column is refused, and so is one that only some rows show', () => {
    access.demandColumns('orders', ['id', 'status']);
    for (const hidden of ['total', 'customer_id', 'ID', 'secret']) {
      assert.throws(() => access.demandColumns('orders', ['id', hidden]), {
        ...refused,
        message: `The token does not allow to filter or sort rows of orders by ${hidden}.`,
      });
    }
    accessTo(right(READ, undefined, own)).demandColumns('orders', ['secret']);
    assert.throws(() => accessTo().demandColumns('orders', []), refused);
  });
});

describe('writes', () => {
  test('a new row is within one alternative, which has every column that is set', () => {
    const access = accessTo(
      right(CREATE, ['customer_id', 'status'], own),
      right(CREATE, ['customer_id', 'total'], { customer_id: ['7'] }),
    );
    access.demandCreate('orders', { customer_id: 42, status: 'new' });
    access.demandCreate('orders', { customer_id: '7', total: 1 });
    access.demandCreate('orders', { id: 1, customer_id: 42 }, ['customer_id']);
    for (const row of [
      { customer_id: 42, total: 1 },
      { customer_id: 8, status: 'new' },
      { status: 'new' },
      { customer_id: 7, total: 1, status: 'new' },
    ]) {
      assert.throws(() => access.demandCreate('orders', row), refused, JSON.stringify(row));
    }
  });
  test('an update is within one alternative before, and within one after', () => {
    const access = accessTo(
      right(UPDATE, ['status', 'customer_id'], own),
      right(UPDATE, ['total'], { customer_id: ['7'] }),
    );
    const mine = { customer_id: 42, status: 'new', total: 1 };
    access.demandUpdate('orders', mine, { status: 'paid' });
    access.demandUpdate('orders', mine, { customer_id: 7 });
    assert.throws(
      () => access.demandUpdate('orders', mine, { total: 2 }),
      refused,
      'of the other alternative',
    );
    assert.throws(
      () => access.demandUpdate('orders', mine, { total: 1 }),
      refused,
      'the same value tells it',
    );
    assert.throws(() => access.demandUpdate('orders', mine, { customer_id: 8 }), refused, 'given away');
    assert.throws(
      () => access.demandUpdate('orders', { ...mine, customer_id: 8 }, { customer_id: 42 }),
      refused,
    );
    assert.throws(
      () => access.demandUpdate('orders', mine, { status: 'paid' }, { ...mine, customer_id: 8 }),
      refused,
      'a trigger gives it away',
    );
  });
  test('a name that a database takes for a limited column is refused', () => {
    const access = accessTo(
      right(UPDATE | CREATE, undefined, own),
      right(UPDATE, undefined, { region: ['eu'] }),
    );
    const mine = { customer_id: 42, region: 'us' };
    access.demandUpdate('orders', mine, { customer_id: '042', Status: 'new' });
    for (const name of [
      'CUSTOMER_ID',
      'Customer_id',
      'customér_id',
      'customer_id ',
      'customer_ıd',
      'REGION',
    ]) {
      const changes = { [name]: 43 };
      assert.throws(() => access.demandUpdate('orders', mine, changes), refused, name);
      if (name === 'REGION') continue;
      assert.throws(() => access.demandCreate('orders', { ...mine, ...changes }), refused, name);
      const { where } = access.toSql('orders', 'update', 'mysql', { columns: [name] });
      assert.deepEqual(where, { text: '(1 = 0)', parameters: [] });
    }
  });
  test('a name that a database cuts to that of a limited column is refused', () => {
    const long = 'x'.repeat(63);
    const access = accessTo(right(UPDATE, undefined, { [long]: ['1'] }));
    access.demandUpdate('orders', { [long]: 1 }, { [long]: '1', [`y${long}`]: 2 });
    assert.throws(() => access.demandUpdate('orders', { [long]: 1 }, { [`${long}y`]: 2 }), refused);
  });
  test('a row that is deleted is within one alternative', () => {
    const access = accessTo(right(DELETE, undefined, own));
    access.demandDelete('orders', { customer_id: 42 });
    assert.throws(() => access.demandDelete('orders', { customer_id: 7 }), refused);
    assert.throws(() => access.demandDelete('orders', {}), refused);
    assert.throws(
      () => accessTo(right(READ, undefined, own)).demandDelete('orders', { customer_id: 42 }),
      refused,
    );
  });
});

type Row = Readonly<Record<string, string | null>>;
const COLUMNS = ['id', 'region', 'total'];
const row: fc.Arbitrary<Row> = fc.record({
  id: fc.constantFrom('1', '2', null),
  region: fc.constantFrom('eu', 'us', null),
  total: fc.constantFrom('1', '2', null),
});

test('random rights allow each read and write as directly written down', () => {
  const matches = ({ rows }: Alternative, values: Row) =>
    [...rows].every(([column, allowed]) => allowed.has(values[column] ?? 'NULL'));
  const has = ({ columns }: Alternative, names: readonly string[]) =>
    names.every((name) => columns?.has(name) ?? true);
  const passes = (work: () => void): boolean => {
    try {
      work();
      return true;
    } catch (error) {
      assert.equal((error as { code: string }).code, 'insufficient_scope');
      return false;
    }
  };
  let allowed = 0;
  fc.assert(
    fc.property(limitedPermissions, row, row, fc.subarray(COLUMNS), (permissions, before, values, names) => {
      const access = new TokenAccess(permissions, {});
      const changes = Object.fromEntries(names.map((name) => [name, values[name]]));
      const after: Row = { ...before, ...changes } as Row;
      const cell = (action: 'create' | 'read' | 'update' | 'delete') => permissions.cell('orders', action);
      const meant = {
        create: cell('create').some((each) => matches(each, after) && has(each, names)),
        update:
          cell('update').some((each) => matches(each, before) && has(each, names)) &&
          cell('update').some((each) => matches(each, after)),
        delete: cell('delete').some((each) => matches(each, before)),
        read: COLUMNS.filter((name) =>
          cell('read').some((each) => matches(each, before) && has(each, [name])),
        ),
      };
      assert.deepEqual(
        {
          create: passes(() => access.demandCreate('orders', after, names)),
          update: passes(() => access.demandUpdate('orders', before, changes)),
          delete: passes(() => access.demandDelete('orders', before)),
          read: access.filter('orders', 'read', [before]).flatMap((each) => Object.keys(each)),
        },
        meant,
      );
      allowed += Number(meant.create) + Number(meant.update) + Number(meant.delete) + meant.read.length;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(allowed > 2_000, String(allowed));
});

test('a type of a column that does not exist is refused when the verifier is made', () => {
  const options = { issuer: 'http://localhost:1', resource: 'urn:x', clientId: 'x', clientSecret: 'x' };
  const tables = { orders: { id: 'int' as 'integer' } };
  assert.throws(() => createVerifier({ ...options, tables }), {
    name: 'TypeError',
    message: /^Unknown type "int" of orders\.id\. Use text, integer, /,
  });
});
