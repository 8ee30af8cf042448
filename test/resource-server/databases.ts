/** The three kinds of SQL database for which limits are spelled, each real, with a table of every type of column. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import type { ColumnType } from '../../src/permissions/column-types.ts';
import type { SqlDialect } from '../../src/resource-server/index.ts';
import { mariadbMissing, startMariadb } from '../support/mariadb.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';

export type DbRow = Record<string, unknown>;

export interface Database extends AsyncDisposable {
  readonly dialect: SqlDialect;
  readonly types: { readonly [type in ColumnType]: string };
  quote(name: string): string;
  all(text: string, parameters?: readonly (string | null)[]): Promise<DbRow[]>;
}

export interface DatabaseKind {
  readonly name: string;
  readonly missing: () => string | false;
  start(): Promise<Database>;
}

const quoteWith = (sign: string) => (name: string) => sign + name.replaceAll(sign, sign + sign) + sign;

const sqlite: DatabaseKind = {
  name: 'SQLite',
  missing: () => false,
  async start() {
    // With the old habit of taking an unknown name in quotes for a text.
    const database = new DatabaseSync(':memory:', { enableDoubleQuotedStringLiterals: true });
    return {
      dialect: 'sqlite',
      types: {
        text: 'TEXT COLLATE NOCASE',
        integer: 'INTEGER',
        decimal: 'NUMERIC',
        boolean: 'INTEGER',
        uuid: 'TEXT',
        date: 'TEXT',
        timestamp: 'TEXT',
      },
      quote: quoteWith('"'),
      all: async (text, parameters = []) => database.prepare(text).all(...parameters) as DbRow[],
      [Symbol.asyncDispose]: async () => database.close(),
    };
  },
};

const postgres: DatabaseKind = {
  name: 'PostgreSQL',
  missing: postgresMissing,
  async start() {
    const server = await startPostgres();
    const client = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'owner', database: 'crm' });
    await client.connect();
    await client.query(
      "CREATE COLLATION careless (provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
    );
    await client.query("SET TIME ZONE 'Asia/Kolkata'");
    return {
      dialect: 'postgres',
      types: {
        text: 'text COLLATE careless',
        integer: 'bigint',
        decimal: 'numeric(20, 4)',
        boolean: 'boolean',
        uuid: 'uuid',
        date: 'date',
        timestamp: 'timestamptz',
      },
      quote: quoteWith('"'),
      all: async (text, parameters = []) => (await client.query(text, [...parameters])).rows,
      async [Symbol.asyncDispose]() {
        await client.end();
        await server[Symbol.asyncDispose]();
      },
    };
  },
};

const mariadb: DatabaseKind = {
  name: 'MariaDB',
  missing: mariadbMissing,
  async start() {
    const server = await startMariadb();
    await server.run("GRANT ALL ON crm.* TO reader@'127.0.0.1'");
    const connection = await createConnection({
      host: '127.0.0.1',
      port: server.port,
      user: server.username,
      password: server.password,
      database: 'crm',
      timezone: 'Z',
      supportBigNumbers: true,
    });
    await connection.query("SET time_zone = '+00:00'");
    return {
      dialect: 'mysql',
      types: {
        text: 'VARCHAR(300) COLLATE utf8mb4_general_ci',
        integer: 'BIGINT',
        decimal: 'DECIMAL(20, 4)',
        boolean: 'BOOLEAN',
        uuid: 'CHAR(36)',
        date: 'DATE',
        timestamp: 'DATETIME(6)',
      },
      quote: quoteWith('`'),
      async all(text, parameters = []) {
        const [rows] = await connection.execute(text, [...parameters]);
        if (!Array.isArray(rows)) return [];
        // Here the driver writes the values into the text.
        const [asText] = await connection.query(text, [...parameters]);
        assert.deepEqual(asText, rows);
        return rows as DbRow[];
      },
      async [Symbol.asyncDispose]() {
        await connection.end();
        await server[Symbol.asyncDispose]();
      },
    };
  },
};

export const DATABASES: readonly DatabaseKind[] = [sqlite, postgres, mariadb];
