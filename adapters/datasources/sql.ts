/** Queries in SQL. Names are quoted, values are bound: kysely writes both in the words of each product. */
import {
  createQueryId,
  type DefaultQueryCompiler,
  MysqlQueryCompiler,
  PostgresQueryCompiler,
  SqliteQueryCompiler,
  sql,
} from 'kysely';
import { DatasourceAway, type Row, type RowQuery, type Scalar } from '../../src/datasources/connector.ts';

export interface Statement {
  readonly text: string;
  readonly values: readonly Scalar[];
}

/** What a driver of SQL says went wrong. */
export function toAway(error: unknown): DatasourceAway {
  if (error instanceof DatasourceAway) return error;
  const { code, message } = error as { code?: string; message?: string };
  return new DatasourceAway([code, message].filter(Boolean).join(': '), { cause: error });
}

/** For products that have booleans as numbers. */
export function withoutBooleans(values: Statement['values']): (string | number | null)[] {
  return values.map((value) => (typeof value === 'boolean' ? Number(value) : value));
}

/** Templates of statements: a value is bound, unless kysely made it. */
const writeWith =
  (compiler: DefaultQueryCompiler) =>
  (strings: TemplateStringsArray, ...parts: unknown[]): Statement => {
    const query = sql(strings, ...parts).toOperationNode();
    const { sql: text, parameters } = compiler.compileQuery(query, createQueryId());
    return { text, values: parameters as readonly Scalar[] };
  };

export const write = {
  postgres: writeWith(new PostgresQueryCompiler()),
  mysql: writeWith(new MysqlQueryCompiler()),
  sqlite: writeWith(new SqliteQueryCompiler()),
};

export type Product = keyof typeof write;

/**
 * Two rows at most, because a second one is enough to refuse both.
 * @param table the parts of its name, the schema first
 */
export function writeRowQuery(
  product: Product,
  table: readonly string[],
  { columns, where }: Pick<RowQuery, 'columns' | 'where'>,
): Statement {
  const conditions = where.map(({ column, equals }) =>
    equals === null ? sql`${sql.id(column)} is null` : sql`${sql.id(column)} = ${equals}`,
  );
  const names = sql.join(columns.map((column) => sql.id(column)));
  const condition = sql.join(conditions, sql` and `);
  return write[product]`select ${names} from ${sql.id(...table)} where ${condition} limit 2`;
}

/** The columns of a table of the `information_schema` (ISO/IEC 9075-11). */
export function writeColumnsQuery(product: 'postgres' | 'mysql', schema: string, table: string): Statement {
  const columns = sql`information_schema.columns where table_schema = ${schema} and table_name = ${table}`;
  return write[product]`select column_name as name from ${columns}`;
}

/** @returns what such a query found; undefined: there is no such table */
export function toNames(rows: readonly Row[]): ReadonlySet<string> | undefined {
  return rows.length === 0 ? undefined : new Set(rows.map(({ name, NAME }) => String(name ?? NAME)));
}
