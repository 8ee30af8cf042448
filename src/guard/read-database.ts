/** The tables of a resource as PostgreSQL has them. */
import type pg from 'pg';
import { tableIdOf } from '../datasources/table-id.ts';
import { didYouMean } from '../errors/similar.ts';
import type { Table } from '../nouns/index.ts';
import type { DatabaseColumn, GuardedTable, QualifiedName } from './model.ts';
import { fitsDeclared } from './sql/conditions.ts';

/** Asks a database; a client of `pg` is one. */
export type Database = Pick<pg.ClientBase, 'query'>;

interface Found extends QualifiedName {
  readonly oid: string;
}

export interface ReadOptions {
  readonly defaultSchema: string;
  /** Whether rights are limited to some rows or columns of the table today. */
  readonly isLimited: (id: string) => boolean;
}

/**
 * @param declared the tables of the resource
 * @returns each table that is there, and whole sentences on what does not fit
 */
export async function readDatabase(
  database: Database,
  declared: readonly Table[],
  options: ReadOptions,
): Promise<{ readonly tables: GuardedTable[]; readonly problems: string[] }> {
  const problems: string[] = [];
  const tables: GuardedTable[] = [];
  const byId = Map.groupBy(await findTables(database), ({ schema, name }) =>
    tableIdOf(schema, name, options.defaultSchema),
  );
  for (const table of declared) {
    const [found, second] = byId.get(table.id) ?? [];
    if (!found) {
      problems.push(`The database has no table ${table.id}${didYouMean(table.id, byId.keys())}.`);
    } else if (second) {
      problems.push(`The database has two tables whose id is ${table.id}: rename one of them.`);
    } else {
      const read = await readTable(database, found, table, options);
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

async function readTable(
  database: Database,
  { oid, schema, name }: Found,
  declared: Table,
  { isLimited }: ReadOptions,
): Promise<GuardedTable> {
  const types = new Map((declared.columns ?? []).map((column) => [column.name, column.type]));
  const columns = await database.query<Omit<DatabaseColumn, 'declared'>>(COLUMNS, [oid]);
  const key = await database.query<{ name: string }>(KEY, [oid]);
  const children = await database.query<QualifiedName>(CHILDREN, [oid]);
  const sequences = await database.query<QualifiedName>(SEQUENCES, [oid]);
  return {
    id: declared.id,
    schema,
    name,
    columns: columns.rows.map((column) => ({ ...column, declared: types.get(column.name) })),
    key: key.rows.map((column) => column.name),
    children: children.rows,
    sequences: sequences.rows,
    isLimited: (declared.rowColumns ?? []).length > 0 || isLimited(declared.id),
    rowColumns: declared.rowColumns ?? [],
  };
}

/** With the type below domains. */
const COLUMNS = `
with recursive based (attnum, typid) as (
  select attnum, atttypid from pg_attribute where attrelid = $1::oid and attnum > 0 and not attisdropped
  union all
  select attnum, typbasetype from based join pg_type on pg_type.oid = typid where typtype = 'd'
)
select attname as name, format_type(atttypid, atttypmod) as type, format_type(based.typid, null) as "baseType",
  case
    when attgenerated <> '' or attidentity = 'a' then 'always'
    when attidentity = 'd' or atthasdef then 'unless set'
    else 'never'
  end as generated
from pg_attribute
  join based using (attnum) join pg_type on pg_type.oid = based.typid
where attrelid = $1::oid and typtype <> 'd'
order by attnum`;

const KEY = `
select attname as name from pg_index, unnest(indkey) with ordinality as part (attnum, place)
  join pg_attribute on attrelid = $1::oid and pg_attribute.attnum = part.attnum
where indrelid = $1::oid and indisprimary
order by place`;

const CHILDREN = `
with recursive below (oid) as (
  select inhrelid from pg_inherits where inhparent = $1::oid
  union
  select inhrelid from pg_inherits join below on inhparent = below.oid
)
select nspname as schema, relname as name
from below join pg_class on pg_class.oid = below.oid join pg_namespace on pg_namespace.oid = relnamespace
order by 1, 2`;

/** Those in defaults; identities need no right to theirs. */
const SEQUENCES = `
select distinct nspname as schema, relname as name
from pg_attrdef
  join pg_depend on pg_depend.classid = 'pg_attrdef'::regclass and objid = pg_attrdef.oid and refclassid = 'pg_class'::regclass
  join pg_class on pg_class.oid = refobjid and relkind = 'S'
  join pg_namespace on pg_namespace.oid = relnamespace
where adrelid = $1::oid
order by 1, 2`;
