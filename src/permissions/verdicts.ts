/** Whether an action on one row is allowed, by the limits of the right to it. */
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
