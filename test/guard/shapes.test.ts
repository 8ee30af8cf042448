import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { readDatabase } from '../../src/guard/read-database.ts';
import type { Table } from '../../src/nouns/index.ts';
import { postgresMissing } from '../support/postgres.ts';
import { type Claims, claims, type GuardedWorld, startGuarded } from './world.ts';

const LONG = 'ä'.repeat(31);
const ODD = `od"d 'tä $$ \\ %`;

const TABLES = `
CREATE TABLE measures (region text NOT NULL, id int NOT NULL, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE measures_eu PARTITION OF measures FOR VALUES IN ('eu');
CREATE TABLE measures_us PARTITION OF measures FOR VALUES IN ('us') PARTITION BY LIST (id);
CREATE TABLE measures_us_1 PARTITION OF measures_us FOR VALUES IN (1);
INSERT INTO measures VALUES ('eu', 1), ('us', 1);

CREATE TABLE animals (id int PRIMARY KEY, owner text);
CREATE TABLE dogs (id int PRIMARY KEY) INHERITS (animals);
INSERT INTO animals VALUES (1, 'ann');
INSERT INTO dogs VALUES (2, 'ben');

CREATE SCHEMA sales;
CREATE TABLE sales.orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "user" text, double int GENERATED ALWAYS AS (length("user") * 2) STORED);
INSERT INTO sales.orders ("user") VALUES ('ann'), ('ben');

CREATE DOMAIN amount AS numeric(10, 2) CHECK (value >= 0);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE "${ODD.replaceAll('"', '""')}" ("sel""ect" uuid PRIMARY KEY, "${LONG}" mood, value amount, stored varchar(5), named char(4));
INSERT INTO "${ODD.replaceAll('"', '""')}" VALUES
  ('00000000-0000-4000-8000-00000000000a', 'sad', 1.50, 'x', 'y'), ('00000000-0000-4000-8000-00000000000b', 'glad', 2, 'X', 'Y');

CREATE TABLE journal (at timestamptz, day date, line text);
INSERT INTO journal VALUES ('2024-02-29 12:00:00.5+02', '2024-02-29', 'leap'), ('infinity', '-infinity', 'end'), ('0044-03-15 BC', '0044-03-15 BC', 'ides');

CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE odd_types (id int PRIMARY KEY, region text COLLATE caseless, rate double precision, share real, amount int, code int, day date);
INSERT INTO odd_types VALUES (1, 'EU', 1.04, 0.1, 1, 5, '2024-01-02'), (2, 'eu', 1, 1e20, 2, 7, '2024-02-01'), (3, 'us', 1e300, 'NaN', 3, 9, 'infinity');
`;

const column = (name: string, type: 'text' | 'integer' | 'decimal' | 'uuid' | 'date' | 'timestamp') => ({
  name,
  type,
});

const DECLARED: Table[] = [
  {
    id: 'measures',
    name: 'm',
    columns: [column('region', 'text'), column('id', 'integer')],
    rowColumns: ['region'],
  },
  {
    id: 'animals',
    name: 'a',
    columns: [column('owner', 'text'), column('id', 'integer')],
    rowColumns: ['owner'],
  },
  { id: 'sales.orders', name: 'o', columns: [column('user', 'text')], rowColumns: ['user'] },
  {
    id: ODD,
    name: 'odd',
    columns: [
      column('sel"ect', 'uuid'),
      column(LONG, 'text'),
      column('value', 'decimal'),
      column('stored', 'text'),
      column('named', 'text'),
    ],
    rowColumns: ['sel"ect', LONG, 'value', 'stored', 'named'],
  },
  {
    id: 'journal',
    name: 'j',
    columns: [column('at', 'timestamp'), column('day', 'date'), column('line', 'text')],
    rowColumns: ['at', 'day'],
  },
  {
    id: 'odd_types',
    name: 'odd types',
    columns: [
      column('region', 'text'),
      column('rate', 'decimal'),
      column('share', 'decimal'),
      column('amount', 'decimal'),
      column('code', 'text'),
      column('day', 'text'),
    ],
    rowColumns: ['region', 'amount', 'code', 'day', 'share'],
  },
];

const ADMIN = claims({ permissions: { isAdmin: true } });

describe('tables of every shape', { skip: postgresMissing() }, () => {
  let world: GuardedWorld;
  before(async () => {
    world = await startGuarded({ tables: TABLES, declared: DECLARED });
  });
  after(() => world[Symbol.asyncDispose]());

  const limited = (table: string, actions: string[], rows: object): Claims =>
    claims({ authorization_details: [{ type: 'table_access_set', tables: [table], actions, rows }] });
  const refused = { code: '42501' };

  it('reads partitions and children through their parent only', async () => {
    const said = limited('measures', ['read'], { region: ['us'] });
    assert.deepEqual((await world.as(said, 'SELECT * FROM measures')).rows, [{ region: 'us', id: 1 }]);
    const owned = limited('animals', ['read', 'update'], { owner: ['ben'] });
    assert.deepEqual((await world.as(owned, 'SELECT * FROM animals')).rows, [{ id: 2, owner: 'ben' }]);
    assert.equal((await world.as(owned, 'UPDATE animals SET id = 3')).rowCount, 1);
    for (const child of ['measures_eu', 'measures_us', 'measures_us_1', 'dogs']) {
      await assert.rejects(world.as(ADMIN, `SELECT FROM public.${child}`), refused, child);
    }
  });

  it('binds a role that may read a partition by name', async () => {
    await world.owner.query('BEGIN; GRANT SELECT ON measures_us_1, dogs TO app');
    const said = JSON.stringify(limited('measures', ['read'], { region: ['eu'] }));
    await world.owner.query(`SET LOCAL ROLE app; SELECT set_config('request.jwt.claims', '${said}', true)`);
    assert.equal((await world.owner.query('SELECT FROM public.measures_us_1')).rowCount, 0);
    assert.equal((await world.owner.query('SELECT FROM public.dogs')).rowCount, 0);
    await world.owner.query('ROLLBACK');
  });

  it('has tables of another schema in a schema of their own', async () => {
    const said = limited('sales.orders', ['read', 'create', 'update'], { user: ['ann', 'anna'] });
    const { rows } = await world.as(
      said,
      `INSERT INTO sales_api.orders ("user") VALUES ('anna') RETURNING id, double`,
    );
    assert.deepEqual(rows, [{ id: 3, double: 8 }]);
    const update = await world.as(said, `UPDATE sales_api.orders SET "user" = 'anna' RETURNING id, double`);
    assert.deepEqual(update.rows, [{ id: 1, double: 8 }]);
    const generated = { code: '428C9' };
    await assert.rejects(world.as(said, 'UPDATE sales_api.orders SET id = 9'), generated);
    await assert.rejects(
      world.as(said, `INSERT INTO sales_api.orders (id, "user") VALUES (9, 'ann')`),
      generated,
    );
  });

  it('finds rows by columns with odd names, domains, enums and blanks', async () => {
    const name = `"${ODD.replaceAll('"', '""')}"`;
    const find = async (rows: object) =>
      (await world.as(limited(ODD, ['read', 'update'], rows), `SELECT stored FROM ${name}`)).rows.map(
        ({ stored }) => stored,
      );
    assert.deepEqual(await find({ [LONG]: ['glad', 'no mood'] }), ['X']);
    assert.deepEqual(await find({ value: ['1.5', '1e9'] }), ['x']);
    assert.deepEqual(await find({ stored: ['x'] }), ['x']);
    assert.deepEqual(await find({ named: ['y'] }), ['x']);
    assert.deepEqual(await find({ 'sel"ect': ['00000000-0000-4000-8000-00000000000A', 'none'] }), ['x']);
    assert.deepEqual(await find({ 'sel"ect': ['none'] }), []);
    const said = limited(ODD, ['read', 'update'], { stored: ['x'] });
    assert.equal((await world.as(said, `UPDATE ${name} SET named = 'z', value = 3`)).rowCount, 1);
  });

  it('compares times as instants, and takes no odd time for another', async () => {
    const find = async (rows: object) =>
      (
        await world.as(
          limited('journal', ['read'], rows),
          `SET LOCAL timezone = 'Asia/Tokyo'`,
          `SET LOCAL datestyle = 'German'`,
          'SELECT line FROM journal',
        )
      ).rows.map(({ line }) => line);
    assert.deepEqual(await find({ at: ['2024-02-29T10:00:00.500Z', 'infinity'] }), ['leap']);
    assert.deepEqual(await find({ day: ['2024-02-29', '0044-03-15'] }), ['leap']);
    assert.deepEqual(await find({ day: ['2023-02-29'] }), []);
  });

  it('compares values exactly, whatever collations and settings say', async () => {
    const find = async (rows: object, ...settings: string[]) =>
      (
        await world.as(
          limited('odd_types', ['read'], rows),
          ...settings,
          'SELECT id FROM odd_types ORDER BY id',
        )
      ).rows.map(({ id }) => id);
    assert.deepEqual(await find({ region: ['eu'] }), [2]);
    assert.deepEqual(await find({ rate: ['1'] }, 'SET LOCAL extra_float_digits = -15'), [2]);
    assert.deepEqual(await find({ rate: ['1e300'] }), [3]);
    assert.deepEqual(await find({ day: ['2024-01-02'] }, "SET LOCAL datestyle = 'German'"), [1]);
    assert.deepEqual(await find({ share: ['0.10'] }), [1]);
  });

  it('takes values that a column cannot have for values of no row', async () => {
    const said = (rows: object) => limited('odd_types', ['read'], rows);
    const find = async (rows: object) =>
      (await world.as(said(rows), 'SELECT id FROM odd_types')).rows.map(({ id }) => id);
    assert.deepEqual(await find({ amount: ['1.5', '2.0'] }), [2]);
    assert.deepEqual(await find({ code: ['abc', '7', '09'] }), [2]);
    assert.deepEqual(await find({ share: ['1e39', '1e-400', '100000000000000000000'] }), [2]);
  });

  it('refuses rights by texts that settings of the session change', async () => {
    await world.owner.query('CREATE TABLE fees (id int PRIMARY KEY, fee money, days interval[], rate real)');
    const columns = [column('fee', 'text'), column('days', 'text'), column('rate', 'text')];
    const { problems } = await readDatabase(world.owner, [{ id: 'fees', name: 'f', columns }], {
      defaultSchema: 'public',
      isLimited: () => true,
    });
    assert.deepEqual(problems, [
      'The column fee of fees is declared as text, and is money in the database.',
      'The column days of fees is declared as text, and is interval[] in the database.',
      'The column rate of fees is declared as text, and is real in the database.',
    ]);
  });

  it('refuses rights by shapes, names of objects and composite values', async () => {
    const types = ['point', 'lseg', 'box', 'path', 'polygon', 'line', 'circle', 'regclass', 'regtype'];
    const odd = [...types, 'span', 'spot'];
    await world.owner.query(`CREATE TYPE span AS (from_rate float8); CREATE DOMAIN spot AS point;
      CREATE TABLE shapes (id int PRIMARY KEY, ${odd.map((type, index) => `c${index} ${type}`).join(', ')})`);
    const columns = odd.map((_, index) => column(`c${index}`, 'text'));
    const { problems } = await readDatabase(world.owner, [{ id: 'shapes', name: 's', columns }], {
      defaultSchema: 'public',
      isLimited: () => true,
    });
    assert.deepEqual(
      problems,
      odd.map(
        (type, index) =>
          `The column c${index} of shapes is declared as text, and is ${type} in the database.`,
      ),
    );
  });

  it('reads and adds rows of a table without a key, and changes none', async () => {
    const said = claims({
      permissions: { tables: { '*': { create: true, read: true, update: true, delete: true } } },
    });
    assert.equal((await world.as(said, "INSERT INTO journal (line) VALUES ('new')")).rowCount, 1);
    await assert.rejects(world.as(said, "UPDATE journal SET line = 'x'"), { code: '55000' });
    await assert.rejects(world.as(said, 'DELETE FROM journal'), { code: '55000' });
  });

  it('lets no permissive policy that is there open more', async () => {
    await world.owner.query('CREATE POLICY other ON animals FOR ALL USING (true)');
    assert.equal((await world.as(claims({}), 'SELECT FROM animals')).rowCount, 0);
  });

  it('does not bind exempt roles', async () => {
    await world.owner.query('CREATE ROLE clerk; GRANT SELECT ON animals TO clerk');
    await world.migrate({ exemptRoles: ['owner', 'clerk'] });
    const { rowCount } = await world.as(
      {},
      'RESET ROLE',
      'SET LOCAL ROLE clerk',
      'SELECT FROM public.animals',
    );
    assert.equal(rowCount, 2);
  });
});
