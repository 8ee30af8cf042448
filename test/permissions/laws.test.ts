import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unknownNames, withinCatalogue } from '../../src/permissions/catalogue.ts';
import type { ColumnType } from '../../src/permissions/column-types.ts';
import { explainIntersection } from '../../src/permissions/explain.ts';
import {
  ACTIONS,
  contains,
  createPermissions,
  difference,
  EVERYTHING,
  equals,
  intersect,
  isEmpty,
  NOTHING,
  type Permissions,
  union,
} from '../../src/permissions/permissions.ts';
import fc from '../support/properties.ts';
import { permissions } from './arbitraries.ts';

const RUNS = { numRuns: 10_000 };

function holdsForPairs(law: (a: Permissions, b: Permissions) => boolean): void {
  fc.assert(fc.property(permissions, permissions, law), RUNS);
}

function holdsForTriples(law: (a: Permissions, b: Permissions, c: Permissions) => boolean): void {
  fc.assert(fc.property(permissions, permissions, permissions, law), RUNS);
}

test('intersect and union form a bounded distributive lattice', async (t) => {
  await t.test('both are commutative, down to the order of tables', () => {
    fc.assert(
      fc.property(permissions, permissions, (a, b) => {
        assert.deepEqual([...intersect(a, b).masks], [...intersect(b, a).masks]);
        assert.deepEqual([...union(a, b).masks], [...union(b, a).masks]);
        return equals(intersect(a, b), intersect(b, a)) && equals(union(a, b), union(b, a));
      }),
      RUNS,
    );
  });
  await t.test('both are associative', () => {
    holdsForTriples(
      (a, b, c) =>
        equals(intersect(a, intersect(b, c)), intersect(intersect(a, b), c)) &&
        equals(union(a, union(b, c)), union(union(a, b), c)),
    );
  });
  await t.test('both are idempotent', () => {
    holdsForPairs((a, b) => {
      const both = intersect(a, b);
      const either = union(a, b);
      return (
        equals(intersect(a, a), a) &&
        equals(union(a, a), a) &&
        equals(intersect(both, b), both) &&
        equals(union(either, b), either)
      );
    });
  });
  await t.test('each absorbs the other', () => {
    holdsForPairs((a, b) => equals(intersect(a, union(a, b)), a) && equals(union(a, intersect(a, b)), a));
  });
  await t.test('each distributes over the other', () => {
    holdsForTriples(
      (a, b, c) =>
        equals(intersect(a, union(b, c)), union(intersect(a, b), intersect(a, c))) &&
        equals(union(a, intersect(b, c)), intersect(union(a, b), union(a, c))),
    );
  });
  await t.test('admin is the top and the empty set the bottom', () => {
    holdsForPairs(
      (a) =>
        intersect(a, EVERYTHING) === a &&
        intersect(EVERYTHING, a) === a &&
        union(a, EVERYTHING).isAdmin &&
        isEmpty(intersect(a, NOTHING)) &&
        equals(union(a, NOTHING), a) &&
        contains(EVERYTHING, a) &&
        contains(a, NOTHING),
    );
  });
});

test('contains is the order that intersect and union imply', async (t) => {
  await t.test('it agrees with intersect, union and difference', () => {
    holdsForPairs((a, b) => {
      const inside = contains(a, b);
      const missing = difference(b, a);
      return (
        inside === equals(intersect(a, b), b) &&
        inside === equals(union(a, b), a) &&
        inside === (!missing.isAdmin && missing.cells.length === 0)
      );
    });
  });
  await t.test('it is reflexive, antisymmetric and transitive', () => {
    holdsForTriples((a, b, c) => {
      const small = intersect(intersect(a, b), c);
      const chain = contains(a, intersect(a, b)) && contains(intersect(a, b), small) && contains(a, small);
      const antisymmetric = !(contains(a, b) && contains(b, a)) || equals(a, b);
      const transitive = !(contains(a, b) && contains(b, c)) || contains(a, c);
      return contains(a, a) && antisymmetric && transitive && chain;
    });
  });
  await t.test('an intersection is within both, and a union holds both', () => {
    holdsForPairs((a, b) => {
      const both = intersect(a, b);
      const either = union(a, b);
      return contains(a, both) && contains(b, both) && contains(either, a) && contains(either, b);
    });
  });
  await t.test('equals agrees with the cells, and an empty set is one without cells', () => {
    holdsForPairs((a, b) => {
      const same = JSON.stringify([a.isAdmin, ...a.masks]) === JSON.stringify([b.isAdmin, ...b.masks]);
      return equals(a, b) === same && isEmpty(a) === (!a.isAdmin && a.tables.size === 0);
    });
  });
});

test('PM-07 issued rights never exceed request and ceiling', async (t) => {
  await t.test('every issued cell is in the request, the ceiling, the rights and the parent', () => {
    const four = fc.tuple(permissions, permissions, permissions, permissions);
    fc.assert(
      fc.property(four, (sets) => {
        const issued = sets.reduce(intersect);
        if (issued.isAdmin) return sets.every((set) => set.isAdmin);
        for (const [table, actions] of issued.tables) {
          for (const action of actions) assert.ok(sets.every((set) => set.allows(table, action)));
        }
        return sets.every((set) => contains(set, issued));
      }),
      RUNS,
    );
  });
  await t.test('it is monotone: taking from a ceiling never adds to the result', () => {
    holdsForTriples((ceiling, taken, request) => {
      const smaller = intersect(ceiling, taken);
      return contains(intersect(ceiling, request), intersect(smaller, request));
    });
  });
  await t.test('it is idempotent: cutting down twice is cutting down once', () => {
    holdsForPairs((ceiling, request) => {
      const issued = intersect(ceiling, request);
      return equals(intersect(ceiling, issued), issued) && equals(intersect(issued, request), issued);
    });
  });
  await t.test('the explanation reaches the same result and accounts for every lost cell once', () => {
    holdsForTriples((a, b, c) => {
      const steps = [a, b, c].map((set, index) => ({ name: `step ${index}`, permissions: set }));
      const { effective, removed } = explainIntersection(steps);
      assert.ok(equals(effective, intersect(intersect(a, b), c)));
      const lost = removed.map(({ table, action, by }) => `${by} ${table} ${action}`);
      assert.equal(new Set(lost).size, lost.length);
      const cellsOf = (set: Permissions) =>
        [...set.tables.values()].reduce((n, actions) => n + actions.size, 0);
      const first = [a, b, c].find((set) => !set.isAdmin);
      const removedCells = removed.filter(({ action }) => action !== 'admin').length;
      return removedCells === (first === undefined ? 0 : cellsOf(first) - cellsOf(effective));
    });
  });
});

test('restricting to a catalogue keeps what it lists and nothing else', () => {
  const ids = fc.uniqueArray(fc.constantFrom('orders', 'products', 'public.users', '注文')).map((list) => ({
    isOpen: false,
    tables: new Map<string, ReadonlyMap<string, ColumnType>>(list.map((id) => [id, new Map()])),
    groups: new Map(),
  }));
  fc.assert(
    fc.property(permissions, ids, (set, known) => {
      const rest = withinCatalogue(set, known);
      return (
        rest.isAdmin === set.isAdmin &&
        contains(set, rest) &&
        unknownNames(rest, known).length === 0 &&
        [...set.masks].every(([table, mask]) => !known.tables.has(table) || rest.masks.get(table) === mask)
      );
    }),
    RUNS,
  );
});

/** All sets over the tables a and b; the number's eight bits are its cells. Admin is said as 256. */
const ADMIN = 256;
const ALL_OVER_TWO_TABLES = Array.from({ length: ADMIN + 1 }, (_, bits) =>
  bits === ADMIN
    ? EVERYTHING
    : createPermissions([
        ['b', bits >> 4],
        ['a', bits & 15],
      ]),
);

function toBits(set: Permissions): number {
  return set.isAdmin ? ADMIN : (set.masks.get('a') ?? 0) | ((set.masks.get('b') ?? 0) << 4);
}

test('all pairs of all sets over two tables agree with arithmetic on bits', () => {
  const meet = (x: number, y: number) => (x === ADMIN ? y : y === ADMIN ? x : x & y);
  const join = (x: number, y: number) => (x === ADMIN || y === ADMIN ? ADMIN : x | y);
  let pairs = 0;
  for (const [x, a] of ALL_OVER_TWO_TABLES.entries()) {
    for (const [y, b] of ALL_OVER_TWO_TABLES.entries()) {
      const isRight =
        toBits(intersect(a, b)) === meet(x, y) &&
        toBits(union(a, b)) === join(x, y) &&
        contains(a, b) === (meet(x, y) === y) &&
        equals(a, b) === (x === y);
      if (!isRight) assert.fail(`wrong for ${x} and ${y}`);
      const missing = difference(a, b);
      const count = x === ADMIN || y === ADMIN ? 0 : (x & ~y).toString(2).replaceAll('0', '').length;
      if (missing.cells.length !== count || missing.isAdmin !== (x === ADMIN && y !== ADMIN)) {
        assert.fail(`wrong difference of ${x} and ${y}`);
      }
      pairs++;
    }
  }
  assert.equal(pairs, 257 * 257);
});

test('each of the sets over two tables allows exactly its cells', () => {
  for (const [bits, set] of ALL_OVER_TWO_TABLES.entries()) {
    for (const [index, action] of ACTIONS.entries()) {
      assert.equal(set.allows('a', action), bits === ADMIN || (bits & (1 << index)) !== 0);
      assert.equal(set.allows('b', action), bits === ADMIN || (bits & (16 << index)) !== 0);
      assert.equal(set.allows('c', action), bits === ADMIN);
    }
    if (bits !== 0) assert.equal(isEmpty(set), false);
  }
  assert.equal(isEmpty(ALL_OVER_TWO_TABLES[0] as Permissions), true);
});

test('sets that are combined again give the same object', () => {
  const one = createPermissions([['orders', 3]]);
  const other = createPermissions([
    ['orders', 6],
    ['items', 1],
  ]);
  assert.equal(union(one, other), union(one, other));
  assert.equal(intersect(one, other), intersect(one, other));
});
