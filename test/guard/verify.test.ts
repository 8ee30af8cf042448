import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomOf, randomRights } from '../../src/guard/random-rights.ts';
import { type Row, readRows, type Verified, verifyTable } from '../../src/guard/verify.ts';
import type { Table } from '../../src/nouns/index.ts';
import { EVERYTHING, intersect } from '../../src/permissions/permissions.ts';
import { postgresMissing } from '../support/postgres.ts';
import { TABLES as COMMAND_TABLES, SHOP, startGuardCommand } from './command.ts';
import { startGuarded } from './world.ts';

const FIGURES = process.env.GRANTABLE_TEST_FIGURES === '1';
const CELLS = FIGURES ? 20_000 : process.env.CI ? 2_000 : 200;

const TABLES = `
CREATE TABLE orders (
  id int PRIMARY KEY, customer_id int, region text, total numeric(10, 2), paid boolean, day date, at timestamptz, code uuid, note json
);
INSERT INTO orders
  SELECT n, nullif(n % 4, 3), (ARRAY['eu', 'us', 'EU', NULL])[n % 4 + 1], n * 1.50, n % 2 = 0, date '2024-02-27' + n % 3,
    timestamptz '2024-02-28 23:59:59.5Z' + n % 3 * interval '1 second', ('00000000-0000-4000-8000-00000000000' || n % 3)::uuid, '{}'
  FROM generate_series(1, 10) AS n;
CREATE TABLE lines (order_id int REFERENCES orders, place int, product text DEFAULT 'chair', PRIMARY KEY (order_id, place)) PARTITION BY LIST (place);
CREATE TABLE lines_1 PARTITION OF lines FOR VALUES IN (1);
CREATE TABLE lines_2 PARTITION OF lines FOR VALUES IN (2);
INSERT INTO lines SELECT n, n % 2 + 1, (ARRAY['chair', 'table'])[n % 2 + 1] FROM generate_series(1, 6) AS n;
CREATE TABLE products (name text PRIMARY KEY, price int);
INSERT INTO products VALUES ('chair', 10), ('table', 20);
CREATE TABLE notes (id int PRIMARY KEY, author text, line text, size int GENERATED ALWAYS AS (length(author)) STORED);
INSERT INTO notes VALUES (1, 'ann', 'a'), (2, 'benno', 'b'), (3, NULL, 'c');
`;

const column = (name: string, type: NonNullable<Table['columns']>[number]['type']) => ({ name, type });

const DECLARED: Table[] = [
  {
    id: 'orders',
    name: 'orders',
    columns: [
      column('id', 'integer'),
      column('customer_id', 'integer'),
      column('region', 'text'),
      column('total', 'decimal'),
      column('paid', 'boolean'),
      column('day', 'date'),
      column('at', 'timestamp'),
      column('code', 'uuid'),
    ],
    rowColumns: ['customer_id', 'region', 'day'],
  },
  {
    id: 'lines',
    name: 'lines',
    columns: [column('order_id', 'integer'), column('place', 'integer'), column('product', 'text')],
    rowColumns: ['order_id'],
  },
  {
    id: 'notes',
    name: 'notes',
    columns: [
      column('id', 'integer'),
      column('author', 'text'),
      column('line', 'text'),
      column('size', 'integer'),
    ],
  },
  { id: 'products', name: 'products', columns: [column('name', 'text'), column('price', 'integer')] },
];

describe('the verdicts of a guarded database', { skip: postgresMissing() }, () => {
  it('are those of the algebra, for random rights', async (test) => {
    await using world = await startGuarded({ tables: TABLES, declared: DECLARED, limited: ['notes'] });
    const { owner: database, guard } = world;
    const seed = Number(process.env.GRANTABLE_TEST_SEED ?? 1);
    const random = randomOf(seed);
    const verified: Verified = { cells: 0, undecided: 0, differences: [] };
    const rows = new Map<string, readonly Row[]>();
    await database.query(`SET timezone = 'UTC'`);
    for (const table of guard.tables) rows.set(table.id, (await readRows(database, table)) ?? []);
    const now = Math.floor(Date.now() / 1000);
    while (verified.cells < CELLS) {
      const draw = () =>
        randomRights(random, guard.tables, ({ id }, name) => [
          ...(rows.get(id) ?? []).flatMap((row) => row[name] ?? []),
          'none',
          '042',
        ]);
      // A narrowed token has what both rights allow.
      const permissions = random() < 0.3 ? intersect(draw(), draw()) : draw();
      for (const table of guard.tables) {
        const verification = { database, guard, role: 'app', random, now };
        await verifyTable({ ...verification, table, rows: rows.get(table.id) ?? [], permissions, verified });
      }
    }
    test.diagnostic(`${verified.cells} cells, ${verified.undecided} statements undecided, seed ${seed}`);
    assert.deepEqual(verified.differences.slice(0, 5), []);
    assert.ok(verified.undecided < verified.cells / 10);
  });

  it('tell of a table that shows more', async () => {
    await using world = await startGuarded({ tables: TABLES, declared: DECLARED, limited: ['notes'] });
    const { owner: database, guard } = world;
    await database.query('DROP POLICY grantable_read ON lines; DROP POLICY grantable_delete ON lines');
    const random = randomOf(1);
    const verified: Verified = { cells: 0, undecided: 0, differences: [] };
    const [, lines] = guard.tables;
    assert.ok(lines);
    const rows = (await readRows(database, lines)) ?? [];
    const now = Math.floor(Date.now() / 1000);
    for (let count = 0; count < 30; count += 1) {
      const permissions = randomRights(random, [lines], (_, name) => rows.flatMap((row) => row[name] ?? []));
      await verifyTable({
        database,
        guard,
        role: 'app',
        random,
        now,
        table: lines,
        rows,
        permissions,
        verified,
      });
    }
    assert.ok(verified.differences.length > 0);
  });

  it('know the columns that the database computes of others', async () => {
    await using world = await startGuarded({ tables: TABLES, declared: DECLARED, limited: ['notes'] });
    const { owner: database, guard } = world;
    const table = guard.tables.find(({ id }) => id === 'notes');
    assert.ok(table);
    const verified: Verified = { cells: 0, undecided: 0, differences: [] };
    const rows = (await readRows(database, table)) ?? [];
    const now = Math.floor(Date.now() / 1000);
    const shared = { database, guard, role: 'app', random: randomOf(1), now, permissions: EVERYTHING };
    for (let count = 0; count < 10; count += 1) await verifyTable({ ...shared, table, rows, verified });
    assert.deepEqual(verified.differences, []);
  });

  it('are tried by the command, which leaves no trace', async (t) => {
    const { apply, database } = await startGuardCommand(t);
    await apply([{ ...COMMAND_TABLES[0], rowColumns: ['customer_id'] }, ...COMMAND_TABLES.slice(1)], {
      roles: [
        {
          name: 'clerk',
          permissions: {
            tables: { orders: { read: [{ rows: { customer_id: [{ $user: 'attributes.customer' }] } }] } },
          },
        },
      ],
    });
    const shop = await database(`${SHOP} INSERT INTO orders VALUES (1, 42, 's'), (2, 7, 't')`);
    assert.equal((await shop.guard('--apply')).code, 0);
    const before = await shop.query('SELECT * FROM orders ORDER BY id');
    const verified = await shop.guard('--verify');
    assert.match(verified.out, /verdicts for 1 stored and 100 random rights \(seed \d+\): 0 differ/);
    assert.equal(verified.code, 0);
    assert.deepEqual(await shop.query('SELECT * FROM orders ORDER BY id'), before);
    await shop.query('DROP POLICY grantable_read ON orders');
    assert.match((await shop.guard('--verify')).out, /grantable_read/);
  });
});
