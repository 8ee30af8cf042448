/** The tables of a resource as PostgreSQL has them. */
import type pg from 'pg';
import { tableIdOf } from '../datasources/table-id.ts';
import { didYouMean } from '../errors/similar.ts';
import type { Table } from '../nouns/index.ts';
import type { DatabaseColumn, GuardedTable, QualifiedName } from './model.ts';
import { fitsDeclared } from './sql/conditions.ts';

/** Asks a database; a client of `pg` is one. */
export type Database = Pick<pg.ClientBase, 'query'>;

/** Of a table. */
interface Part {
  readonly oid: string;
}

type Found = Part & QualifiedName;

/**
 * @param declared the tables of the resource
 * @param isLimited whether rights are limited to some rows or columns of the table today
 * @returns each table that is there, and whole sentences on what does not fit
 */
export async function readDatabase(
  database: Database,
  declared: readonly Table[],
  {
    defaultSchema,
    isLimited,
  }: { readonly defaultSchema: string; readonly isLimited: (id: string) => boolean },
): Promise<{ readonly tables: GuardedTable[]; readonly problems: string[] }> {
  const problems: string[] = [];
  const tables: GuardedTable[] = [];
  const byId = Map.groupBy(await findTables(database), ({ schema, name }) =>
    tableIdOf(schema, name, defaultSchema),
  );
  const parts = await readParts(
    database,
    declared.flatMap(({ id }) => byId.get(id)?.[0]?.oid ?? []),
  );
  for (const table of declared) {
    const [found, second] = byId.get(table.id) ?? [];
    if (!found) {
      problems.push(`The database has no table ${table.id}${didYouMean(table.id, byId.keys())}.`);
    } else if (second) {
      problems.push(`The database has two tables whose id is ${table.id}: rename one of them.`);
    } else {
      const read = toGuarded(table, found, parts, isLimited);
      problems.push(...problemsOf(read, table));
      tables.push(read);
    }
  }
  return { tables, problems };
}

function problemsOf(read: GuardedTable, { id, columns = [] }: Table): string[] {
  const names = new Set(read.columns.map(({ name }) => name));
  return [
    ...columns
      .filter(({ name }) => !names.has(name))
      .map(({ name }) => `The table ${id} has no column ${name}${didYouMean(name, names)}.`),
    ...read.columns
      .filter((column) => !fitsDeclared(column))
      .map(
        ({ name, type, declared }) =>
          `The column ${name} of ${id} is declared as ${declared}, and is ${type} in the database.`,
      ),
  ];
}

/** Tables that stand for themselves: a partition or a child is part of its parent. */
async function findTables(database: Database): Promise<Found[]> {
  const { rows } = await database.query<Found>(`
    select c.oid::text as oid, n.nspname as schema, c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'grantable')
      and not exists (select from pg_inherits where inhrelid = c.oid)`);
  return rows;
}

/** Of all tables at once: a database may be far away, and have thousands. */
async function readParts(database: Database, oids: readonly string[]) {
  const read = async <T>(query: string) => {
    const { rows } = await database.query<T & Part>(query, [oids]);
    return Map.groupBy(rows, ({ oid }) => oid);
  };
  return {
    columns: await read<Omit<DatabaseColumn, 'declared'>>(COLUMNS),
    key: await read<{ readonly name: string }>(KEY),
    children: await read<QualifiedName>(CHILDREN),
    sequences: await read<QualifiedName>(SEQUENCES),
  };
}

function toGuarded(
  { id, columns = [], rowColumns = [] }: Table,
  { oid, schema, name }: Found,
  parts: Awaited<ReturnType<typeof readParts>>,
  isLimited: (id: string) => boolean,
): GuardedTable {
  const types = new Map(columns.map((column) => [column.name, column.type]));
  const names = (which: 'children' | 'sequences'): QualifiedName[] =>
    (parts[which].get(oid) ?? []).map((part) => ({ schema: part.schema, name: part.name }));
  return {
    id,
    schema,
    name,
    columns: (parts.columns.get(oid) ?? []).map(({ oid: _, ...column }) => ({
      ...column,
      declared: types.get(column.name),
    })),
    key: (parts.key.get(oid) ?? []).map((column) => column.name),
    children: names('children'),
    sequences: names('sequences'),
    isLimited: rowColumns.length > 0 || isLimited(id),
    rowColumns,
  };
}

/** With the type below domains. */
const COLUMNS = `
with recursive based (attrelid, attnum, typid) as (
  select attrelid, attnum, atttypid from pg_attribute where attrelid = any ($1::oid[]) and attnum > 0 and not attisdropped
  union all
  select attrelid, attnum, typbasetype from based join pg_type on pg_type.oid = typid where typtype = 'd'
)
select attrelid::text as oid, attname as name, format_type(atttypid, atttypmod) as type,
  case when typtype = 'c' then 'record' else format_type(based.typid, null) end as "baseType",
  case
    when attgenerated <> '' or attidentity = 'a' then 'always'
    when attidentity = 'd' or atthasdef then 'unless set'
    else 'never'
  end as generated
from based join pg_attribute using (attrelid, attnum) join pg_type on pg_type.oid = based.typid
where typtype <> 'd'
order by attrelid, attnum`;

const KEY = `
select indrelid::text as oid, attname as name
from pg_index, unnest(indkey) with ordinality as part (attnum, place)
  join pg_attribute on pg_attribute.attnum = part.attnum
where indrelid = any ($1::oid[]) and attrelid = indrelid and indisprimary
order by indrelid, place`;

const CHILDREN = `
with recursive below (top, oid) as (
  select inhparent, inhrelid from pg_inherits where inhparent = any ($1::oid[])
  union
  select top, inhrelid from pg_inherits join below on inhparent = below.oid
)
select top::text as oid, nspname as schema, relname as name
from below join pg_class on pg_class.oid = below.oid join pg_namespace on pg_namespace.oid = relnamespace
order by top, nspname, relname`;

/** Those in defaults; identities need no right to theirs. */
const SEQUENCES = `
select distinct adrelid::text as oid, nspname as schema, relname as name
from pg_attrdef
  join pg_depend on pg_depend.classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid and refclassid = 'pg_class'::regclass
  join pg_class on pg_class.oid = refobjid and relkind = 'S'
  join pg_namespace on pg_namespace.oid = relnamespace
where adrelid = any ($1::oid[])
order by 1, 2, 3`;
