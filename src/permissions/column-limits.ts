/** The limits of a right, in the form in which they compare with rows of a database. */
import { type ColumnType, canonicalOf, canonicalValue } from './column-types.ts';
import type { Cell, Conditions } from './limits.ts';

/** Types of the columns of one table, by name. Columns that are not named compare in their natural text. */
export type ColumnTypes = Readonly<Record<string, ColumnType>>;

/** The same by table. */
export type TableColumns = Readonly<Record<string, ColumnTypes>>;

/** What a right is limited to: rows that meet all conditions, and these columns of them. */
export interface ColumnLimit {
  /** Undefined: all. */
  readonly columns: ReadonlySet<string> | undefined;
  /** Empty: all rows. */
  readonly rows: Conditions;
}

export function typesOf(tables: TableColumns, table: string): ColumnTypes {
  return Object.hasOwn(tables, table) ? (tables[table] as ColumnTypes) : {};
}

export function typeOf(types: ColumnTypes, column: string): ColumnType | undefined {
  return Object.hasOwn(types, column) ? types[column] : undefined;
}

/** Without alternatives of which a condition is left without a value: no row can meet it. */
export function toLimits(cell: Cell, types: ColumnTypes): ColumnLimit[] {
  return cell.flatMap(({ columns, rows }) => {
    const conditions = [...rows].map(
      ([column, values]) => [column, comparable(values, typeOf(types, column))] as const,
    );
    return conditions.every(([, values]) => values.size > 0) ? { columns, rows: new Map(conditions) } : [];
  });
}

/**
 * A database would cut a text at a NUL or take it for an error, and a driver writes half a character as another one: such
 * values equal nothing.
 */
function comparable(values: ReadonlySet<string>, type: ColumnType | undefined): Set<string> {
  const canonical = [...values].flatMap((value) => canonicalValue(type ?? 'text', value) ?? []);
  return new Set(canonical.filter((value) => !value.includes('\0') && value.isWellFormed()));
}

/** An alternative as plain data; a member that is not there means no limit. */
export interface Limit {
  readonly columns?: readonly string[];
  /** The values that a row may have, by column: it must have one of each. */
  readonly rows?: Readonly<Record<string, readonly string[]>>;
}

export function toPlainLimit({ columns, rows }: ColumnLimit): Limit {
  return {
    ...(columns && { columns: [...columns] }),
    ...(rows.size > 0 && {
      rows: Object.fromEntries([...rows].map(([column, values]) => [column, [...values]])),
    }),
  };
}

/** A row as a database driver gives it. */
export type Row = Readonly<Record<string, unknown>>;

/** Whether the row meets all conditions. A column that it does not have meets none. */
export function meets(row: Row, { rows }: ColumnLimit, types: ColumnTypes): boolean {
  for (const [column, values] of rows) {
    const value = Object.hasOwn(row, column) ? canonicalOf(typeOf(types, column), row[column]) : undefined;
    if (value === undefined || !values.has(value)) return false;
  }
  return true;
}

export function hasColumns({ columns }: ColumnLimit, names: Iterable<string>): boolean {
  return columns === undefined || [...names].every((name) => columns.has(name));
}

/**
 * The alternatives under which columns may be written. None if a name is another spelling of a column by which rows are
 * limited: most databases compare names without case, and would change that column although the row that is checked has
 * its old value.
 */
export function limitsForWriting(limits: readonly ColumnLimit[], names: readonly string[]): ColumnLimit[] {
  const limiting = new Set(limits.flatMap(({ rows }) => [...rows.keys()]));
  const able = limits.filter((limit) => hasColumns(limit, names));
  if (limiting.size === 0 || able.length === 0) return able;
  const spelled = new Set([...limiting].map(fold));
  if (names.some((name) => !limiting.has(name) && spelled.has(fold(name)))) return [];
  return able;
}

/** What PostgreSQL keeps of a longer name. */
const NAME_BYTES = 63;
/** Most names: they need nothing but their case folded. */
const SHORT_ASCII = new RegExp(`^[!-~]{1,${NAME_BYTES}}$`);

/** Cut, and without case, accents and blanks: the same for all names that some database takes for one. */
function fold(name: string): string {
  if (SHORT_ASCII.test(name)) return name.toLowerCase();
  return Buffer.from(name)
    .subarray(0, NAME_BYTES)
    .toString()
    .normalize('NFKD')
    .replace(/[\p{M}\s]/gu, '')
    .toUpperCase()
    .toLowerCase();
}
