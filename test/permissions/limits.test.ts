import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Catalogue, expandAll, withinCatalogue } from '../../src/permissions/catalogue.ts';
import { type Alternative, MAX_COMPUTED_ALTERNATIVES } from '../../src/permissions/limits.ts';
import {
  ACTIONS,
  type Action,
  beyondAllowed,
  contains,
  createPermissions,
  difference,
  EVERYTHING,
  equals,
  intersect,
  isEmpty,
  isNone,
  NOTHING,
  type Permissions,
  union,
} from '../../src/permissions/permissions.ts';
import { parsePermissions, toPermissionsJson, toWritten } from '../../src/permissions/permissions-json.ts';
import { fromStored, toStored } from '../../src/permissions/stored.ts';
import { toTableScopes } from '../../src/permissions/table-scopes.ts';
import { resolveVariables, toValue, withAnyValue } from '../../src/permissions/variables.ts';
import fc from '../support/properties.ts';
import { alternative, limitedPermissions } from './arbitraries.ts';

const RUNS = { numRuns: 5_000 };
const pair = fc.tuple(limitedPermissions, limitedPermissions);
const triple = fc.tuple(limitedPermissions, limitedPermissions, limitedPermissions);

test('sets with limits form a bounded distributive lattice', async (t) => {
  await t.test('both operations are commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(triple, ([a, b, c]) => {
        assert.ok(equals(intersect(a, b), intersect(b, a)));
        assert.ok(equals(union(a, b), union(b, a)));
        assert.ok(equals(intersect(a, intersect(b, c)), intersect(intersect(a, b), c)));
        assert.ok(equals(union(a, union(b, c)), union(union(a, b), c)));
        assert.ok(equals(intersect(a, a), a) && equals(union(a, a), a));
      }),
      RUNS,
    );
  });
  await t.test('each absorbs the other and distributes over it', () => {
    fc.assert(
      fc.property(triple, ([a, b, c]) => {
        assert.ok(equals(intersect(a, union(a, b)), a));
        assert.ok(equals(union(a, intersect(a, b)), a));
        assert.ok(equals(intersect(a, union(b, c)), union(intersect(a, b), intersect(a, c))));
      }),
      RUNS,
    );
  });
  await t.test('contains is the order of both, and difference is empty within it', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const inside = contains(a, b);
        assert.equal(inside, equals(intersect(a, b), b));
        assert.equal(inside, equals(union(a, b), a));
        assert.equal(inside, isNone(difference(b, a)));
        assert.ok(contains(a, intersect(a, b)) && contains(union(a, b), a));
        assert.ok(contains(EVERYTHING, a) && contains(a, NOTHING));
      }),
      RUNS,
    );
  });
  await t.test('the order of tables and alternatives does not depend on how they came about', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        assert.deepEqual(toStored(intersect(a, b)), toStored(intersect(b, a)));
        assert.deepEqual(toStored(union(a, b)), toStored(union(b, a)));
      }),
      RUNS,
    );
  });
});

/** A row of a small table, all columns of which have few values; NULL among them. */
type Row = Readonly<Record<string, string | null>>;

const VALUES = { id: ['1', '2', null], region: ['eu', 'us', null], total: ['1', '2', null] };

/** Every row that the table can have. */
const ALL_ROWS: readonly Row[] = VALUES.id.flatMap((id) =>
  VALUES.region.flatMap((region) => VALUES.total.map((total) => ({ id, region, total }))),
);

const ALL_COLUMNS = [['id'], ['region'], ['total'], ['id', 'region'], ['id', 'total'], ['region', 'total']];

interface Attempt {
  readonly before: Row;
  readonly after: Row;
  readonly columns: readonly string[];
}

/** Everything that can be tried on the table: an update of each row to each, other actions on each row. */
function* attempts(action: Action): Generator<Attempt> {
  for (const columns of [...ALL_COLUMNS, Object.keys(VALUES)]) {
    for (const before of ALL_ROWS) {
      for (const after of action === 'update' ? ALL_ROWS : [before]) yield { before, after, columns };
    }
  }
}

const matches = ({ rows }: Alternative, values: Row): boolean =>
  [...rows].every(([column, allowed]) => {
    const value = values[column];
    return typeof value === 'string' && allowed.has(value);
  });

const has = ({ columns }: Alternative, names: readonly string[]): boolean =>
  names.every((name) => columns === undefined || columns.has(name));

/** The meaning of a cell, written down once more and as directly as possible. */
function allows(permissions: Permissions, action: Action, { before, after, columns }: Attempt): boolean {
  const cell = permissions.cell('orders', action);
  if (action === 'create') return cell.some((each) => matches(each, after) && has(each, columns));
  if (action === 'update') {
    const first = cell.some((each) => matches(each, before) && has(each, columns));
    return first && cell.some((each) => matches(each, after));
  }
  return cell.some((each) => matches(each, before) && has(each, action === 'read' ? columns : []));
}

test('the algebra agrees with what its cells mean, on all rows of a small table', () => {
  let tried = 0;
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const [met, joined, isInside] = [intersect(a, b), union(a, b), contains(a, b)];
      for (const action of ACTIONS) {
        for (const attempt of attempts(action)) {
          const [ofA, ofB] = [allows(a, action, attempt), allows(b, action, attempt)];
          const [ofMet, ofJoined] = [allows(met, action, attempt), allows(joined, action, attempt)];
          // An update may leave by one alternative what it entered by another, so these two are looser.
          const isRight =
            action === 'update'
              ? (!ofMet || (ofA && ofB)) && (ofJoined || !(ofA || ofB))
              : ofMet === (ofA && ofB) && ofJoined === (ofA || ofB);
          if (!isRight || (isInside && ofB && !ofA)) assert.fail(JSON.stringify({ action, attempt }));
          tried += 1;
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.equal(tried, 300 * 7 * (27 * 27 + 3 * 27));
});

test('a limited right is true in no spelling that knows no limits', () => {
  fc.assert(
    fc.property(limitedPermissions, (set) => {
      const flags = toPermissionsJson(set).tables;
      const scopes = new Set(toTableScopes(set));
      for (const [table, cells] of set.limits) {
        cells.forEach((cell, index) => {
          const action = ACTIONS[index] as Action;
          if (cell.length === 0) return;
          assert.equal(set.allows(table, action), false);
          assert.notEqual(flags[table]?.[action], true);
          assert.equal(scopes.has(`${encodeURIComponent(table)}:${action}`), false);
        });
      }
    }),
    RUNS,
  );
});

test('sets with limits survive being stored and written', () => {
  fc.assert(
    fc.property(limitedPermissions, (set) => {
      assert.ok(equals(fromStored(structuredClone(toStored(set))), set));
      const json = JSON.parse(JSON.stringify(toWritten(set)));
      const options = { unknownFlags: 'refuse', limits: { variables: 'allow' } } as const;
      assert.ok(equals(parsePermissions(json, options), set));
    }),
    RUNS,
  );
});

test('a request that names no limits asks for what there is', async (t) => {
  const own = limited({ rows: { region: ['eu'] } });
  await t.test('and gets it with the limits that it has', () => {
    const asked = createPermissions([['orders', 2]]);
    assert.ok(isNone(beyondAllowed(asked, own)));
    assert.ok(equals(intersect(asked, own), own));
  });
  await t.test('but not what is not there at all', () => {
    assert.deepEqual(beyondAllowed(createPermissions([['orders', 6]]), own).cells, [
      { table: 'orders', action: 'update' },
    ]);
  });
  await t.test('one that names wider ones is refused', () => {
    const wider = limited({ rows: { region: ['eu', 'us'] } });
    assert.equal(isNone(beyondAllowed(wider, own)), false);
    assert.ok(isNone(beyondAllowed(own, wider)));
    assert.equal(isNone(beyondAllowed(limited({ columns: ['id'] }), own)), false);
  });
  await t.test('and every table is asked for only by its own name', () => {
    const all = createPermissions([['*', 2]]);
    assert.equal(isNone(beyondAllowed(all, createPermissions([['orders', 2]]))), false);
    assert.ok(isNone(beyondAllowed(createPermissions([['orders', 2]]), all)));
    assert.ok(isNone(beyondAllowed(all, EVERYTHING)));
  });
});

function limited(limit: object): Permissions {
  return parsePermissions(
    { tables: { orders: { read: limit } } },
    { unknownFlags: 'refuse', limits: { variables: 'allow' } },
  );
}

const SHOP: Catalogue = {
  isOpen: false,
  tables: new Map([
    [
      'orders',
      new Map([
        ['id', 'integer'],
        ['region', 'text'],
        ['day', 'date'],
      ] as const),
    ],
    ['invoices', new Map()],
  ]),
  groups: new Map([['sales', ['orders', 'invoices']]]),
};

test('a catalogue turns what people wrote into what compares', async (t) => {
  const within = (tables: object) =>
    withinCatalogue(
      parsePermissions({ tables }, { unknownFlags: 'refuse', limits: { variables: 'allow' } }),
      SHOP,
    );
  await t.test('values take the form of their column, and what cannot be cast matches nothing', () => {
    const rows = (values: unknown[]) => within({ orders: { read: { rows: { id: values } } } });
    assert.ok(equals(rows(['042', 42]), rows(['42'])));
    assert.equal(rows(['forty', '4.2']), NOTHING);
    assert.ok(equals(rows(['forty', '7']), rows(['7'])));
  });
  await t.test('limits by columns that are not declared allow nothing', () => {
    assert.equal(within({ orders: { read: { rows: { customer: ['1'] } } } }), NOTHING);
    assert.equal(within({ orders: { read: { columns: ['customer'] } } }), NOTHING);
    assert.equal(within({ invoices: { read: { columns: ['id'] } } }), NOTHING);
    const some = within({ orders: { read: { columns: ['id', 'customer'] } } });
    assert.ok(equals(some, within({ orders: { read: { columns: ['id'] } } })));
  });
  await t.test('groups become their tables, and all tables stay all', () => {
    const sales = within({ '@sales': { read: true }, '@other': { read: true } });
    assert.deepEqual(
      [...sales.masks],
      [
        ['invoices', 2],
        ['orders', 2],
      ],
    );
    assert.equal(within({ '*': { read: true } }).allows('later', 'read'), true);
    assert.equal(within({ later: { read: true } }), NOTHING);
  });
});

test('a variable is its value, and without one it gives nothing', () => {
  const id = toValue({ source: 'user', name: 'id' });
  const own = createPermissions([['orders', 2, limit({ id: [id, '7'] })]]);
  const resolved = (value?: string) => resolveVariables(own, () => value);
  assert.ok(own.hasVariables);
  assert.ok(equals(resolved('42'), createPermissions([['orders', 2, limit({ id: ['42', '7'] })]])));
  assert.ok(equals(resolved(), createPermissions([['orders', 2, limit({ id: ['7'] })]])));
  const only = createPermissions([['orders', 2, limit({ id: [id] })]]);
  assert.ok(isEmpty(resolveVariables(only, () => '')));
  assert.equal(resolved('42').hasVariables, false);
  assert.equal(resolved('42'), resolved('42'));
  assert.ok(!equals(resolved('42'), resolved('43')) && !equals(resolved('43'), resolved()));
});

function limit(rows: Record<string, string[]>): Alternative {
  return alternative(undefined, Object.entries(rows));
}

test('too many alternatives allow less, and say so', () => {
  const many = (column: string) =>
    createPermissions(
      Array.from({ length: 16 }, (_, n) => ['orders', 2, limit({ [column]: [`${n}`] })] as const),
    );
  const both = intersect(many('a'), many('b'));
  assert.equal(both.cell('orders', 'read').length, MAX_COMPUTED_ALTERNATIVES);
  assert.equal(both.isCut, true);
  assert.ok(contains(many('a'), both) && contains(many('b'), both));
  assert.equal(intersect(many('a'), many('a')).isCut, false);
  assert.equal(union(both, many('c')).isCut, true);
  assert.equal(union(createPermissions([['orders', 2]]), both).isCut, true, 'something else may be missing');
  assert.equal(fromStored(toStored(both)).isCut, true);
  const closed: Catalogue = {
    isOpen: false,
    tables: new Map([
      [
        'orders',
        new Map([
          ['a', 'text'],
          ['b', 'text'],
        ]),
      ],
    ]),
    groups: new Map([['sales', ['orders']]]),
  };
  const named = union(
    both,
    createPermissions([
      ['@sales', 1],
      ['gone', 2],
    ]),
  );
  assert.equal(withinCatalogue(named, closed).isCut, true);
});

test('that alternatives were dropped is known after every step that follows', () => {
  const columns = new Map([['a', 'text'] as const, ['b', 'text'] as const]);
  const shop: Catalogue = {
    isOpen: false,
    tables: new Map([['orders', columns]]),
    groups: new Map([['sales', ['orders']]]),
  };
  const conditions = (prefix: string) =>
    limit(Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`${prefix}${n}`, ['1']])));
  const cut = intersect(
    createPermissions([
      ['orders', 2, conditions('a')],
      ['*', 1],
      ['customers', 7],
      ['@sales', 15],
    ]),
    createPermissions([
      ['orders', 2, conditions('b')],
      ['*', 1],
      ['customers', 7],
      ['@sales', 15],
    ]),
  );
  assert.equal(cut.isCut, true);
  const own = limit({ a: [toValue({ source: 'user', name: 'id' })] });
  const steps: Record<string, Permissions> = {
    groups: withinCatalogue(cut, { ...shop, isOpen: true }),
    tables: withinCatalogue(cut, { ...shop, groups: new Map() }),
    all: expandAll(cut, shop),
    less: intersect(cut, createPermissions([['customers', 10]])),
    nothing: intersect(cut, createPermissions([['items', 4]])),
    more: union(cut, createPermissions([['orders', 2, own]])),
    values: withAnyValue(union(cut, createPermissions([['orders', 2, own]]))),
    resolved: resolveVariables(union(cut, createPermissions([['orders', 2, own]])), () => '1'),
  };
  const lost = Object.keys(steps).filter((name) => !steps[name]?.isCut);
  assert.deepEqual(lost, []);
});

test('the widest of too many alternatives stay', () => {
  const narrow = Array.from(
    { length: 200 },
    (_, n) => ['orders', 2, limit({ a: ['1'], b: [`${n}`] })] as const,
  );
  const wide = ['orders', 2, limit({ a: ['1'] })] as const;
  const other = ['orders', 2, limit({ c: ['1'] })] as const;
  const within = createPermissions([...narrow, wide]);
  assert.equal(within.isCut, false);
  assert.ok(equals(within, createPermissions([wide])));
  const beside = createPermissions([...narrow, other]);
  assert.equal(beside.isCut, true);
  assert.ok(contains(beside, createPermissions([other])));
});

test('values that are too many to compare allow less, and say so', () => {
  const heavy = (column: string) =>
    createPermissions(
      Array.from({ length: MAX_COMPUTED_ALTERNATIVES }, (_, n) => {
        const values = Array.from({ length: 100 }, (_, value) => `${n + value}`);
        const names = Array.from({ length: 8 }, (_, index) => [`${column}${index}`, values] as const);
        return ['orders', 2, alternative(undefined, names)] as const;
      }),
    );
  const [a, b] = [heavy('a'), heavy('b')];
  const both = intersect(a, b);
  assert.equal(both.isCut, true);
  assert.ok(contains(a, both) && contains(b, both) && !isEmpty(both));
  assert.equal(intersect(a, heavy('a')).isCut, false);
});

test('which alternatives are dropped does not depend on their order', () => {
  const one = (n: number) => ['orders', 2, limit({ a: [`${n}`], b: [`${n % 7}`] })] as const;
  const rights = Array.from({ length: 100 }, (_, n) => one(n));
  assert.deepEqual(toStored(createPermissions(rights)), toStored(createPermissions(rights.toReversed())));
});
