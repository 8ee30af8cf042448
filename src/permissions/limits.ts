/**
 * Rights that hold for some columns and rows only. What is allowed of one action on one table is a cell: alternatives, each
 * with its columns and its row conditions, none of which another one dominates. Two alternatives are never merged:
 * "column a of my rows, or column b of all rows" is not "columns a and b of all rows".
 */

/** The most that one cell can come to hold by computing; above it alternatives are dropped, which allows less. */
export const MAX_COMPUTED_ALTERNATIVES = 64;
export const MAX_COMPUTED_CONDITIONS = 16;
/** Values compared for one cell: 16 alternatives with 8 conditions of 100 values meet as many without reaching it. */
const MAX_COMPARED_VALUES = 500_000;

/** A value that begins with it is a variable (`variables.ts`). No literal value does, because values hold no control characters. */
export const VARIABLE_MARK = '\u0000';

/** Row conditions by column: the value in that column must equal one of these. NULL equals none. */
export type Conditions = ReadonlyMap<string, ReadonlySet<string>>;

/** One way in which an action is allowed: on the rows that meet all conditions, and on these columns of them. */
export class Alternative {
  /** Undefined: all columns, also future ones. */
  readonly columns: ReadonlySet<string> | undefined;
  /** Empty: all rows. */
  readonly rows: Conditions;
  /** How many values its conditions have together. */
  readonly valueCount: number;
  readonly hasVariables: boolean;
  #key: string | undefined;

  /**
   * Sets must be in order.
   * @param columns at least one, if there are any @param rows each with at least one value
   */
  constructor(columns: Iterable<string> | undefined, rows: Iterable<readonly [string, Iterable<string>]>) {
    this.columns = columns && inOrder(columns);
    this.rows = new Map(
      [...rows]
        .map(([column, values]) => [column, inOrder(values)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    let valueCount = 0;
    let hasVariables = false;
    for (const values of this.rows.values()) {
      valueCount += values.size;
      for (const value of values) hasVariables ||= value.startsWith(VARIABLE_MARK);
    }
    this.valueCount = valueCount;
    this.hasVariables = hasVariables;
    Object.freeze(this);
  }

  /** The same for equal alternatives. */
  get key(): string {
    this.#key ??= JSON.stringify([
      this.columns ? [...this.columns] : null,
      [...this.rows].map(([column, values]) => [column, ...values]),
    ]);
    return this.#key;
  }

  get isUnlimited(): boolean {
    return this.columns === undefined && this.rows.size === 0;
  }
}

/** A set belongs to another alternative, or was computed from such sets, and is in order already. */
function inOrder(texts: Iterable<string>): ReadonlySet<string> {
  return texts instanceof Set ? texts : new Set([...texts].sort());
}

export type Cell = readonly Alternative[];

export const UNLIMITED = new Alternative(undefined, []);

/** Allowed without limits. */
export const WHOLE: Cell = [UNLIMITED];
export const NONE: Cell = [];

/** Whether `a` allows all that `b` allows: it has every column, and no condition that `b` does not imply. */
function dominates(a: Alternative, b: Alternative): boolean {
  if (a === b) return true;
  if (a.rows.size > b.rows.size || (a.columns && !b.columns?.isSubsetOf(a.columns))) return false;
  for (const [column, values] of a.rows) {
    if (!b.rows.get(column)?.isSubsetOf(values)) return false;
  }
  return true;
}

/** Whether everything that `b` allows is allowed by `a`. May say no where several of `a` together would allow it. */
export function containsCell(a: Cell, b: Cell): boolean {
  return a === b || a === WHOLE || b.every((inner) => a.some((outer) => dominates(outer, inner)));
}

/** What a computation gave, and whether more alternatives came out than a cell can hold. */
export interface Computed {
  readonly cell: Cell;
  readonly isCut: boolean;
}

/** One that dominates another comes first: it has no more conditions, no fewer values, no fewer columns. */
function byWidth(a: Alternative, b: Alternative): number {
  return (
    a.rows.size - b.rows.size || b.valueCount - a.valueCount || columnCount(b) - columnCount(a) || byKey(a, b)
  );
}

const columnCount = ({ columns }: Alternative): number => columns?.size ?? Number.MAX_SAFE_INTEGER;

const byKey = (a: Alternative, b: Alternative): number => (a.key < b.key ? -1 : 1);

/**
 * Without those that others dominate, in an order that does not depend on how they came about. The number of alternatives
 * that computing gives is not bounded, so no more than a cell can hold are compared with each.
 */
export function toCell(alternatives: readonly Alternative[]): Computed {
  if (alternatives.length < 2) return { cell: alternatives, isCut: false };
  const cell: Alternative[] = [];
  for (const each of alternatives.toSorted(byWidth)) {
    if (cell.some((wider) => dominates(wider, each))) continue;
    if (cell.length === MAX_COMPUTED_ALTERNATIVES) return { cell: cell.sort(byKey), isCut: true };
    cell.push(each);
  }
  return { cell: cell.sort(byKey), isCut: false };
}

/** What both allow. */
export function meetCells(a: Cell, b: Cell): Computed {
  if (containsCell(b, a)) return { cell: a, isCut: false };
  if (containsCell(a, b)) return { cell: b, isCut: false };
  if (b.length * valuesOf(a) + a.length * valuesOf(b) > MAX_COMPARED_VALUES) {
    return { cell: meetCells(halfOf(a), halfOf(b)).cell, isCut: true };
  }
  const met = a.flatMap((one) => b.flatMap((other) => meet(one, other) ?? []));
  const kept = met.filter(({ rows }) => rows.size <= MAX_COMPUTED_CONDITIONS);
  const { cell, isCut } = toCell(kept);
  return { cell, isCut: isCut || kept.length < met.length };
}

const valuesOf = (cell: Cell): number => cell.reduce((sum, { valueCount }) => sum + valueCount, 0);

const halfOf = (cell: Cell): Cell => cell.slice(0, Math.ceil(cell.length / 2));

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
  const changed = cell.flatMap((each) => change(each) ?? []);
  const isSame = changed.length === cell.length && changed.every((each, index) => each === cell[index]);
  return isSame ? cell : toCell(changed).cell;
}
