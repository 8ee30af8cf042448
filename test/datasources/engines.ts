/** The four products that people log in against, each a real server with a database `crm`, or a real file. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mongo } from 'mongoose';
import { mariadbMissing, startMariadb } from '../support/mariadb.ts';
import { mongoMissing, startMongo } from '../support/mongodb.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';

export type Value = string | number | boolean | null;
export type Rows = readonly Readonly<Record<string, Value>>[];

export interface Engine extends AsyncDisposable {
  /** For the apply file. */
  readonly datasource: Record<string, unknown>;
  readonly database: string;
  /** Makes a table (or collection) of these columns, all text but `id` (whole numbers) and `active` (true or false). */
  fill(table: string, rows: Rows): Promise<void>;
  /** Runs SQL, or for MongoDB nothing. */
  run(text: string): Promise<void>;
  /** Sets columns of the row with this id. */
  update(table: string, id: number, changes: Readonly<Record<string, Value>>): Promise<void>;
  remove(table: string, id: number): Promise<void>;
  /** The process, where it is one of ours. */
  readonly pid?: number | undefined;
}

export interface EngineKind {
  readonly name: string;
  readonly missing: () => string | false;
  /** @param dataDir of the server that will ask it */
  start(dataDir: string): Promise<Engine>;
}

const quote = (name: string, sign: string): string => `${sign}${name}${sign}`;

function literal(value: Value | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}

interface Sql {
  readonly sign: string;
  readonly text: string;
  readonly flag: string;
  run(text: string): Promise<unknown>;
  /** Of backslashes in texts. */
  spell?: (text: string) => string;
}

function sqlEngine({ sign, text, flag, run, spell = (value) => value }: Sql) {
  const typeOf = (column: string): string => (column === 'id' ? 'BIGINT' : column === 'active' ? flag : text);
  return {
    async fill(table: string, rows: Rows): Promise<void> {
      const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
      await run(
        `CREATE TABLE ${quote(table, sign)} (${columns.map((name) => `${quote(name, sign)} ${typeOf(name)}`).join(', ')})`,
      );
      for (const row of rows) {
        const values = columns.map((name) => spell(literal(row[name])));
        await run(`INSERT INTO ${quote(table, sign)} VALUES (${values.join(', ')})`);
      }
    },
    run: async (statement: string): Promise<void> => void (await run(statement)),
    async update(table: string, id: number, changes: Readonly<Record<string, Value>>): Promise<void> {
      const set = Object.entries(changes).map(
        ([name, value]) => `${quote(name, sign)} = ${spell(literal(value))}`,
      );
      await run(`UPDATE ${quote(table, sign)} SET ${set.join(', ')} WHERE id = ${id}`);
    },
    remove: async (table: string, id: number): Promise<void> =>
      void (await run(`DELETE FROM ${quote(table, sign)} WHERE id = ${id}`)),
  };
}

const sqlite: EngineKind = {
  name: 'SQLite',
  missing: () => false,
  async start(dataDir) {
    const folder = join(dataDir, 'datasources');
    mkdirSync(folder, { recursive: true });
    const database = new DatabaseSync(join(folder, 'crm.db'));
    database.exec('PRAGMA journal_mode = WAL');
    return {
      datasource: { kind: 'sqlite', file: 'crm.db' },
      database: 'main',
      ...sqlEngine({ sign: '"', text: 'TEXT', flag: 'INTEGER', run: async (text) => database.exec(text) }),
      async [Symbol.asyncDispose]() {
        database.close();
      },
    };
  },
};

const postgres: EngineKind = {
  name: 'PostgreSQL',
  missing: postgresMissing,
  async start() {
    const server = await startPostgres();
    await server.run('ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader');
    return {
      datasource: {
        kind: 'postgres',
        host: 'localhost',
        port: server.port,
        username: server.username,
        password: server.password,
        ca: server.certificate.pem,
      },
      database: 'crm',
      pid: server.child.pid,
      ...sqlEngine({ sign: '"', text: 'TEXT', flag: 'BOOLEAN', run: (text) => server.run(text) }),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

const mariadb: EngineKind = {
  name: 'MariaDB',
  missing: mariadbMissing,
  async start() {
    const server = await startMariadb();
    return {
      datasource: {
        kind: 'mysql',
        host: '127.0.0.1',
        port: server.port,
        username: server.username,
        password: server.password,
        ca: server.certificate.pem,
      },
      database: 'crm',
      pid: server.child.pid,
      ...sqlEngine({
        sign: '`',
        text: 'VARCHAR(1000)',
        flag: 'BOOLEAN',
        run: (text) => server.run(text),
        spell: (text) => text.replaceAll('\\', '\\\\'),
      }),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

const mongodb: EngineKind = {
  name: 'MongoDB',
  missing: mongoMissing,
  async start() {
    const server = await startMongo();
    const { hostname, port, pathname } = new URL(server.newUrl());
    const client = await new mongo.MongoClient(server.uri).connect();
    const database = pathname.slice(1);
    const db = client.db(database);
    return {
      datasource: { kind: 'mongodb', host: hostname, port: Number(port), tls: 'off' },
      database,
      pid: server.child?.pid,
      async fill(table, rows) {
        await db.createCollection(table);
        if (rows.length > 0) await db.collection(table).insertMany(rows.map((row) => ({ ...row })));
      },
      run: async () => undefined,
      update: async (table, id, changes) =>
        void (await db.collection(table).updateOne({ id }, { $set: changes })),
      remove: async (table, id) => void (await db.collection(table).deleteOne({ id })),
      async [Symbol.asyncDispose]() {
        await client.close();
        await server[Symbol.asyncDispose]();
      },
    };
  },
};

export const engines: readonly EngineKind[] = [sqlite, postgres, mariadb, mongodb];
