/** Whether an action on one row is allowed, by the limits of the right to it. */
import type { Action } from './actions.ts';
import { type ColumnLimit, type ColumnTypes, limitsForWriting, meets, type Row } from './column-limits.ts';

/** The columns of a row that may be read. Undefined: all, also those that it does not have; empty: the row is hidden. */
export function readableColumns(
  row: Row,
  limits: readonly ColumnLimit[],
  types: ColumnTypes,
): ReadonlySet<string> | undefined {
  const matching = limits.filter((limit) => meets(row, limit, types));
  if (matching.some(({ columns }) => columns === undefined)) return undefined;
  return new Set(matching.flatMap(({ columns = [] }) => [...columns]));
}

/** Whether one alternative allows to write these columns of a row. @param columns undefined: any */
export function mayWrite(
  row: Row,
  columns: Iterable<string> | undefined,
  limits: readonly ColumnLimit[],
  types: ColumnTypes,
): boolean {
  const able = columns
    ? limitsForWriting(limits, [...columns])
    : limits.filter((limit) => limit.columns === undefined);
  return able.some((limit) => meets(row, limit, types));
}

/** One access to a table, as far as it is known. What is left out may be anything. */
export interface RowAccess {
  readonly action: Action;
  /** As it is in the database; of `create`: as it will be. */
  readonly row?: Row;
  /** Those that are read or set. */
  readonly columns?: readonly string[];
  /** Of `update`: the new values by column. */
  readonly changes?: Row;
}

/** Whether the access is allowed, whatever is not known of it. */
export function isAllowed(access: RowAccess, limits: readonly ColumnLimit[], types: ColumnTypes): boolean {
  const { action, row = {}, columns } = access;
  switch (action) {
    case 'read':
      return mayRead(row, columns, limits, types);
    case 'create':
      return mayWrite(row, columns ?? (access.row && Object.keys(row)), limits, types);
    case 'update':
      return mayUpdate(access, limits, types);
    case 'delete':
      return mayWrite(row, [], limits, types);
  }
}

function mayRead(
  row: Row,
  columns: readonly string[] | undefined,
  limits: readonly ColumnLimit[],
  types: ColumnTypes,
): boolean {
  const readable = readableColumns(row, limits, types);
  if (!readable) return true;
  return readable.size > 0 && columns !== undefined && columns.every((column) => readable.has(column));
}

function mayUpdate(
  { row = {}, columns, changes }: RowAccess,
  limits: readonly ColumnLimit[],
  types: ColumnTypes,
): boolean {
  if (!columns && !changes) return mayWrite({}, undefined, limits, types);
  const set = new Set([...(columns ?? []), ...Object.keys(changes ?? {})]);
  const kept = Object.entries(row).filter(([column]) => !set.has(column));
  const after = { ...Object.fromEntries(kept), ...changes };
  return mayWrite(row, set, limits, types) && mayWrite(after, [], limits, types);
}
