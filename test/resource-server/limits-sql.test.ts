import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ColumnType, canonicalOf, canonicalValue } from '../../src/permissions/column-types.ts';
import { Alternative } from '../../src/permissions/limits.ts';
import {
  ACTIONS,
  createPermissions,
  EVERYTHING,
  NOTHING,
  type Permissions,
} from '../../src/permissions/permissions.ts';
import type { SqlPart } from '../../src/resource-server/index.ts';
import { TokenAccess } from '../../src/resource-server/token-access.ts';
import fc from '../support/properties.ts';
import { DATABASES, type Database, type DbRow } from './databases.ts';

const TYPES = {
  n: 'integer',
  region: 'text',
  total: 'decimal',
  active: 'boolean',
  customer: 'uuid',
  day: 'date',
  moment: 'timestamp',
} as const satisfies Record<string, ColumnType>;
const COLUMNS = Object.keys(TYPES) as (keyof typeof TYPES)[];

/** Alike for careless comparisons, and hard on careless quoting. */
const TEXTS = [
  'eu',
  'EU',
  'eu ',
  'éu',
  'e\u0301u',
  "o'brien",
  '\\',
  "\\' OR 1=1 -- ",
  '"',
  '%',
  '注文',
  '😀',
  '042',
  '42',
  '42abc',
  '\uFFFD',
  '__proto__',
  '',
  'region',
];
const [SOME, OTHER] = ['0b0e7c1e-5b1e-4f6e-8d4e-000000000001', '0b0e7c1e-5b1e-4f6e-8d4e-000000000002'];

/** For each column the values of rows, and how limits may spell them: also values that the type does not have. */
const VALUES: {
  readonly [column in keyof typeof TYPES]: { rows: readonly string[]; limits: readonly string[] };
} = {
  n: {
    rows: ['42', '7', '-1', '0', '9007199254740991'],
    limits: ['042', '42', '+7', '-01', '-0', '42abc', '4e1', '9'.repeat(30)],
  },
  region: {
    rows: TEXTS,
    limits: [...TEXTS.filter((text) => text !== ''), 'eu\u0000', '\ud800', 'x'.repeat(256)],
  },
  total: {
    rows: ['1.5', '10', '0', '-2.25', '100'],
    limits: ['1.50', '1e1', '00', '-2.2500', '1.50001', '1', `0.${'1'.repeat(60)}`],
  },
  active: { rows: ['true', 'false'], limits: ['TRUE', 't', '0', 'false', 'yes', '2'] },
  customer: { rows: [SOME, OTHER], limits: [SOME.toUpperCase(), OTHER.replaceAll('-', ''), OTHER, 'none'] },
  day: {
    rows: ['2026-02-28', '2024-02-29'],
    limits: ['2026-02-28', '2024-02-29', '2026-02-30', '28.02.2026'],
  },
  moment: {
    rows: ['2026-02-28T10:00:00Z', '2026-02-28T10:00:00.5Z', '2026-02-28T10:00:00.123Z'],
    limits: [
      '2026-02-28 10:00',
      '2026-02-28T15:30:00+05:30',
      '2026-02-28T10:00:00.500000Z',
      '2026-02-28T10:00:00.123',
      'today',
    ],
  },
};

/** Keywords, quotes, placeholders, comments, and names that objects have. */
const HOSTILE_NAMES = [
  'select',
  'a"b',
  'a`b',
  "a'b",
  'a\\b',
  'a]b',
  '注文',
  'x'.repeat(63),
  'é'.repeat(31),
  '?',
  '$1',
  ':name',
  '@name',
  'a.b',
  '%s',
  '--',
  '/*',
  '*',
  'rowid',
  'true',
  'null',
  'ORDERS',
  '😀',
  '__proto',
  'a b',
  '0',
  '"',
  '`',
  '\\',
];

type Values = Readonly<Record<string, string | null>>;

const valueIn = (column: keyof typeof TYPES) => fc.option(fc.constantFrom(...VALUES[column].rows));
const row: fc.Arbitrary<Values> = fc.record(
  Object.fromEntries(COLUMNS.map((column) => [column, valueIn(column)])),
);
const condition = fc.constantFrom(...COLUMNS).chain((column) =>
  fc.tuple(
    fc.constant(column),
    fc.subarray(
      [...VALUES[column].rows, ...VALUES[column].limits].filter((value) => value !== ''),
      { minLength: 1 },
    ),
  ),
);
const alternative = fc
  .tuple(
    fc.option(fc.subarray(COLUMNS, { minLength: 1 }), { nil: undefined }),
    fc.uniqueArray(condition, { maxLength: 3, selector: ([column]) => column }),
  )
  .map(([columns, rows]) => new Alternative(columns, rows));
const limits = fc.array(alternative, { minLength: 1, maxLength: 4 });

const rightsTo = (alternatives: readonly Alternative[], mask = 0b0111): Permissions =>
  createPermissions(alternatives.map((each) => ['orders', mask, each]));

/** What limits mean, written down once more: in canonical values, without the code that is tested. */
function matches({ rows }: Alternative, values: Values): boolean {
  return [...rows].every(([column, allowed]) => {
    const value = values[column];
    const type = TYPES[column as keyof typeof TYPES];
    return (
      typeof value === 'string' &&
      [...allowed].some((each) => !each.includes('\0') && canonicalValue(type, each) === value)
    );
  });
}
const has = ({ columns }: Alternative, column: string): boolean =>
  columns === undefined || columns.has(column);

function visible(
  alternatives: readonly Alternative[],
  values: Values,
  wanted: readonly string[],
): Values | undefined {
  const matching = alternatives.filter((each) => matches(each, values));
  const seen = wanted.filter((column) => matching.some((each) => has(each, column)));
  if (seen.length === 0) return undefined;
  return Object.fromEntries(
    wanted.map((column) => [column, seen.includes(column) ? (values[column] ?? null) : null]),
  );
}

/** As texts that compare, in the order of the columns. */
const toValues = (given: DbRow, columns: readonly string[]): Values =>
  Object.fromEntries(
    columns.map((column) => [
      column,
      canonicalOf(TYPES[column as keyof typeof TYPES], given[column]) ?? null,
    ]),
  );
const inOrder = (rows: readonly Values[]): string[] => rows.map((each) => JSON.stringify(each)).sort();

/** As each database wants to be told it. */
function written(database: Database, column: string, value: string | null | undefined): string | null {
  if (value === null || value === undefined) return null;
  const type = TYPES[column as keyof typeof TYPES];
  if (type === 'boolean' && database.dialect !== 'postgres') return value === 'true' ? '1' : '0';
  if (type === 'timestamp' && database.dialect === 'mysql') return value.slice(0, -1).replace('T', ' ');
  return value;
}

for (const { name, missing, start } of DATABASES) {
  describe(`limits as SQL in ${name}`, { skip: missing() }, () => {
    let database: Database;
    const all = (text: string, part: SqlPart) => database.all(text, part.parameters);
    before(async () => {
      database = await start();
      const { quote, types } = database;
      const columns = COLUMNS.map((column) => `${quote(column)} ${types[TYPES[column]]}`);
      await database.all(`CREATE TABLE orders (${columns.join(', ')})`);
    });
    after(() => database[Symbol.asyncDispose]());

    async function fill(rows: readonly Values[]): Promise<DbRow[]> {
      await database.all('DELETE FROM orders');
      const parameters = rows.flatMap((each) =>
        COLUMNS.map((column) => written(database, column, each[column])),
      );
      let number = 0;
      const next = () => (database.dialect === 'postgres' ? `$${++number}` : '?');
      const tuples = rows.map(() => `(${COLUMNS.map(next).join(', ')})`);
      await database.all(`INSERT INTO orders VALUES ${tuples.join(', ')}`, parameters);
      return database.all('SELECT * FROM orders');
    }

    test('PM-09 random limits show the same cells as in memory and as meant', async () => {
      const tables = fc.array(row, { minLength: 4, maxLength: 12 });
      const world = fc.tuple(
        tables,
        fc.array(fc.tuple(limits, fc.subarray(COLUMNS, { minLength: 1 })), { minLength: 5, maxLength: 5 }),
      );
      await fc.assert(
        fc.asyncProperty(world, async ([rows, tries]) => {
          const stored = await fill(rows);
          for (const [alternatives, wanted] of tries) {
            const access = new TokenAccess(rightsTo(alternatives), { orders: TYPES });
            const meant = inOrder(
              rows.flatMap((each): Values | readonly Values[] => visible(alternatives, each, wanted) ?? []),
            );
            const { from, where } = access.toSql('orders', 'read', database.dialect, { columns: wanted });
            const found = await all(`SELECT * FROM ${from.text}`, from);
            assert.deepEqual(inOrder(found.map((each) => toValues(each, wanted))), meant);
            const counted = await all(`SELECT COUNT(*) AS c FROM orders WHERE ${where.text}`, where);
            assert.equal(Number(counted[0]?.c), meant.length);
            const inMemory = access.filter('orders', 'read', stored);
            const kept = inMemory.filter((each) => wanted.some((column) => column in each));
            assert.deepEqual(inOrder(kept.map((each) => toValues(each as DbRow, wanted))), meant);
          }
        }),
        { numRuns: 60 },
      );
    });

    test('a row that may be changed is the same in SQL and in memory', async () => {
      const world = fc.tuple(
        fc.array(row, { minLength: 4, maxLength: 12 }),
        limits,
        fc.subarray(COLUMNS),
        fc.constantFrom(...ACTIONS),
      );
      await fc.assert(
        fc.asyncProperty(world, async ([rows, given, changed, action]) => {
          fc.pre(action !== 'read');
          const alternatives =
            action === 'delete' ? given.map(({ rows: each }) => new Alternative(undefined, each)) : given;
          await fill(rows);
          const columns = action === 'delete' ? [] : changed;
          const meant = rows.filter((each) =>
            alternatives.some((one) => matches(one, each) && columns.every((column) => has(one, column))),
          );
          const access = new TokenAccess(rightsTo(alternatives, 15), { orders: TYPES });
          const { where } = access.toSql('orders', action, database.dialect, { columns });
          const found = await all(`SELECT * FROM orders WHERE ${where.text}`, where);
          assert.deepEqual(inOrder(found.map((each) => toValues(each, COLUMNS))), inOrder(meant));
          await all(`DELETE FROM orders WHERE ${where.text}`, where);
          assert.equal((await database.all('SELECT * FROM orders')).length, rows.length - meant.length);
        }),
        { numRuns: 60 },
      );
    });

    test('without declared types values compare as the texts that they are', async () => {
      const types = fc.tuple(
        fc.array(row, { minLength: 4, maxLength: 12 }),
        fc.subarray([...VALUES.n.limits, ...VALUES.n.rows], { minLength: 1 }),
        fc.subarray(VALUES.region.limits as string[], { minLength: 1 }),
      );
      await fc.assert(
        fc.asyncProperty(types, async ([rows, numbers, texts]) => {
          const stored = await fill(rows);
          const rights = rightsTo([
            new Alternative(undefined, [['n', numbers]]),
            new Alternative(undefined, [['region', texts]]),
          ]);
          const access = new TokenAccess(rights, {});
          const { from } = access.toSql('orders', 'read', database.dialect);
          const found = await all(`SELECT * FROM ${from.text}`, from);
          const meant = rows.filter(
            ({ n, region }) => (n && numbers.includes(n)) || (region && texts.includes(region)),
          );
          assert.deepEqual(inOrder(found.map((each) => toValues(each, COLUMNS))), inOrder(meant));
          assert.equal(access.filter('orders', 'read', stored).length, meant.length);
        }),
        { numRuns: 60 },
      );
    });

    test('hostile names of columns are names and nothing else', async () => {
      const { dialect, quote } = database;
      // SQLite gives a column `true` of a subquery another name.
      const impossible = { mysql: /[?😀]/u, sqlite: /^true$/, postgres: /^$/ }[dialect];
      const names = HOSTILE_NAMES.filter((each) => !impossible.test(each));
      await database.all(
        `CREATE TABLE hostile (id INTEGER, ${names.map((each) => `${quote(each)} VARCHAR(9)`).join(', ')})`,
      );
      for (const [id, value] of [
        ['1', 'mine'],
        ['2', 'other'],
      ] as const) {
        const texts = names.map(() => `'${value}'`).join(', ');
        await database.all(`INSERT INTO hostile VALUES (${id}, ${texts})`);
      }
      for (const each of names) {
        const rights = createPermissions([
          ['hostile', 2, new Alternative(['id', each], [[each, ['mine', "' OR 1=1 -- "]]])],
        ]);
        for (const types of [{}, { hostile: { [each]: 'text' } }] as const) {
          const { from, where } = new TokenAccess(rights, types).toSql('hostile', 'read', dialect);
          const found = await all(`SELECT * FROM ${from.text}`, from);
          assert.deepEqual(
            found.map((row) => ({ ...row })),
            [{ id: 1, [each]: 'mine' }],
            each,
          );
          assert.equal((await all(`SELECT id FROM hostile WHERE ${where.text}`, where)).length, 1);
        }
      }
    });

    test('a name that the database would cut or change names no column', async () => {
      const { dialect, quote } = database;
      const tooLong = { postgres: `${'x'.repeat(63)}y`, mysql: 'a?b', sqlite: 'a\0b' }[dialect];
      const cut = tooLong.slice(0, 63).replace(/[?\0].*/, '');
      await database.all(`CREATE TABLE cut (id INTEGER, ${quote(cut)} VARCHAR(9))`);
      await database.all("INSERT INTO cut VALUES (1, 'mine')");
      const rowsBy = new Alternative(undefined, [[tooLong, ['mine']]]);
      const column = new Alternative([tooLong], []);
      for (const each of [rowsBy, column]) {
        const access = new TokenAccess(createPermissions([['cut', 2, each]]), {});
        const { from } = access.toSql('cut', 'read', dialect);
        assert.deepEqual(await all(`SELECT * FROM ${from.text}`, from), []);
        assert.throws(() => access.toSql('cut', 'read', dialect, { columns: [tooLong] }), TypeError);
        assert.throws(() => access.toSql('cut', 'delete', dialect, { alias: tooLong }), TypeError);
      }
    });

    test('alternatives are never merged into more columns of more rows', async () => {
      await fill([
        { n: '1', region: 'eu', total: '5', active: 'true' },
        { n: '2', region: 'us', total: '6', active: 'true' },
        { n: '3', region: 'us', total: '7', active: 'false' },
      ]);
      const alternatives = [
        new Alternative(['n', 'total'], [['region', ['eu']]]),
        new Alternative(['n', 'region'], [['active', ['true']]]),
      ];
      const access = new TokenAccess(rightsTo(alternatives), { orders: TYPES });
      const { from, columns } = access.toSql('orders', 'read', database.dialect);
      const found = await all(`SELECT * FROM ${from.text} ORDER BY n`, from);
      assert.deepEqual(
        found.map((each) => toValues(each, ['n', 'region', 'total'])),
        [
          { n: '1', region: 'eu', total: '5' },
          { n: '2', region: 'us', total: null },
        ],
      );
      assert.deepEqual(columns, ['n'], 'what every row shows');
      const guess = await all(`SELECT n FROM ${from.text} WHERE total = 6`, from);
      assert.deepEqual(guess, [], 'a filter sees what is visible');
    });

    test('all columns beside some columns show those that are asked for', async () => {
      await fill([
        { n: '1', region: 'eu', total: '5' },
        { n: '2', region: 'us', total: '6' },
      ]);
      const alternatives = [new Alternative(undefined, [['n', ['1']]]), new Alternative(['region'], [])];
      const access = new TokenAccess(rightsTo(alternatives), {});
      const show = async (columns?: string[]) => {
        const { from } = access.toSql('orders', 'read', database.dialect, columns && { columns });
        const found = await all(`SELECT * FROM ${from.text} ORDER BY region`, from);
        return found.map((each) => toValues(each, ['n', 'region', 'total']));
      };
      assert.deepEqual(await show(), [
        { n: '1', region: 'eu', total: null },
        { n: null, region: 'us', total: null },
      ]);
      assert.deepEqual(await show(['total', 'region']), [
        { n: null, region: 'eu', total: '5' },
        { n: null, region: 'us', total: null },
      ]);
    });

    test('parts of a statement stand beside parameters of the handler', async () => {
      await fill([
        { n: '1', region: 'eu' },
        { n: '2', region: 'us' },
        { n: '3', region: 'eu' },
      ]);
      const access = new TokenAccess(
        rightsTo(
          [
            new Alternative(undefined, [
              ['region', ['eu', ...Array.from({ length: 99 }, (_, n) => `r${n}`)]],
            ]),
          ],
          15,
        ),
        { orders: TYPES },
      );
      const { dialect } = database;
      const mine = dialect === 'postgres' ? '$1' : '?';
      const options = { firstParameter: 2, name: 'orders', alias: 'o' };
      const { from } = access.toSql('orders', 'read', dialect, options);
      const joined = `SELECT o.n FROM orders JOIN ${from.text} ON o.n = orders.n AND o.n > CAST(${mine} AS DECIMAL)`;
      const parameters = dialect === 'postgres' ? ['1', ...from.parameters] : [...from.parameters, '1'];
      assert.equal((await database.all(joined, parameters)).length, 1);
      const { where } = access.toSql('orders', 'update', dialect, { firstParameter: 2, columns: ['total'] });
      const update = `UPDATE orders SET total = CAST(${mine} AS DECIMAL) WHERE ${where.text}`;
      await database.all(update, ['9', ...where.parameters]);
      const changed = await database.all('SELECT n FROM orders WHERE total = 9 ORDER BY n');
      assert.deepEqual(
        changed.map(({ n }) => Number(n)),
        [1, 3],
      );
    });

    test('numbers that a comparison would round are told apart', async () => {
      const { dialect } = database;
      const double = { postgres: 'double precision', mysql: 'DOUBLE', sqlite: 'REAL' }[dialect];
      await database.all(`CREATE TABLE doubles (id INTEGER, size ${double})`);
      await database.all(
        'INSERT INTO doubles VALUES (1, 0.3), (2, 0.30000000000000004), (3, 9007199254740992), (4, 0.5), (5, NULL)',
      );
      const stored = await database.all('SELECT * FROM doubles');
      for (const types of [{}, { size: 'decimal' }, { size: 'integer' }] as const) {
        for (const value of [
          '0.3',
          '0.30000000000000004',
          '0.30',
          '9007199254740993',
          '0.5',
          '0.50000000000000001',
        ]) {
          const limit = new Alternative(undefined, [['size', [value]]]);
          const access = new TokenAccess(createPermissions([['doubles', 2, limit]]), { doubles: types });
          const { from } = access.toSql('doubles', 'read', dialect);
          const found = await all(`SELECT * FROM ${from.text}`, from);
          const inMemory = access.filter('doubles', 'read', stored);
          const isSubset = found.every(({ id }) => inMemory.some((each) => each.id === id));
          assert.ok(isSubset, `${value}: ${JSON.stringify(found)}`);
          if (value === '0.5')
            assert.deepEqual(
              found.map(({ id }) => id),
              'size' in types && types.size === 'integer' ? [] : [4],
            );
        }
      }
    });

    test('moments are compared in UTC, whatever the time zone of the session', async () => {
      const { dialect } = database;
      const types = {
        postgres: ['timestamptz', 'timestamp', 'timestamp(3)'],
        mysql: ['TIMESTAMP', 'DATETIME', 'DATETIME(3)'],
        sqlite: ['TEXT'],
      }[dialect];
      for (const [number, type] of types.entries()) {
        const table = `moments_${number}`;
        const limit = new Alternative(undefined, [['at', ['2026-02-28T15:30:00+05:30']]]);
        const access = new TokenAccess(createPermissions([[table, 2, limit]]), {
          [table]: { at: 'timestamp' },
        });
        const { from } = access.toSql(table, 'read', dialect);
        const zone = type === 'timestamptz' ? 'Z' : '';
        await database.all(`CREATE TABLE ${table} (at ${type} NULL)`);
        await database.all(
          `INSERT INTO ${table} VALUES ('2026-02-28 10:00:00${zone}'), ('2026-02-28 15:30:00${zone}')`,
        );
        const count = async () => (await all(`SELECT * FROM ${from.text}`, from)).length;
        assert.equal(await count(), 1, type);
        if (dialect !== 'mysql') continue;
        await database.all("SET time_zone = '+05:30'");
        assert.equal(await count(), 0, 'it cannot be told what the column means');
        await database.all("SET time_zone = '+00:00'");
      }
    });

    test('the database finds the rows by an index', async () => {
      const { dialect, types, quote } = database;
      const texts = { postgres: 'text', mysql: 'VARCHAR(40)', sqlite: 'TEXT' }[dialect];
      const uuid = (n: number) => `0b0e7c1e-5b1e-4f6e-8d4e-${String(n).padStart(12, '0')}`;
      await database.all(`CREATE TABLE large (n ${types.integer}, region ${texts}, customer ${types.uuid})`);
      const rows = Array.from({ length: 3_000 }, (_, n) => `(${n}, 'r${n}', '${uuid(n)}')`);
      await database.all(`INSERT INTO large VALUES ${rows.join(', ')}`);
      const values = { n: '42', region: 'r42', customer: uuid(42) };
      for (const [column, value] of Object.entries(values)) {
        await database.all(`CREATE INDEX by_${column} ON large (${quote(column)})`);
        const rights = createPermissions([['large', 2, new Alternative(['n'], [[column, [value]]])]]);
        const { from } = new TokenAccess(rights, { large: TYPES }).toSql('large', 'read', dialect);
        const explain = dialect === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN';
        const plan = await all(`${explain} SELECT * FROM ${from.text}`, from);
        assert.match(JSON.stringify(plan), new RegExp(`by_${column}`), column);
        assert.equal((await all(`SELECT * FROM ${from.text}`, from)).length, 1);
      }
    });

    test('of ten thousand values each is found', async () => {
      await fill([
        { n: '1', region: 'r9999', total: '5' },
        { n: '2', region: 'r10000' },
      ]);
      const values = Array.from({ length: 10_000 }, (_, n) => `r${n}`);
      const access = new TokenAccess(rightsTo([new Alternative(['n'], [['region', values]])]), {
        orders: TYPES,
      });
      const { from } = access.toSql('orders', 'read', database.dialect);
      const found = await all(`SELECT * FROM ${from.text}`, from);
      assert.deepEqual(
        found.map(({ n }) => Number(n)),
        [1],
      );
    });

    test('a limit by a column that the table lacks shows no row', async () => {
      await fill([{ n: '1', region: 'nowhere' }]);
      for (const types of [{}, { orders: { nowhere: 'text' } }] as const) {
        const rights = rightsTo([new Alternative(undefined, [['nowhere', ['nowhere']]])]);
        const { from, where } = new TokenAccess(rights, types).toSql('orders', 'read', database.dialect);
        await assert.rejects(all(`SELECT * FROM ${from.text}`, from), /nowhere/);
        await assert.rejects(all(`SELECT * FROM orders WHERE ${where.text}`, where), /nowhere/);
      }
    });

    test('no right gives no row, and all rights give all', async () => {
      await fill([{ n: '1' }, { n: '2' }]);
      const { dialect } = database;
      for (const [rights, count] of [
        [NOTHING, 0],
        [EVERYTHING, 2],
      ] as const) {
        const access = new TokenAccess(rights, {});
        const { from } = access.toSql('orders', 'read', dialect);
        assert.equal((await all(`SELECT * FROM ${from.text}`, from)).length, count);
        const { where } = access.toSql('orders', 'delete', dialect);
        assert.equal((await all(`SELECT * FROM orders WHERE ${where.text}`, where)).length, count);
      }
    });
  });
}
