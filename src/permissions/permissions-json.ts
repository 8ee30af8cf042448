/** Permissions as the JSON object of our own APIs and tokens: `{"isAdmin": false, "tables": {...}}`. */
import { ACTIONS, type Action, type ActionMask, toActions, toBit } from './actions.ts';
import { takesNothingAway } from './catalogue.ts';
import { PermissionsError, quoteName } from './errors.ts';
import {
  type JsonObject,
  MAX_TABLES,
  type Origin,
  parseJsonText,
  readMember,
  requireObject,
  requirePlainJson,
} from './json.ts';
import type { Alternative } from './limits.ts';
import {
  LIMIT_MEMBERS,
  type LimitJson,
  type LimitOptions,
  readLimit,
  requireFewAlternatives,
  toLimitJson,
} from './limits-json.ts';
import {
  createPermissions,
  EVERYTHING,
  namedMasks,
  type Permissions,
  type Right,
  withDenied,
} from './permissions.ts';
import { ALL_TABLES, requireTableId } from './table-ids.ts';

export interface ParseOptions {
  /** Members with names we do not know: refused on our own endpoints, ignored where an older API ignored them. */
  readonly unknownFlags: 'refuse' | 'ignore';
  /** Whether a flag may be a limit, or a list of them, as in apply files. Absent: flags are true or false. */
  readonly limits?: LimitOptions;
  /** `written` unless said otherwise. */
  readonly origin?: Origin;
}

export interface PermissionsJson {
  isAdmin: boolean;
  tables: Record<string, Record<Action, boolean>>;
}

/**
 * Reads `{"isAdmin": false, "tables": {"<table id>": {"create": true, "read": true, "update": true, "delete": false}}}`
 * from a value that JSON was parsed into. A missing flag is false, missing tables mean no tables. Beside `isAdmin: true` the
 * tables are checked and add nothing, and limits are refused. Throws `PermissionsError` (malformed, too_large), also for a flag that would take away
 * from `*`: nothing does.
 */
export function parsePermissions(json: unknown, options: ParseOptions): Permissions {
  const { origin = 'written' } = options;
  requirePlainJson(json, origin);
  const shape = requireObject(json, 'Permissions');
  requireKnownNames(shape, ['isAdmin', 'tables'], options);
  const isAdmin = readFlag(shape, 'isAdmin');
  const named = readMember(shape, 'tables');
  const tables = named === undefined ? [] : Object.entries(requireObject(named, 'tables'));
  if (origin === 'written' && tables.length > MAX_TABLES) {
    throw new PermissionsError('too_large', `Permissions may name at most ${MAX_TABLES} tables.`);
  }
  const written = tables.map(([id, flags]) => readTable(requireTableId(id), flags, options));
  refuseBelowAll(written);
  if (isAdmin) {
    for (const { id, limited } of written) if (limited !== 0) throw takesNothingAway(id, limited, 'admin');
    return EVERYTHING;
  }
  const denied = written.filter((table) => table.denied !== 0);
  return withDenied(
    createPermissions(written.flatMap(({ rights }) => rights)),
    new Map(denied.map((table) => [table.id, table.denied])),
  );
}

/** The same from JSON text, which is read more strictly: an object that has a name twice is refused. */
export function parsePermissionsText(text: string, options: ParseOptions): Permissions {
  return parsePermissions(parseJsonText(text), options);
}

interface WrittenTable {
  readonly id: string;
  readonly rights: readonly Right[];
  /** Actions that are allowed without limits. */
  readonly whole: ActionMask;
  /** Actions that are allowed with limits. */
  readonly limited: ActionMask;
  /** Actions that are written as `false`. */
  readonly denied: ActionMask;
}

function readTable(id: string, value: unknown, options: ParseOptions): WrittenTable {
  const flags = requireObject(value, `Table ${quoteName(id)}`);
  requireKnownNames(flags, ACTIONS, options);
  let [whole, limited, denied] = [0, 0, 0];
  const rights: Right[] = [];
  for (const action of ACTIONS) {
    const bit = toBit(action);
    const flag = readMember(flags, action);
    if (options.limits && typeof flag === 'object') {
      for (const limit of readLimits(id, action, flag, options.limits)) rights.push([id, bit, limit]);
      limited |= bit;
    } else if (readFlag(flags, action)) whole |= bit;
    else if (flag === false) denied |= bit;
  }
  return { id, rights: [[id, whole], ...rights], whole, limited, denied };
}

function readLimits(table: string, action: Action, value: unknown, options: LimitOptions): Alternative[] {
  const list = Array.isArray(value) ? value : [value];
  requireFewAlternatives(list.length);
  const alternatives = list.map((each) => {
    const json = requireObject(each, `${action} of ${quoteName(table)}`);
    requireKnownNames(json, LIMIT_MEMBERS, { unknownFlags: 'refuse' });
    return requireLimit(readLimit(json, options), table, action);
  });
  if (alternatives.length > 0) return alternatives;
  throw new PermissionsError('malformed', `${action} of ${quoteName(table)} must not be an empty list.`);
}

/** @throws PermissionsError malformed for a limit that does not limit, or that makes no sense for what it limits */
export function requireLimit(limit: Alternative, table: string, action: Action): Alternative {
  if (limit.isUnlimited) throw new PermissionsError('malformed', 'A limit must have columns or rows.');
  if (table === ALL_TABLES) {
    throw new PermissionsError(
      'malformed',
      'Rights to * cannot be limited: its tables have no columns in common.',
    );
  }
  if (action === 'delete' && limit.columns) {
    throw new PermissionsError(
      'malformed',
      'A row is deleted whole: give delete in a right of its own, without columns.',
    );
  }
  return limit;
}

/** @throws PermissionsError malformed */
function refuseBelowAll(tables: readonly WrittenTable[]): void {
  const all = tables.find(({ id }) => id === ALL_TABLES)?.whole ?? 0;
  for (const { id, limited, denied } of tables) {
    const vain = all & (limited | denied);
    if (vain !== 0) throw takesNothingAway(id, vain, ALL_TABLES);
  }
}

function readFlag(flags: JsonObject, name: string): boolean {
  const flag = readMember(flags, name);
  if (flag === undefined) return false;
  if (typeof flag === 'boolean') return flag;
  const isLimit = typeof flag === 'object' && flag !== null;
  const instead = isLimit ? ': for limits use authorization_details of the type table_access_set' : '';
  throw new PermissionsError('malformed', `${name} must be true or false${instead}.`);
}

function requireKnownNames(
  value: object,
  known: readonly string[],
  { unknownFlags }: Pick<ParseOptions, 'unknownFlags'>,
): void {
  if (unknownFlags === 'ignore') return;
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new PermissionsError('malformed', `${quoteName(unknown)} is not one of ${known.join(', ')}.`);
}

/** Every table with all four flags, of which none is true where the right has limits; admin has no tables. */
export function toPermissionsJson(permissions: Permissions): PermissionsJson {
  // Object.fromEntries defines each key as an own property, where an assignment could reach a setter of the prototype.
  const tables = Object.fromEntries(
    Array.from(namedMasks(permissions), ([table, mask]) => [table, toFlags(mask)]),
  );
  return { isAdmin: permissions.isAdmin, tables };
}

/** The same for tokens, which have little room: only what is true. */
export function toCompactJson(permissions: Permissions): {
  isAdmin?: true;
  tables?: Record<string, Partial<Record<Action, true>>>;
} {
  if (permissions.isAdmin) return { isAdmin: true };
  return {
    tables: Object.fromEntries(
      Array.from(namedMasks(permissions), ([table, mask]) => [
        table,
        Object.fromEntries(toActions(mask).map((action) => [action, true])),
      ]),
    ),
  };
}

function toFlags(mask: ActionMask): Record<Action, boolean> {
  return {
    create: (mask & toBit('create')) !== 0,
    read: (mask & toBit('read')) !== 0,
    update: (mask & toBit('update')) !== 0,
    delete: (mask & toBit('delete')) !== 0,
  };
}

/** A flag as apply files have it. */
export type WrittenFlag = boolean | LimitJson | LimitJson[];

/** As people write them: tables and flags that give nothing are left out. */
export function toWritten(permissions: Permissions): {
  isAdmin?: true;
  tables?: Record<string, Partial<Record<Action, WrittenFlag>>>;
} {
  if (permissions.isAdmin) return { isAdmin: true };
  const names = [...permissions.masks.keys(), ...permissions.limits.keys()].sort();
  const tables = [...(permissions.all === 0 ? [] : [ALL_TABLES]), ...new Set(names)];
  return { tables: Object.fromEntries(tables.map((table) => [table, toWrittenFlags(permissions, table)])) };
}

function toWrittenFlags(permissions: Permissions, table: string): Partial<Record<Action, WrittenFlag>> {
  return Object.fromEntries(
    ACTIONS.flatMap((action): [Action, WrittenFlag][] => {
      const cell = permissions.cell(table, action);
      if (cell.length === 0) return [];
      if (permissions.allows(table, action)) return [[action, true]];
      const limits = cell.map(toLimitJson);
      return [[action, limits.length === 1 ? (limits[0] as LimitJson) : limits]];
    }),
  );
}
