/**
 * Rights that hold for some columns and rows only. What is allowed of one action on one table is a cell: alternatives, each
 * with its columns and its row conditions, none of which another one dominates. Two alternatives are never merged:
 * "column a of my rows, or column b of all rows" is not "columns a and b of all rows".
 */

/** The most that one cell can come to hold by computing; above it alternatives are dropped, which allows less. */
export const MAX_COMPUTED_ALTERNATIVES = 64;
export const MAX_COMPUTED_CONDITIONS = 16;

/** Row conditions by column: the value in that column must equal one of these. NULL equals none. */
export type Conditions = ReadonlyMap<string, ReadonlySet<string>>;

/** One way in which an action is allowed: on the rows that meet all conditions, and on these columns of them. */
export class Alternative {
  /** Undefined: all columns, also future ones. */
  readonly columns: ReadonlySet<string> | undefined;
  /** Empty: all rows. */
  readonly rows: Conditions;
  /** The same for equal alternatives. */
  readonly key: string;

  /** @param columns at least one, if there are any @param rows each with at least one value */
  constructor(columns: Iterable<string> | undefined, rows: Iterable<readonly [string, Iterable<string>]>) {
    this.columns = columns && new Set([...columns].sort());
    this.rows = new Map(
      [...rows]
        .map(([column, values]) => [column, new Set([...values].sort())] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    this.key = JSON.stringify([
      this.columns ? [...this.columns] : null,
      [...this.rows].map(([column, values]) => [column, ...values]),
    ]);
    Object.freeze(this);
  }

  get isUnlimited(): boolean {
    return this.columns === undefined && this.rows.size === 0;
  }
}

export type Cell = readonly Alternative[];

export const UNLIMITED = new Alternative(undefined, []);

/** Allowed without limits. */
export const WHOLE: Cell = [UNLIMITED];
export const NONE: Cell = [];

/** Whether `a` allows all that `b` allows: it has every column, and no condition that `b` does not imply. */
function dominates(a: Alternative, b: Alternative): boolean {
  if (a.columns && !b.columns?.isSubsetOf(a.columns)) return false;
  for (const [column, values] of a.rows) {
    if (!b.rows.get(column)?.isSubsetOf(values)) return false;
  }
  return true;
}

/** Whether everything that `b` allows is allowed by `a`. May say no where several of `a` together would allow it. */
export function containsCell(a: Cell, b: Cell): boolean {
  return b.every((inner) => a.some((outer) => dominates(outer, inner)));
}

/** What a computation gave, and whether more alternatives came out than a cell can hold. */
export interface Computed {
  readonly cell: Cell;
  readonly isCut: boolean;
}

/**
 * Without those that others dominate, in an order that does not depend on how they came about. The number of alternatives
 * that computing gives is not bounded, so no more than a cell can hold are compared with each.
 */
function toCell(alternatives: readonly Alternative[]): Computed {
  const cell: Alternative[] = [];
  for (const each of widestFirst(alternatives)) {
    if (cell.some((wider) => dominates(wider, each))) continue;
    if (cell.length === MAX_COMPUTED_ALTERNATIVES) return { cell: cell.sort(byKey), isCut: true };
    cell.push(each);
  }
  return { cell: cell.sort(byKey), isCut: false };
}

const byKey = (a: Alternative, b: Alternative): number => (a.key < b.key ? -1 : 1);

/** None is dominated by a later one that differs. */
function widestFirst(alternatives: readonly Alternative[]): Alternative[] {
  return alternatives
    .map((each) => ({
      each,
      values: countValues(each),
      columns: each.columns?.size ?? Number.MAX_SAFE_INTEGER,
    }))
    .sort(
      (a, b) =>
        a.each.rows.size - b.each.rows.size ||
        b.values - a.values ||
        b.columns - a.columns ||
        byKey(a.each, b.each),
    )
    .map(({ each }) => each);
}

function countValues({ rows }: Alternative): number {
  let values = 0;
  for (const each of rows.values()) values += each.size;
  return values;
}

/** What either allows. */
export function joinCells(a: Cell, b: Cell): Computed {
  return toCell([...a, ...b]);
}

/** What both allow. */
export function meetCells(a: Cell, b: Cell): Computed {
  const met = a.flatMap((one) => b.flatMap((other) => meet(one, other) ?? []));
  const kept = met.filter(({ rows }) => rows.size <= MAX_COMPUTED_CONDITIONS);
  const { cell, isCut } = toCell(kept);
  return { cell, isCut: isCut || kept.length < met.length };
}

/** @returns undefined if there is no column, or no value of a column, that both allow */
function meet(a: Alternative, b: Alternative): Alternative | undefined {
  const columns = a.columns && b.columns ? a.columns.intersection(b.columns) : (a.columns ?? b.columns);
  if (columns?.size === 0) return undefined;
  const rows = new Map(a.rows);
  for (const [column, values] of b.rows) {
    const both = rows.get(column)?.intersection(values) ?? values;
    if (both.size === 0) return undefined;
    rows.set(column, both);
  }
  return new Alternative(columns, rows);
}

/** The same with other columns or values; alternatives for which `change` gives undefined are dropped. */
export function mapCell(cell: Cell, change: (alternative: Alternative) => Alternative | undefined): Cell {
  return toCell(cell.flatMap((each) => change(each) ?? [])).cell;
}
