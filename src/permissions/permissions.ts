/**
 * Permissions: what may be done with the tables of one resource. This folder owns the value, its algebra and its
 * spellings: the JSON shape of our own APIs (`permissions-json.ts`), rich authorization requests (`authorization-details.ts`,
 * RFC 9396), plain scopes (`table-scopes.ts`) and the form at rest (`stored.ts`). It is pure: it knows no store, no
 * request and no resource, so the caller says which catalogue holds and which OAuth error a `PermissionsError` becomes.
 *
 * The sets form a lattice whose bottom is `NOTHING` and whose top is `EVERYTHING`, admin of the resource. Admin covers
 * tables that do not exist yet and is therefore more than all of today's cells together.
 */
import { listSome } from '../errors/texts.ts';
import { type Action, type ActionMask, toActions, toBit } from './actions.ts';
import { PermissionsError, quoteName } from './errors.ts';

export { ACTIONS, type Action } from './actions.ts';

/** An immutable set of (table, action) cells, or admin. Two equal sets list their tables in the same order. */
export class Permissions {
  readonly isAdmin: boolean;
  /** Table id to allowed actions, ordered by id; no table without an action. Empty for admin. */
  readonly masks: ReadonlyMap<string, ActionMask>;
  #tables: ReadonlyMap<string, ReadonlySet<Action>> | undefined;

  /** Not for callers: parse a spelling, or combine sets with the functions below. `masks` must be in order. */
  constructor(isAdmin: boolean, masks: ReadonlyMap<string, ActionMask>) {
    this.isAdmin = isAdmin;
    this.masks = masks;
    Object.freeze(this);
  }

  /** The same as `masks`, to be read by people and pages. */
  get tables(): ReadonlyMap<string, ReadonlySet<Action>> {
    this.#tables ??= new Map([...this.masks].map(([table, mask]) => [table, new Set(toActions(mask))]));
    return this.#tables;
  }

  allows(table: string, action: Action): boolean {
    return this.isAdmin || ((this.masks.get(table) ?? 0) & toBit(action)) !== 0;
  }
}

export const NOTHING = new Permissions(false, new Map());

/** Admin of the resource. */
export const EVERYTHING = new Permissions(true, new Map());

/** Permissions from cells in any order; a table named twice gets the actions of both. Table ids are not checked here. */
export function createPermissions(cells: Iterable<readonly [table: string, mask: ActionMask]>): Permissions {
  const merged = new Map<string, ActionMask>();
  for (const [table, mask] of cells) {
    if (mask !== 0) merged.set(table, (merged.get(table) ?? 0) | mask);
  }
  if (merged.size === 0) return NOTHING;
  return new Permissions(false, new Map([...merged].sort(([a], [b]) => (a < b ? -1 : 1))));
}

export function isEmpty(permissions: Permissions): boolean {
  return !permissions.isAdmin && permissions.masks.size === 0;
}

export function equals(a: Permissions, b: Permissions): boolean {
  return a === b || (a.masks.size === b.masks.size && contains(a, b) && contains(b, a));
}

/** Whether everything that `b` allows is allowed by `a`. */
export function contains(a: Permissions, b: Permissions): boolean {
  if (a === b || a.isAdmin) return true;
  if (b.isAdmin || b.masks.size > a.masks.size) return false;
  for (const [table, mask] of b.masks) {
    if ((mask & ~(a.masks.get(table) ?? 0)) !== 0) return false;
  }
  return true;
}

type Combine = (a: Permissions, b: Permissions) => Permissions;

/** Remembers the last result for each set: most sets are kept as long as the directory does not change. */
function rememberLast(combine: Combine): Combine {
  const last = new WeakMap<Permissions, { readonly other: Permissions; readonly result: Permissions }>();
  return (a, b) => {
    const known = last.get(a);
    if (known?.other === b) return known.result;
    const result = combine(a, b);
    last.set(a, { other: b, result });
    return result;
  };
}

/** What both allow. Never more than either; an operand that is the answer is returned as it is. */
export const intersect = rememberLast(intersectAnew);

function intersectAnew(a: Permissions, b: Permissions): Permissions {
  if (contains(b, a)) return a;
  if (contains(a, b)) return b;
  const [small, large] = a.masks.size <= b.masks.size ? [a, b] : [b, a];
  const shared = new Map<string, ActionMask>();
  for (const [table, mask] of small.masks) {
    const both = mask & (large.masks.get(table) ?? 0);
    if (both !== 0) shared.set(table, both);
  }
  return shared.size === 0 ? NOTHING : new Permissions(false, shared);
}

/**
 * Whether the remaining permissions can be given for this request: if tables were asked for, any part can; if admin was
 * asked for, a list of tables is not an answer.
 */
export function isWhole(asked: Permissions, left: Permissions): boolean {
  return left.isAdmin || !asked.isAdmin;
}

/** What either allows. */
export const union = rememberLast(unionAnew);

function unionAnew(a: Permissions, b: Permissions): Permissions {
  if (contains(a, b)) return a;
  if (contains(b, a)) return b;
  return createPermissions([...a.masks, ...b.masks]);
}

export interface Cell {
  readonly table: string;
  readonly action: Action;
}

/** What one set allows and another does not. `isAdmin` says that admin itself is missing; cells are not listed then. */
export interface Difference {
  readonly isAdmin: boolean;
  readonly cells: readonly Cell[];
}

/** The cells of `a` that `b` lacks. */
export function difference(a: Permissions, b: Permissions): Difference {
  if (b.isAdmin) return { isAdmin: false, cells: [] };
  if (a.isAdmin) return { isAdmin: true, cells: [] };
  const cells: Cell[] = [];
  for (const [table, mask] of a.masks) {
    for (const action of toActions(mask & ~(b.masks.get(table) ?? 0))) cells.push({ table, action });
  }
  return { isAdmin: false, cells };
}

const CELLS_IN_A_SENTENCE = 5;

/** Cells as table scopes are spelled (`orders:delete`): the first few, and how many more there are. */
export function listCells(cells: readonly Cell[]): string {
  return listSome(
    cells.map(({ table, action }) => `${quoteName(table)}:${action}`),
    CELLS_IN_A_SENTENCE,
  );
}

/** One sentence for the client's developer, fit for `error_description`. */
export function describeDifference(report: Difference): string {
  if (report.isAdmin) return 'Admin of the resource is more than what is allowed.';
  if (report.cells.length === 0) return 'Nothing goes beyond what is allowed.';
  return `The request asks for more than is allowed: ${listCells(report.cells)}.`;
}

/** The tables of `permissions` that a closed catalogue does not list. Admin names none. */
export function unknownTables(permissions: Permissions, tableIds: ReadonlySet<string>): string[] {
  return [...permissions.masks.keys()].filter((table) => !tableIds.has(table));
}

/** Throws `PermissionsError` (unknown_table) when the closed catalogue lacks a table of `permissions`. */
export function requireKnownTables(permissions: Permissions, tableIds: ReadonlySet<string>): void {
  const unknown = unknownTables(permissions, tableIds);
  if (unknown.length === 0) return;
  const named = listSome(unknown.map(quoteName), 1);
  throw new PermissionsError('unknown_table', `The resource has no table ${named}.`);
}

/** What is left when a closed catalogue has only these tables. Admin stays admin, whatever the tables are. */
export function restrictToTables(permissions: Permissions, tableIds: ReadonlySet<string>): Permissions {
  if (unknownTables(permissions, tableIds).length === 0) return permissions;
  return createPermissions([...permissions.masks].filter(([table]) => tableIds.has(table)));
}
