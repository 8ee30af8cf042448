/**
 * What the rights of one request cost: read, held against the catalogue and against what is allowed, narrowed, stored, read
 * again and spelled. Nothing that is remembered between requests helps: each run has sets of its own. At full scale the
 * processor time is compared; in the short form only what comes out.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAuthorizationDetails } from '../../src/permissions/authorization-details.ts';
import { type Catalogue, requireWithinCatalogue, withinCatalogue } from '../../src/permissions/catalogue.ts';
import { meetCells } from '../../src/permissions/limits.ts';
import {
  beyondAllowed,
  createPermissions,
  intersect,
  isEmpty,
  isNone,
  type Permissions,
} from '../../src/permissions/permissions.ts';
import { parsePermissions } from '../../src/permissions/permissions-json.ts';
import { fromStored, toStored } from '../../src/permissions/stored.ts';
import { toTokenClaims } from '../../src/permissions/token-claims.ts';
import { alternative } from './arbitraries.ts';

const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;
const RUNS = FIGURES ? 101 : 1;
/** Milliseconds. */
const MOST_FOR_DOWNSCOPING = 1;
const MOST_FOR_A_REQUEST = 50;
/** Bytes of a form that the server reads. */
const MOST_OF_A_REQUEST = 56 * 1024;

const SHOP = 'https://api.acme.example/';
const TABLES = Array.from({ length: 2_000 }, (_, n) => `t${n.toString(36)}`);
const COLUMNS = Array.from({ length: 100 }, (_, n) => [`c${n}`, 'text'] as const);
const CATALOGUE: Catalogue = {
  isOpen: false,
  tables: new Map(TABLES.map((table) => [table, new Map(COLUMNS)])),
  groups: new Map(),
};
const everyAction = (): Permissions => createPermissions(TABLES.map((table) => [table, 15] as const));

/** @returns processor milliseconds of the median run; the first ones are not counted */
function cost<T>(prepare: () => T, work: (prepared: T) => void): number {
  const took: number[] = [];
  for (let run = -Math.floor(RUNS / 2); run < RUNS; run += 1) {
    const prepared = prepare();
    const before = process.cpuUsage();
    work(prepared);
    const { user, system } = process.cpuUsage(before);
    if (run >= 0) took.push((user + system) / 1_000);
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length / 2)] as number;
}

function isWithin(ms: number, most: number, what: string): void {
  if (FIGURES) console.log(`${what}: ${ms.toFixed(2)} ms`);
  assert.ok(!FIGURES || ms <= most, `${what} took ${ms.toFixed(2)} ms of processor time, at most ${most}`);
}

test('downscoping 2,000 tables takes less than a millisecond', () => {
  const prepare = () => {
    const tables = Object.fromEntries(TABLES.map((table) => [table, { read: true }]));
    return { asked: parsePermissions({ tables }, { unknownFlags: 'refuse' }), allowed: everyAction() };
  };
  const ms = cost(prepare, ({ asked, allowed }) => {
    requireWithinCatalogue(asked, CATALOGUE);
    assert.ok(isNone(beyondAllowed(withinCatalogue(asked, CATALOGUE), allowed)));
    assert.equal(intersect(asked, allowed).masks.size, TABLES.length);
  });
  isWithin(ms, MOST_FOR_DOWNSCOPING, 'downscoping');
});

interface SetJson {
  readonly tables: string[];
  readonly actions?: string[];
  readonly columns?: string[];
  readonly rows?: Record<string, string[]>;
}

const many = <T>(length: number, make: (n: number) => T): T[] => Array.from({ length }, (_, n) => make(n));

/** The most that requests of 56 KB can name, in ways in which tables share limits and in ways in which they do not. */
const REQUESTS: Record<string, readonly SetJson[]> = {
  '2,000 tables without limits': [{ tables: TABLES }],
  '2,000 tables with 3 alternatives': many(3, (n) => ({ tables: TABLES, rows: { c0: [`${n}`] } })),
  '450 tables with 16 alternatives': many(16, (n) => ({
    tables: TABLES.slice(0, 450),
    rows: { c0: [`${n}`] },
  })),
  '430 tables, each with 16 alternatives of 59': many(59, (n) => ({
    tables: TABLES.slice(0, 430).filter((_, table) => (table * 7 + n * (1 + (table % 29))) % 59 < 16),
    actions: ['create', 'read', 'update'].slice(n % 3),
    rows: { c0: [`${n}`] },
  })),
  '16 alternatives with 8 conditions of 60 values': many(16, (n) => ({
    tables: TABLES.slice(0, 5),
    rows: Object.fromEntries(many(8, (column) => [`c${column}`, many(60, (value) => `${value + n}`)])),
  })),
  '16 alternatives with 100 columns': many(16, (n) => ({
    tables: TABLES.slice(0, 24),
    columns: COLUMNS.map(([name]) => name),
    rows: { c0: [`${n}`] },
  })),
};

/** All that one request and the first introspection do with its rights. */
function answer(text: string, allowed: Permissions): Permissions {
  const { permissions: asked } = parseAuthorizationDetails(JSON.parse(text), SHOP);
  requireWithinCatalogue(asked, CATALOGUE);
  const within = withinCatalogue(asked, CATALOGUE);
  assert.ok(isNone(beyondAllowed(within, allowed)));
  const given = intersect(within, allowed);
  const stored = JSON.stringify(toStored(given));
  JSON.stringify(toTokenClaims(fromStored(JSON.parse(stored)), undefined, SHOP));
  return given;
}

test('a request costs less than 50 ms, however it spells limits', async (t) => {
  for (const [name, sets] of Object.entries(REQUESTS)) {
    const text = JSON.stringify(
      sets.map((set) => ({ type: 'table_access_set', actions: ['read', 'update'], ...set })),
    );
    assert.ok(text.length <= MOST_OF_A_REQUEST, `${name}: ${text.length}`);
    await t.test(name, () => {
      assert.equal(isEmpty(answer(text, everyAction())), false);
      isWithin(
        cost(everyAction, (allowed) => answer(text, allowed)),
        MOST_FOR_A_REQUEST,
        name,
      );
    });
    await t.test(`${name}, exchanged for the same`, () => {
      const parent = () => answer(text, everyAction());
      isWithin(
        cost(parent, (allowed) => answer(text, allowed)),
        MOST_FOR_A_REQUEST,
        `${name}, exchanged`,
      );
    });
  }
});

test('the largest cells meet in less than 50 ms', () => {
  const cell = (column: string, values: number, from: number) =>
    many(64, (n) =>
      alternative(
        undefined,
        many(8, (index) => [`${column}${index}`, many(values, (value) => `${value + n + from}`)] as const),
      ),
    );
  for (const other of ['a', 'b']) {
    for (const values of [1, 7, 100]) {
      const prepare = () => ({ a: cell('a', values, 0), b: cell(other, values, values >> 1) });
      const ms = cost(prepare, ({ a, b }) => {
        assert.ok(meetCells(a, b).cell.length <= 64);
      });
      isWithin(
        ms,
        MOST_FOR_A_REQUEST,
        `64 x 64 alternatives with ${values} values of columns a, and of ${other}`,
      );
    }
  }
});
