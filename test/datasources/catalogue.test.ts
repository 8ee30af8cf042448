/** What each product's catalogue is read as: types, views, partitions, names that must be quoted. */
import assert from 'node:assert/strict';
import { lookup } from 'node:dns';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { mongo } from 'mongoose';
import { openMongodb } from '../../adapters/datasources/mongodb.ts';
import { openMysql } from '../../adapters/datasources/mysql.ts';
import { openPostgres } from '../../adapters/datasources/postgres.ts';
import { openSqlite } from '../../adapters/datasources/sqlite.ts';
import { type Connector, DatasourceAway, type FoundTable } from '../../src/datasources/connector.ts';
import { mariadbMissing, startMariadb } from '../support/mariadb.ts';
import { mongoMissing, startMongo } from '../support/mongodb.ts';
import { postgresMissing, type SqlServer, startPostgres } from '../support/postgres.ts';

/** Each as one line: `schema.name: column type, …`. */
function spell(tables: readonly FoundTable[]): string[] {
  return tables.map(({ schema, name, columns }) => {
    const typed = columns.map((column) => `${column.name} ${column.type}`);
    return `${schema === undefined ? '' : `${schema}.`}${name}: ${typed.join(', ')}`;
  });
}

function closing<T extends { close(): Promise<void> }>(t: TestContext, connector: T): T {
  t.after(() => connector.close());
  return connector;
}

function openSql(
  t: TestContext,
  open: typeof openPostgres,
  { port, username, password }: SqlServer,
): Connector {
  return closing(t, open({ host: '127.0.0.1', port, username, password, tls: 'off', lookup }));
}

const LONG = 'ä'.repeat(31);
const HOSTILE = ['a"b', "it's", 'select', 'a.b', 'ünï ✓', LONG, 'back`tick', '$1'];

test('PostgreSQL', { skip: postgresMissing() }, async (t) => {
  await using server = await startPostgres();
  const connector = openSql(t, openPostgres, server);
  const read = async (...schemas: string[]) => spell(await connector.readCatalogue('crm', schemas));

  await t.test('types are ours, domains are what they are made of, and all others are texts', async () => {
    await server.run(`
      CREATE DOMAIN money_amount AS numeric(12, 2); CREATE DOMAIN price AS money_amount CHECK (VALUE > 0);
      CREATE TYPE state AS ENUM ('open', 'done');
      CREATE TABLE types (
        a smallint, b integer, c bigserial, d numeric(9, 2), e real, f double precision, g boolean, h uuid, i date,
        j timestamp, k timestamptz, l varchar(9), m char(3), n text, o state, p price, q jsonb, r bytea, s integer[],
        t interval, u time, v inet, w "char", x name, y integer GENERATED ALWAYS AS (a + 1) STORED
      );
      ALTER TABLE types DROP COLUMN n`);
    assert.deepEqual(await read('public'), [
      'public.types: a integer, b integer, c integer, d decimal, e decimal, f decimal, g boolean, h uuid, i date, ' +
        'j timestamp, k timestamp, l text, m text, o text, p decimal, q text, r text, s text, t text, u text, v text, ' +
        'w text, x text, y integer',
    ]);
  });

  await t.test('views count, and partitions, children and parts of extensions do not', async () => {
    await server.run(`
      CREATE SCHEMA kinds; SET search_path = kinds; CREATE EXTENSION pg_stat_statements;
      CREATE TABLE parent (id integer, at date) PARTITION BY RANGE (at);
      CREATE TABLE part PARTITION OF parent FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (id);
      CREATE TABLE part_of_part PARTITION OF part DEFAULT;
      CREATE TABLE base (id integer); CREATE TABLE child (more text) INHERITS (base);
      CREATE VIEW v AS SELECT id FROM base; CREATE MATERIALIZED VIEW m AS SELECT id FROM base;
      CREATE TABLE bare (); CREATE SEQUENCE s; CREATE INDEX i ON base (id); CREATE TYPE pair AS (a integer)`);
    assert.deepEqual(await read('kinds'), [
      'kinds.bare: ',
      'kinds.base: id integer',
      'kinds.m: id integer',
      'kinds.parent: id integer, at date',
      'kinds.v: id integer',
    ]);
  });

  await t.test('names are those of the database, of all schemas that are asked for', async () => {
    const quoted = HOSTILE.map((name) => `"${name.replaceAll('"', '""')}"`);
    const sql = quoted.map(
      (name) => `CREATE TABLE ${name} (${quoted.map((each) => `${each} text`).join(', ')})`,
    );
    await server.run(`CREATE SCHEMA "o'dd ""one"; SET search_path = "o'dd ""one"; ${sql.join(';')}`);
    const tables = await connector.readCatalogue('crm', ['o\'dd "one', 'kinds']);
    const odd = tables.filter(({ schema }) => schema === 'o\'dd "one');
    assert.deepEqual(odd.map(({ name }) => name).toSorted(), HOSTILE.toSorted());
    for (const { columns } of odd)
      assert.deepEqual(
        columns.map(({ name }) => name),
        HOSTILE,
      );
    assert.equal(tables.length, HOSTILE.length + 5);
    assert.deepEqual(await read('nowhere'), []);
    await assert.rejects(connector.readCatalogue('nowhere', ['public']), DatasourceAway);
  });
});

test('MariaDB', { skip: mariadbMissing() }, async (t) => {
  await using server = await startMariadb();
  const connector = openSql(t, openMysql, server);
  const read = async (...databases: string[]) => spell(await connector.readCatalogue('crm', databases));

  await t.test('types are ours, and all others are texts', async () => {
    await server.run(`
      CREATE TABLE types (
        a tinyint, b smallint unsigned, c mediumint, d int, e bigint, f year, g decimal(9, 2), h float, i double,
        j boolean, k bit(1), l bit(8), m uuid, n date, o datetime(6), p timestamp NULL, q varchar(9), r char(3), s text,
        t enum('int', 'date'), u set('a'), v json, w blob, x binary(16), y time, z point
      );
      CREATE VIEW v AS SELECT a, n FROM types; CREATE SEQUENCE s;
      CREATE TABLE short (x int); CREATE VIEW broken AS SELECT x FROM short; DROP TABLE short`);
    assert.deepEqual(await read('crm'), [
      'crm.types: a integer, b integer, c integer, d integer, e integer, f integer, g decimal, h decimal, i decimal, ' +
        'j boolean, k boolean, l text, m uuid, n date, o timestamp, p timestamp, q text, r text, s text, t text, ' +
        'u text, v text, w text, x text, y text, z text',
      'crm.v: a integer, n date',
    ]);
  });

  await t.test('names are those of the database, of all databases that are asked for', async () => {
    const quoted = HOSTILE.map((name) => `\`${name.replaceAll('`', '``')}\``);
    const sql = quoted.map(
      (name) => `CREATE TABLE ${name} (${quoted.map((each) => `${each} int`).join(', ')})`,
    );
    await server.run(
      `CREATE DATABASE \`o'dd\`; GRANT SELECT ON \`o'dd\`.* TO reader@'127.0.0.1'; USE \`o'dd\`; ${sql.join(';')}`,
    );
    const tables = await connector.readCatalogue('crm', ["o'dd", 'crm']);
    const odd = tables.filter(({ schema }) => schema === "o'dd");
    assert.deepEqual(odd.map(({ name }) => name).toSorted(), HOSTILE.toSorted());
    for (const { columns } of odd)
      assert.deepEqual(
        columns.map(({ name }) => name),
        HOSTILE,
      );
    assert.equal(tables.length, HOSTILE.length + 2);
  });
});

test('SQLite', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'grantable-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'crm.db');
  const database = new DatabaseSync(path);
  t.after(() => database.close());
  const connector = closing(t, openSqlite(path));
  const read = async () => spell(await connector.readCatalogue('main', ['main']));

  await t.test('declared types are read as people mean them', async () => {
    database.exec(`CREATE TABLE types (
      a INTEGER PRIMARY KEY AUTOINCREMENT, b BIGINT, c REAL, d DECIMAL(9, 2), e BOOLEAN, f UUID, g DATE, h DATETIME,
      i TIMESTAMP, j VARCHAR(9), k TEXT, l BLOB, m, n JSON, o INTEGER GENERATED ALWAYS AS (b + 1))`);
    assert.deepEqual(await read(), [
      'types: a integer, b integer, c decimal, d decimal, e boolean, f uuid, g date, h timestamp, i timestamp, ' +
        'j text, k text, l text, m text, n text, o integer',
    ]);
  });

  await t.test('views and virtual tables count, and what these are made of does not', async () => {
    database.exec(`CREATE VIEW v AS SELECT a, j FROM types; CREATE VIRTUAL TABLE f USING fts5(body);
      CREATE VIEW broken AS SELECT * FROM nowhere`);
    const lines = await read();
    assert.deepEqual([lines.length, lines[0], lines[2]], [3, 'f: body text', 'v: a integer, j text']);
  });

  await t.test('names are those of the database', async () => {
    const quoted = HOSTILE.map((name) => `"${name.replaceAll('"', '""')}"`);
    for (const name of quoted) database.exec(`CREATE TABLE ${name} (${quoted.join(', ')})`);
    const odd = (await connector.readCatalogue('main', ['main'])).filter(({ name }) =>
      HOSTILE.includes(name),
    );
    assert.deepEqual(odd.map(({ name }) => name).toSorted(), HOSTILE.toSorted());
    for (const { columns } of odd)
      assert.deepEqual(
        columns.map(({ name }) => name),
        HOSTILE,
      );
  });
});

test('MongoDB', { skip: mongoMissing() }, async (t) => {
  await using server = await startMongo();
  const url = new URL(server.newUrl());
  const client = await new mongo.MongoClient(server.uri).connect();
  t.after(() => client.close());
  const db = client.db(url.pathname.slice(1));
  const target = { host: url.hostname, port: Number(url.port), username: undefined, password: undefined };
  const connector = closing(t, openMongodb({ ...target, tls: 'off', lookup } as never));
  const read = async () => spell(await connector.readCatalogue(url.pathname.slice(1), []));

  await t.test('fields have the type that all their values share', async () => {
    await db.collection('things').insertMany([
      {
        _id: 1 as never,
        n: 1,
        d: 1.5,
        b: true,
        s: 'x',
        at: new Date(0),
        u: new mongo.UUID(),
        mixed: 1,
        part: {},
      },
      { _id: 2 as never, n: mongo.Long.fromNumber(2 ** 60), d: 1, s: null, mixed: 'x', late: [1] },
    ]);
    await db.createCollection('a.empty');
    assert.deepEqual(await read(), [
      'a.empty: ',
      'things: _id integer, n integer, d decimal, b boolean, s text, at timestamp, u uuid, mixed text, part text, late text',
    ]);
  });

  await t.test('the oldest and the newest documents are looked at', async () => {
    const many = Array.from({ length: 300 }, (_, index) => ({ _id: index as never, [`f${index}`]: 1 }));
    await db.collection('many').insertMany(many);
    const columns = (await connector.readCatalogue(url.pathname.slice(1), [])).find(
      ({ name }) => name === 'many',
    )?.columns;
    const names = new Set(columns?.map(({ name }) => name));
    assert.equal(names.size, 201);
    assert.ok(names.has('f0') && names.has('f99') && names.has('f200') && names.has('f299'));
  });
});
