/** Tables and columns as the catalogues of SQL products have them. A type that is not listed is a text. */
import { sql } from 'kysely';
import type { ColumnType, FoundTable, Row } from '../../src/datasources/connector.ts';
import { compile, type Statement } from './sql.ts';

/** The first that matches counts. */
type Types = readonly (readonly [ColumnType, RegExp])[];

const POSTGRES: Types = [
  ['integer', /^(?:int[248]|oid)$/],
  ['decimal', /^(?:numeric|float[48])$/],
  ['boolean', /^bool$/],
  ['uuid', /^uuid$/],
  ['date', /^date$/],
  ['timestamp', /^timestamp(?:tz)?$/],
];

const MYSQL: Types = [
  // What BOOLEAN is there.
  ['boolean', /^(?:tinyint|bit)\(1\)/],
  ['integer', /^(?:(?:tiny|small|medium|big)?int|year)\b/],
  ['decimal', /^(?:decimal|float|double)\b/],
  ['uuid', /^uuid$/],
  ['date', /^date$/],
  ['timestamp', /^(?:datetime|timestamp)\b/],
];

/** A column may be declared with any words: these are the common ones, then the rules of SQLite's affinity. */
const SQLITE: Types = [
  ['boolean', /^bool/],
  ['uuid', /^(?:uuid|guid)/],
  ['timestamp', /^(?:datetime|timestamp)/],
  ['date', /^date/],
  ['integer', /int/],
  ['text', /char|clob|text|blob/],
  ['decimal', /real|floa|doub|dec|num/],
];

const typesOf = { postgres: POSTGRES, mysql: MYSQL, sqlite: SQLITE };

/** Domains count as what they are made of. */
export function writePostgresCatalogueQuery(schemas: readonly string[]): Statement {
  return compile(
    'postgres',
    sql`with recursive base (oid, name) as (
      select oid, typname from pg_catalog.pg_type where typtype <> 'd'
      union all
      select d.oid, base.name from pg_catalog.pg_type d join base on d.typbasetype = base.oid where d.typtype = 'd'
    )
    select n.nspname::text as schema, c.relname::text as name, a.attname::text as "column", base.name::text as type
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join base on base.oid = a.atttypid
    where n.nspname::text in (${sql.join(schemas)}) and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and not exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid)
      and not exists (
        select from pg_catalog.pg_depend e
        where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
      )
    order by n.nspname, c.relname, a.attnum`,
  );
}

/** Also of sequences, which are tables there. */
export function writeMysqlColumnsQuery(databases: readonly string[]): Statement {
  return compile(
    'mysql',
    sql`select table_schema as ${sql.id('schema')}, table_name as name, column_name as ${sql.id('column')},
      column_type as type
    from information_schema.columns where table_schema in (${sql.join(databases)})
    order by table_schema, table_name, ordinal_position`,
  );
}

/** A query of its own, because a join takes seconds where there are thousands of tables. */
export function writeMysqlSequencesQuery(databases: readonly string[]): Statement {
  return compile(
    'mysql',
    sql`select table_schema as ${sql.id('schema')}, table_name as name
    from information_schema.tables where table_schema in (${sql.join(databases)}) and table_type = 'SEQUENCE'`,
  );
}

/** Not what virtual tables are made of. */
export function writeSqliteTablesQuery(): Statement {
  return compile(
    'sqlite',
    sql`select name from pragma_table_list where schema = 'main' and type in ('table', 'view', 'virtual')
      and name not like 'sqlite^_%' escape '^' order by name`,
  );
}

/** Not the hidden columns of virtual tables. */
export function writeSqliteColumnsQuery(table: string): Statement {
  return compile(
    'sqlite',
    sql`select ${table} as name, name as ${sql.id('column')}, type
      from pragma_table_xinfo(${table}) where hidden <> 1 order by cid`,
  );
}

/** @param rows one for each column */
export function toTables(product: keyof typeof typesOf, rows: readonly Row[]): FoundTable[] {
  const tables = new Map<string, FoundTable & { readonly columns: FoundTable['columns'][number][] }>();
  for (const { schema, name, column, type } of rows as readonly Readonly<Record<string, string | null>>[]) {
    const key = JSON.stringify([schema, name]);
    const table = tables.get(key) ?? { ...(schema && { schema }), name: String(name), columns: [] };
    tables.set(key, table);
    if (column) table.columns.push({ name: column, type: toType(product, type ?? '') });
  }
  return [...tables.values()];
}

function toType(product: keyof typeof typesOf, declared: string): ColumnType {
  return typesOf[product].find(([, words]) => words.test(declared.toLowerCase()))?.[0] ?? 'text';
}
