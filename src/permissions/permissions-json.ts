/** Permissions as the JSON object of our own APIs and tokens: `{"isAdmin": false, "tables": {...}}`. */
import { ACTIONS, type Action, type ActionMask, toBit } from './actions.ts';
import { PermissionsError, quoteName } from './errors.ts';
import {
  type JsonObject,
  MAX_TABLES,
  parseJsonText,
  readMember,
  requireObject,
  requirePlainJson,
} from './json.ts';
import { createPermissions, EVERYTHING, type Permissions } from './permissions.ts';
import { requireTableId } from './table-ids.ts';

export interface ParseOptions {
  /** Members with names we do not know: refused on our own endpoints, ignored where an older API ignored them. */
  readonly unknownFlags: 'refuse' | 'ignore';
}

export interface PermissionsJson {
  isAdmin: boolean;
  tables: Record<string, Record<Action, boolean>>;
}

/**
 * Reads `{"isAdmin": false, "tables": {"<table id>": {"create": true, "read": true, "update": true, "delete": false}}}`
 * from a value that JSON was parsed into. A missing flag is false, missing tables mean no tables; what is there must be a
 * boolean. Beside `isAdmin: true` the tables are checked and add nothing. Throws `PermissionsError` (malformed, too_large).
 */
export function parsePermissions(json: unknown, options: ParseOptions): Permissions {
  requirePlainJson(json);
  const shape = requireObject(json, 'Permissions');
  requireKnownNames(shape, ['isAdmin', 'tables'], options);
  const isAdmin = readFlag(shape, 'isAdmin');
  const named = readMember(shape, 'tables');
  const tables = named === undefined ? [] : Object.entries(requireObject(named, 'tables'));
  if (tables.length > MAX_TABLES) {
    throw new PermissionsError('too_large', `Permissions may name at most ${MAX_TABLES} tables.`);
  }
  const cells = tables.map(([id, flags]) => [requireTableId(id), readFlags(id, flags, options)] as const);
  return isAdmin ? EVERYTHING : createPermissions(cells);
}

/** The same from JSON text, which is read more strictly: an object that has a name twice is refused. */
export function parsePermissionsText(text: string, options: ParseOptions): Permissions {
  return parsePermissions(parseJsonText(text), options);
}

function readFlags(table: string, value: unknown, options: ParseOptions): ActionMask {
  const flags = requireObject(value, `Table ${quoteName(table)}`);
  requireKnownNames(flags, ACTIONS, options);
  return ACTIONS.reduce((mask, action) => (readFlag(flags, action) ? mask | toBit(action) : mask), 0);
}

function readFlag(flags: JsonObject, name: string): boolean {
  const flag = readMember(flags, name);
  if (flag === undefined) return false;
  if (typeof flag !== 'boolean') throw new PermissionsError('malformed', `${name} must be true or false.`);
  return flag;
}

function requireKnownNames(value: object, known: readonly string[], { unknownFlags }: ParseOptions): void {
  if (unknownFlags === 'ignore') return;
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new PermissionsError('malformed', `${quoteName(unknown)} is not one of ${known.join(', ')}.`);
}

/** Every table with all four flags; admin has no tables. */
export function toPermissionsJson(permissions: Permissions): PermissionsJson {
  // Object.fromEntries defines each key as an own property, where an assignment could reach a setter of the prototype.
  const tables = Object.fromEntries(Array.from(permissions.masks, ([table, mask]) => [table, toFlags(mask)]));
  return { isAdmin: permissions.isAdmin, tables };
}

function toFlags(mask: ActionMask): Record<Action, boolean> {
  return {
    create: (mask & toBit('create')) !== 0,
    read: (mask & toBit('read')) !== 0,
    update: (mask & toBit('update')) !== 0,
    delete: (mask & toBit('delete')) !== 0,
  };
}
