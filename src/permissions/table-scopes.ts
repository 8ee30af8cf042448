/** Permissions on tables as plain scopes: `<table id>:<action>`, `*:<action>` and `*:admin`. */
import { ACTION_WORDS, ACTIONS, type Action, type ActionMask, toActions, toBit } from './actions.ts';
import type { Catalogue } from './catalogue.ts';
import { PermissionsError, quoteName } from './errors.ts';
import { MAX_TABLES } from './json.ts';
import { createPermissions, EVERYTHING, namedMasks, type Permissions } from './permissions.ts';
import { ALL_TABLES, requireTableId, toGroup } from './table-ids.ts';

export const ADMIN_SCOPE = '*:admin';
const MAX_TABLE_SCOPES = MAX_TABLES * ACTIONS.length;

/** The scopes of a parameter, claim or row (RFC 6749 section 3.3); none where it is not a text. */
export function scopesOf(scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter((each) => each !== '') : [];
}

export interface SplitScopes {
  /** Undefined when no scope asked for tables, which is not the same as asking for nothing. */
  readonly permissions: Permissions | undefined;
  /** All other scopes, in their order. */
  readonly rest: string[];
}

/**
 * Takes the scopes that ask for tables out of a request's scopes: `<table id>:<action>`, the id percent-encoded and the
 * action behind the last colon, the same of a group (`@sales:read`) and of every table (`*:read`), and `*:admin`. A scope that a resource declares (`isKnownScope`) is never a table
 * scope, and neither is one that does not end in an action. Throws `PermissionsError`: malformed for broken
 * percent-encoding or an impossible table id, too_large for too many of them.
 */
export function splitTableScopes(
  scopes: readonly string[],
  isKnownScope: (scope: string) => boolean,
): SplitScopes {
  const rest: string[] = [];
  const cells: (readonly [table: string, mask: ActionMask])[] = [];
  let isAdmin = false;
  for (const scope of scopes) {
    const { encoded, action } = splitScope(scope);
    const bit = toBit(action);
    if (isKnownScope(scope)) rest.push(scope);
    else if (scope === ADMIN_SCOPE) isAdmin = true;
    else if (bit === 0) rest.push(scope);
    else cells.push([decodeTableId(encoded), bit]);
    if (cells.length > MAX_TABLE_SCOPES) {
      throw new PermissionsError('too_large', `There may be at most ${MAX_TABLE_SCOPES} scopes for tables.`);
    }
  }
  if (isAdmin) return { permissions: EVERYTHING, rest };
  return { permissions: cells.length > 0 ? createPermissions(cells) : undefined, rest };
}

/** Splits at the last colon; a scope without a colon does not name a table or an action. */
function splitScope(scope: string): { readonly encoded: string; readonly action: string } {
  const colon = scope.lastIndexOf(':');
  if (colon === -1) return { encoded: '', action: '' };
  return { encoded: scope.slice(0, colon), action: scope.slice(colon + 1) };
}

function namesTable(encoded: string, { tables, groups }: Catalogue): boolean {
  const id = findDecoded(encoded);
  if (id === undefined) return false;
  const group = toGroup(id);
  return id === ALL_TABLES || (group === undefined ? tables.has(id) : groups.has(group));
}

/**
 * Whether a scope is spelled as one for the tables of a resource. An open catalogue accepts every table name, so every
 * scope that ends in an action is a table scope of it.
 */
export function isTableScope(scope: string, catalogue: Catalogue): boolean {
  if (scope === ADMIN_SCOPE) return true;
  const { encoded, action } = splitScope(scope);
  return toBit(action) !== 0 && (catalogue.isOpen || namesTable(encoded, catalogue));
}

/**
 * The permissions that one scope asks for; undefined if it is not a table scope of the resource.
 * @throws PermissionsError (malformed) for an unknown action on a table, and for an id that no table can have
 */
export function readTableScope(scope: string, catalogue: Catalogue): Permissions | undefined {
  if (scope === ADMIN_SCOPE) return EVERYTHING;
  const { encoded, action } = splitScope(scope);
  if (isTableScope(scope, catalogue)) return createPermissions([[decodeTableId(encoded), toBit(action)]]);
  if (!namesTable(encoded, catalogue)) return undefined;
  throw new PermissionsError(
    'malformed',
    `Unknown action ${quoteName(action)} in a scope for a table. Use ${ACTION_WORDS}.`,
  );
}

function findDecoded(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function decodeTableId(encoded: string): string {
  const id = findDecoded(encoded);
  if (id === ALL_TABLES && encoded !== id) {
    throw new PermissionsError('malformed', 'A scope for every table is spelled with a plain *.');
  }
  if (id !== undefined) return requireTableId(id);
  throw new PermissionsError('malformed', `The scope for ${quoteName(encoded)} has broken percent-encoding.`);
}

/**
 * The scopes that ask for all that is allowed without limits; every one is a valid scope token (RFC 6749 section 3.3).
 */
export function toTableScopes(permissions: Permissions): string[] {
  if (permissions.isAdmin) return [ADMIN_SCOPE];
  return [...namedMasks(permissions)].flatMap(([table, mask]) =>
    toActions(mask).map((action) => toTableScope(table, action)),
  );
}

/** @param table an id, `@` and the name of a group, or `*`, which percent-encoding leaves as it is */
export function toTableScope(table: string, action: Action): string {
  return `${encodeURIComponent(table.toWellFormed())}:${action}`;
}
