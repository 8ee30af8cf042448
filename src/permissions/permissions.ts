/**
 * Permissions: what may be done with the tables of one resource. This folder owns the value, its algebra and its
 * spellings: the JSON shape of our own APIs (`permissions-json.ts`), rich authorization requests (`authorization-details.ts`,
 * RFC 9396), plain scopes (`table-scopes.ts`) and the form at rest (`stored.ts`). It is pure: it knows no store, no
 * request and no resource, so the caller says which catalogue holds (`catalogue.ts`) and which OAuth error a
 * `PermissionsError` becomes.
 *
 * The sets form a lattice whose bottom is `NOTHING` and whose top is `EVERYTHING`, admin of the resource. Admin covers
 * all that may be done with a resource and is therefore more than every action on every table (`*`).
 */
import { listSome } from '../errors/texts.ts';
import { ACTIONS, type Action, type ActionMask, toActions, toBit } from './actions.ts';
import { quoteName } from './errors.ts';
import {
  type Alternative,
  type Cell,
  type Computed,
  containsCell,
  mapCell,
  meetCells,
  NONE,
  toCell,
  WHOLE,
} from './limits.ts';
import { ALL_TABLES } from './table-ids.ts';

export { ACTIONS, type Action } from './actions.ts';

/** Limited rights to one table: a cell for each of `ACTIONS`. */
export type TableLimits = readonly Cell[];

interface Parts {
  readonly isAdmin?: boolean;
  readonly all?: ActionMask;
  readonly masks?: ReadonlyMap<string, ActionMask>;
  readonly limits?: ReadonlyMap<string, TableLimits>;
  readonly isCut?: boolean;
  readonly denied?: ReadonlyMap<string, ActionMask>;
}

const NO_MASKS: ReadonlyMap<string, ActionMask> = new Map();
const NO_LIMITS: ReadonlyMap<string, TableLimits> = new Map();

/** An immutable set of rights to tables, or admin. Two equal sets list their tables in the same order. */
export class Permissions {
  readonly isAdmin: boolean;
  /** The actions that are allowed without limits on every table, also on future ones (`*`). */
  readonly all: ActionMask;
  /**
   * Table id, or `@` and the name of a group of tables, to the actions that are allowed on it without limits, ordered by id.
   * Each is more than `all`. Empty for admin.
   */
  readonly masks: ReadonlyMap<string, ActionMask>;
  /** The same to what is allowed with limits, for actions that are not allowed without. */
  readonly limits: ReadonlyMap<string, TableLimits>;
  /** More alternatives came out than a cell can hold, and some of them were dropped. */
  readonly isCut: boolean;
  readonly hasVariables: boolean;
  /**
   * What its author wrote as `false`, by table id. It takes nothing away and is lost when sets are combined: it serves to
   * refuse what contradicts itself (`findMisfits`).
   */
  readonly denied: ReadonlyMap<string, ActionMask>;
  #tables: ReadonlyMap<string, ReadonlySet<Action>> | undefined;

  /** Not for callers: parse a spelling, or combine sets with the functions below. The maps must be in order. */
  constructor({
    isAdmin = false,
    all = 0,
    masks = NO_MASKS,
    limits = NO_LIMITS,
    isCut = false,
    denied = NO_MASKS,
  }: Parts) {
    this.isAdmin = isAdmin;
    this.all = all;
    this.masks = masks;
    this.limits = limits;
    this.isCut = isCut;
    this.denied = denied;
    this.hasVariables = limits.size > 0 && holdVariables(limits);
    Object.freeze(this);
  }

  /** What is allowed without limits, by name: `*` first, then tables and groups. To be read by people and pages. */
  get tables(): ReadonlyMap<string, ReadonlySet<Action>> {
    this.#tables ??= new Map(
      Array.from(namedMasks(this), ([name, mask]) => [name, new Set(toActions(mask))]),
    );
    return this.#tables;
  }

  /** The actions that are allowed without limits. */
  maskOf(table: string): ActionMask {
    return this.isAdmin ? EVERY_ACTION : (this.masks.get(table) ?? this.all);
  }

  /** Whether the action is allowed on all rows and columns. */
  allows(table: string, action: Action): boolean {
    return (this.maskOf(table) & toBit(action)) !== 0;
  }

  /** The ways in which the action is allowed; `WHOLE` if it is without limits, `NONE` if it is not at all. */
  cell(table: string, action: Action): Cell {
    if (this.allows(table, action)) return WHOLE;
    return this.limits.get(table)?.[ACTIONS.indexOf(action)] ?? NONE;
  }
}

const EVERY_ACTION: ActionMask = (1 << ACTIONS.length) - 1;

function holdVariables(limits: ReadonlyMap<string, TableLimits>): boolean {
  const cells = new Set([...limits.values()].flat());
  return [...cells].some((cell) => cell.some(({ hasVariables }) => hasVariables));
}

export const NOTHING = new Permissions({});

/** Admin of the resource. */
export const EVERYTHING = new Permissions({ isAdmin: true });

const ALL_OF_ALL_TABLES = new Permissions({ all: EVERY_ACTION });

/** Admin as all of all tables, which it is more than. */
export function withoutAdmin(permissions: Permissions): Permissions {
  return permissions.isAdmin ? ALL_OF_ALL_TABLES : permissions;
}

/** The same with what its author wrote as `false`. */
export function withDenied(permissions: Permissions, denied: ReadonlyMap<string, ActionMask>): Permissions {
  return denied.size === 0 ? permissions : new Permissions({ ...permissions, denied });
}

/** Actions on a table, a group or `*`, and the limit under which they are allowed. */
export type Right = readonly [table: string, mask: ActionMask, limit?: Alternative | undefined];

/**
 * Permissions from rights in any order; those to the same table add up. Table ids are not checked here, and limits of `*`
 * count for nothing.
 * @param wasCut of permissions that the rights are taken from
 */
export function createPermissions(rights: Iterable<Right>, wasCut = false): Permissions {
  const masks = new Map<string, ActionMask>();
  const limited = new Map<string, (Collected | undefined)[]>();
  const collect = rememberPairs((before: Collected | undefined, latest: Alternative) => ({ before, latest }));
  let all = 0;
  for (const [table, mask, limit] of rights) {
    if (limit && !limit.isUnlimited) {
      const cells = limited.get(table) ?? ACTIONS.map(() => undefined);
      limited.set(
        table,
        cells.map((cell, index) => ((mask & (1 << index)) === 0 ? cell : collect(cell, limit))),
      );
    } else if (table === ALL_TABLES) all |= mask;
    else masks.set(table, (masks.get(table) ?? 0) | mask);
  }
  let isCut = wasCut;
  const limits = new Map<string, TableLimits>();
  for (const [table, collected] of limited) {
    const computed = collected.map(compute);
    isCut ||= computed.some((each) => each.isCut);
    limits.set(table, computed.map(cellOf));
  }
  return assemble({ all, masks, limits, isCut });
}

/** The alternatives of one cell so far. Cells that collect the same ones share it, and are computed once. */
interface Collected {
  readonly before: Collected | undefined;
  readonly latest: Alternative;
  computed?: Computed;
}

function compute(collected: Collected | undefined): Computed {
  if (!collected) return { cell: NONE, isCut: false };
  if (!collected.computed) {
    const all: Alternative[] = [];
    for (let each: Collected | undefined = collected; each; each = each.before) all.push(each.latest);
    collected.computed = toCell(all);
  }
  return collected.computed;
}

const cellOf = ({ cell }: Computed): Cell => cell;

function inOrder<T>(map: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Without what adds nothing: masks that are `all`, limits beside a wider right. */
function assemble({
  all,
  masks,
  limits,
  isCut,
}: Required<Pick<Parts, 'all' | 'masks' | 'limits' | 'isCut'>>): Permissions {
  const wider = new Map<string, ActionMask>();
  for (const [table, mask] of masks) {
    if ((mask | all) !== all) wider.set(table, mask | all);
  }
  const narrower = new Map<string, TableLimits>();
  for (const [table, cells] of limits) {
    if (table === ALL_TABLES) continue;
    const mask = wider.get(table) ?? all;
    const left = cells.map((cell, index) => ((mask & (1 << index)) === 0 ? cell : NONE));
    if (left.some((cell) => cell.length > 0)) narrower.set(table, left);
  }
  if (all === 0 && wider.size === 0 && narrower.size === 0 && !isCut) return NOTHING;
  return new Permissions({
    all,
    masks: inOrder(wider),
    limits: narrower.size > 0 ? inOrder(narrower) : NO_LIMITS,
    isCut,
  });
}

/** What is allowed without limits: `*` first, then tables and groups, each with all its actions. Admin has none. */
export function* namedMasks({
  all,
  masks,
}: Permissions): Generator<readonly [name: string, mask: ActionMask]> {
  if (all !== 0) yield [ALL_TABLES, all];
  yield* masks;
}

/** The rights that the permissions consist of: those without limits, then the others. Admin has none. */
export function* rightsOf(permissions: Permissions): Generator<Right> {
  yield* namedMasks(permissions);
  yield* limitedRightsOf(permissions);
}

type LimitedRight = readonly [table: string, mask: ActionMask, limit: Alternative];

/** Those with limits. */
export function* limitedRightsOf({ limits }: Permissions): Generator<LimitedRight> {
  for (const [table, cells] of limits) yield* limitsOf(table, cells);
}

/** Each alternative with the actions that it is for. */
export function limitsOf(table: string, cells: TableLimits): LimitedRight[] {
  const masks = new Map<Alternative['key'], { limit: Alternative; mask: ActionMask }>();
  cells.forEach((cell, index) => {
    for (const limit of cell)
      masks.set(limit.key, { limit, mask: (masks.get(limit.key)?.mask ?? 0) | (1 << index) });
  });
  return [...masks.values()].map(({ limit, mask }) => [table, mask, limit]);
}

export function isEmpty({ isAdmin, all, masks, limits }: Permissions): boolean {
  return !isAdmin && all === 0 && masks.size === 0 && limits.size === 0;
}

export function equals(a: Permissions, b: Permissions): boolean {
  return a === b || (contains(a, b) && contains(b, a));
}

/** Whether everything that `b` allows is allowed by `a`. With limits it may say no where the whole of `a` would allow it. */
export function contains(a: Permissions, b: Permissions): boolean {
  if (a === b || a.isAdmin) return true;
  if (b.isAdmin || (b.all & ~a.all) !== 0) return false;
  if (a.all === 0 && b.masks.size > a.masks.size) return false;
  for (const [table, mask] of b.masks) {
    if ((mask & ~a.maskOf(table)) !== 0) return false;
  }
  const isWithin = rememberPairs(containsCell);
  for (const [table, cells] of b.limits) {
    if (!cells.every((cell, index) => isWithin(a.cell(table, ACTIONS[index] as Action), cell))) return false;
  }
  return true;
}

/** For one computation: tables that a set or a group gives the same rights have the same cells. */
function rememberPairs<A, B, T>(compute: (a: A, b: B) => T): (a: A, b: B) => T {
  const results = new Map<A, Map<B, T>>();
  return (a, b) => {
    const ofA = results.get(a) ?? new Map<B, T>();
    results.set(a, ofA);
    const known = ofA.get(b);
    if (known !== undefined) return known;
    const result = compute(a, b);
    ofA.set(b, result);
    return result;
  };
}

/** Remembers the last result for each set: most sets are kept as long as the directory does not change. */
export function rememberLast<Other>(
  compute: (permissions: Permissions, other: Other) => Permissions,
): (permissions: Permissions, other: Other) => Permissions {
  const last = new WeakMap<Permissions, { readonly other: Other; readonly result: Permissions }>();
  return (permissions, other) => {
    const known = last.get(permissions);
    if (known?.other === other) return known.result;
    const result = compute(permissions, other);
    last.set(permissions, { other, result });
    return result;
  };
}

/** What both allow. Never more than either; an operand that is the answer is returned as it is. */
export const intersect = rememberLast(intersectAnew);

function intersectAnew(a: Permissions, b: Permissions): Permissions {
  if (contains(b, a)) return a;
  if (contains(a, b)) return b;
  if (a.limits.size > 0 || b.limits.size > 0) return intersectLimits(a, b);
  const all = a.all & b.all;
  const isCut = a.isCut || b.isCut;
  const masks = new Map<string, ActionMask>();
  for (const table of tablesOfBoth(a, b)) {
    const both = a.maskOf(table) & b.maskOf(table);
    if (both !== all) masks.set(table, both);
  }
  return all === 0 && masks.size === 0 && !isCut ? NOTHING : new Permissions({ all, masks, isCut });
}

/** The tables, in order, that an intersection of sets without limits can name. */
function tablesOfBoth(a: Permissions, b: Permissions): Iterable<string> {
  if (a.all === 0 || b.all === 0) {
    if (a.all !== 0) return b.masks.keys();
    if (b.all !== 0) return a.masks.keys();
    return a.masks.size <= b.masks.size ? a.masks.keys() : b.masks.keys();
  }
  return [...new Set([...a.masks.keys(), ...b.masks.keys()])].sort((one, other) => (one < other ? -1 : 1));
}

function intersectLimits(a: Permissions, b: Permissions): Permissions {
  let isCut = a.isCut || b.isCut;
  const masks = new Map<string, ActionMask>();
  const limits = new Map<string, TableLimits>();
  const meet = rememberPairs(meetCells);
  const tables = new Set([a, b].flatMap((each) => [...each.masks.keys(), ...each.limits.keys()]));
  for (const table of tables) {
    masks.set(table, a.maskOf(table) & b.maskOf(table));
    const computed = ACTIONS.map((action) => meet(a.cell(table, action), b.cell(table, action)));
    isCut ||= computed.some((each) => each.isCut);
    limits.set(table, computed.map(cellOf));
  }
  return assemble({ all: a.all & b.all, masks, limits, isCut });
}

/**
 * Whether the remaining permissions can be given for this request: if tables were asked for by name, any part can; if
 * admin or `*` was asked for, a list of tables is not an answer.
 */
export function isWhole(asked: Permissions, left: Permissions): boolean {
  return left.isAdmin || (!asked.isAdmin && (asked.all & ~left.all) === 0);
}

/** What either allows. */
export const union = rememberLast(unionAnew);

function unionAnew(a: Permissions, b: Permissions): Permissions {
  if (contains(a, b) && (a.isCut || !b.isCut)) return a;
  if (contains(b, a) && (b.isCut || !a.isCut)) return b;
  return createPermissions([...rightsOf(a), ...rightsOf(b)], a.isCut || b.isCut);
}

/** The same rights, each replaced by others. */
export function mapRights(
  permissions: Permissions,
  replace: (right: Right) => readonly Right[],
): Permissions {
  return createPermissions([...rightsOf(permissions)].flatMap(replace), permissions.isCut);
}

/** Gives undefined for an alternative that is dropped. */
export type ChangeLimit = (alternative: Alternative) => Alternative | undefined;

/** The same with other limits. @param changeFor gives the same function for tables whose limits change alike */
export function mapLimits(
  { all, masks, limits, isCut }: Permissions,
  changeFor: (table: string) => ChangeLimit,
): Permissions {
  const map = rememberPairs((change: ChangeLimit, cell: Cell) => mapCell(cell, change));
  const changed = new Map<string, TableLimits>();
  for (const [table, cells] of limits) {
    const change = changeFor(table);
    changed.set(
      table,
      cells.map((cell) => map(change, cell)),
    );
  }
  return assemble({ all, masks, limits: changed, isCut });
}

/** A right by its name; `isLimited` if not all of it is meant, but columns or rows. */
export interface NamedCell {
  /** `*`: every table. */
  readonly table: string;
  readonly action: Action;
  readonly isLimited?: true;
}

/** What one set allows and another does not. `isAdmin` says that admin itself is missing; cells are not listed then. */
export interface Difference {
  readonly isAdmin: boolean;
  readonly cells: readonly NamedCell[];
}

function cellsBeyond(
  a: Permissions,
  b: Permissions,
  isThere: (table: string, action: Action) => boolean,
): Difference {
  if (b.isAdmin) return { isAdmin: false, cells: [] };
  if (a.isAdmin) return { isAdmin: true, cells: [] };
  const cells: NamedCell[] = toActions(a.all & ~b.all).map((action) => ({ table: ALL_TABLES, action }));
  for (const [table, mask] of a.masks) {
    for (const action of toActions(mask & ~a.all & ~b.maskOf(table))) {
      if (!isThere(table, action)) cells.push({ table, action });
    }
  }
  const isWithin = rememberPairs(containsCell);
  for (const [table, limited] of a.limits) {
    for (const [index, action] of ACTIONS.entries()) {
      const isHeld = isWithin(b.cell(table, action), limited[index] as Cell);
      if (!isHeld) cells.push({ table, action, isLimited: true });
    }
  }
  return { isAdmin: false, cells };
}

/** The cells of `a` that `b` lacks. */
export function difference(a: Permissions, b: Permissions): Difference {
  return cellsBeyond(a, b, () => false);
}

/**
 * What a request asks for beyond what is allowed. A right that is asked for without limits means what there is of it,
 * with the limits that it has; one that is asked for with limits must be within them, and `*` must be held as such.
 */
export function beyondAllowed(asked: Permissions, allowed: Permissions): Difference {
  return cellsBeyond(asked, allowed, (table, action) => allowed.cell(table, action).length > 0);
}

export function isNone({ isAdmin, cells }: Difference): boolean {
  return !isAdmin && cells.length === 0;
}

const CELLS_IN_A_SENTENCE = 5;

/** Cells as table scopes are spelled (`orders:delete`): the first few, and how many more there are. */
export function listCells(cells: readonly NamedCell[]): string {
  return listSome(
    cells.map(({ table, action, isLimited }) => {
      const name = `${table === ALL_TABLES ? table : quoteName(table)}:${action}`;
      return isLimited ? `${name} with these columns and rows` : name;
    }),
    CELLS_IN_A_SENTENCE,
  );
}

/** One sentence for the client's developer, fit for `error_description`. */
export function describeDifference(report: Difference): string {
  if (report.isAdmin) return 'Admin of the resource is more than what is allowed.';
  if (report.cells.length === 0) return 'Nothing goes beyond what is allowed.';
  return `The request asks for more than is allowed: ${listCells(report.cells)}.`;
}
