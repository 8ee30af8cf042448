/** Permissions as rows keep them. */
import { type ActionMask, toActions } from './actions.ts';
import { PermissionsError } from './errors.ts';
import { Alternative, type Cell } from './limits.ts';
import {
  createPermissions,
  EVERYTHING,
  limitsOf,
  namedMasks,
  type Permissions,
  type Right,
  rightsOf,
} from './permissions.ts';
import { requireTableId } from './table-ids.ts';
import { requireVariable, toValue, toVariable } from './variables.ts';

/**
 * Permissions at rest. Arrays, because table ids and columns may hold dots, dollars or `__proto__`, which document stores
 * mangle. `actions` holds the letters c, r, u, d of what is allowed, in this order.
 */
export interface StoredPermissions {
  readonly isAdmin: boolean;
  readonly tables: readonly StoredTable[];
  /** Alternatives were dropped: only of rights that were computed again, which are not kept. */
  readonly isCut?: true;
}

export interface StoredTable {
  /** `*` for every table, or `@` and the name of a group. */
  readonly table: string;
  /** What is allowed without limits. */
  readonly actions: string;
  readonly limits?: readonly StoredLimit[];
  /** Further tables with the same actions and limits: a set or a group gives them to many tables at once. */
  readonly also?: readonly string[];
}

interface StoredLimit {
  readonly actions: string;
  /** Absent: all. */
  readonly columns?: readonly string[];
  /** Absent: all. */
  readonly rows?: readonly StoredCondition[];
}

interface StoredCondition {
  readonly column: string;
  readonly values: readonly string[];
  /** Such as `user.id`; never in what tokens, logins and consents keep. */
  readonly variables?: readonly string[];
}

const LETTERS = 'crud';

/** Index is the action mask. */
const LETTERS_BY_MASK = Array.from({ length: 16 }, (_, mask) =>
  toActions(mask)
    .map((action) => action.charAt(0))
    .join(''),
);

const toLetters = (mask: ActionMask): string => LETTERS_BY_MASK[mask] as string;

export function toStored(permissions: Permissions): StoredPermissions {
  const stored = write(permissions);
  parsed.set(stored, permissions);
  return stored;
}

function write(permissions: Permissions): StoredPermissions {
  const { isAdmin, isCut, masks, limits } = permissions;
  const cut = isCut && { isCut };
  if (limits.size === 0) return { isAdmin, tables: Array.from(rightsOf(permissions), toStoredTable), ...cut };
  const whole = [...namedMasks(permissions)].filter(([table]) => !limits.has(table));
  const rows = new Map<string, StoredTable & { also?: string[] }>();
  const nameOf = createNames();
  for (const [table, cells] of limits) {
    const mask = masks.get(table) ?? 0;
    const name = [mask, ...cells.map(nameOf)].join();
    const row = rows.get(name);
    if (row) {
      row.also ??= [];
      row.also.push(table);
    } else {
      const stored = limitsOf(table, cells).map(([, actions, limit]) => toStoredLimit(actions, limit));
      rows.set(name, { table, actions: toLetters(mask), limits: stored });
    }
  }
  return { isAdmin, tables: [...whole.map(toStoredTable), ...rows.values()], ...cut };
}

/** Numbers for cells, the same for equal ones. */
function createNames(): (cell: Cell) => number {
  const byText = new Map<string, number>();
  const byCell = new Map<Cell, number>();
  return (cell) => {
    const known = byCell.get(cell);
    if (known !== undefined) return known;
    const text = cell.map(({ key }) => key).join();
    const name = byText.get(text) ?? byText.size;
    byText.set(text, name);
    byCell.set(cell, name);
    return name;
  };
}

const toStoredTable = ([table, mask]: Right): { table: string; actions: string } => ({
  table,
  actions: toLetters(mask),
});

function toStoredLimit(mask: ActionMask, { columns, rows }: Alternative): StoredLimit {
  return {
    actions: toLetters(mask),
    ...(columns && { columns: [...columns] }),
    ...(rows.size > 0 && { rows: Array.from(rows, ([column, values]) => toStoredCondition(column, values)) }),
  };
}

function toStoredCondition(column: string, values: ReadonlySet<string>): StoredCondition {
  const variables = [...values].flatMap((value) => toVariable(value) ?? []);
  return {
    column,
    values: [...values].filter((value) => toVariable(value) === undefined),
    ...(variables.length > 0 && { variables: variables.map(({ source, name }) => `${source}.${name}`) }),
  };
}

/**
 * Reads what `toStored` wrote, with no limit on the number of tables: a union of roles may be larger than any request.
 * Throws `PermissionsError` (malformed) rather than to guess what a damaged row allows.
 */
export function fromStored(stored: StoredPermissions): Permissions {
  const known = parsed.get(stored);
  if (known) return known;
  const permissions = parse(stored);
  parsed.set(stored, permissions);
  return permissions;
}

/** Nouns and rows never change, and many rows share one object. */
const parsed = new WeakMap<StoredPermissions, Permissions>();

function parse({ isAdmin, tables, isCut }: StoredPermissions): Permissions {
  if (typeof isAdmin !== 'boolean' || !Array.isArray(tables)) throw damaged();
  const alternatives = new Map<string, Alternative>();
  const parseLimit = ({ actions, columns, rows }: StoredLimit): readonly [ActionMask, Alternative] => {
    const key = JSON.stringify([columns, rows]);
    const alternative = alternatives.get(key) ?? parseAlternative(columns, rows);
    alternatives.set(key, alternative);
    return [toMask(actions), alternative];
  };
  const rights = tables.flatMap((row: StoredTable | undefined): Right[] => {
    const { limits = [], also = [] } = row ?? {};
    if (!Array.isArray(limits) || !Array.isArray(also)) throw damaged();
    const mask = toMask(row?.actions);
    const parsedLimits = limits.map(parseLimit);
    return [row?.table, ...also]
      .map(requireTableId)
      .flatMap((table): Right[] => [[table, mask], ...parsedLimits.map((limit): Right => [table, ...limit])]);
  });
  return isAdmin ? EVERYTHING : createPermissions(rights, isCut);
}

/** A member that is there and empty would read as "no limit". */
function parseAlternative(columns: StoredLimit['columns'], rows: StoredLimit['rows']): Alternative {
  for (const list of [columns, rows]) {
    if (list !== undefined && (!Array.isArray(list) || list.length === 0)) throw damaged();
  }
  const conditions = rows?.map((row): readonly [string, string[]] => [row.column, parseValues(row)]);
  const isTwice = new Set(rows?.map(({ column }) => column)).size !== (rows?.length ?? 0);
  if ((!columns && !conditions) || isTwice) throw damaged();
  return new Alternative(columns, conditions ?? []);
}

function parseValues({ values, variables = [] }: StoredCondition): string[] {
  const all = [...values, ...variables.map(parseVariable)];
  if (all.length === 0 || !values.every((value) => typeof value === 'string' && !toVariable(value)))
    throw damaged();
  return all;
}

function parseVariable(text: string): string {
  const dot = text.indexOf('.');
  return toValue(requireVariable(`$${text.slice(0, dot)}`, text.slice(dot + 1)));
}

function toMask(letters: unknown): ActionMask {
  if (typeof letters !== 'string') throw damaged();
  let mask = 0;
  for (const letter of letters) {
    const index = LETTERS.indexOf(letter);
    if (index < 0) throw damaged();
    mask |= 1 << index;
  }
  return mask;
}

function damaged(): PermissionsError {
  return new PermissionsError('malformed', 'Stored permissions are damaged.');
}
