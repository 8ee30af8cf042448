import { ACTIONS, type ActionMask, toActions, toBit } from './actions.ts';
import { PermissionsError, quoteName } from './errors.ts';
import { MAX_TABLES } from './json.ts';
import { createPermissions, EVERYTHING, type Permissions } from './permissions.ts';
import { requireTableId } from './table-ids.ts';

const ADMIN_SCOPE = '*:admin';
const MAX_TABLE_SCOPES = MAX_TABLES * ACTIONS.length;

export interface SplitScopes {
  /** Undefined when no scope asked for tables, which is not the same as asking for nothing. */
  readonly permissions: Permissions | undefined;
  /** All other scopes, in their order. */
  readonly rest: string[];
}

/**
 * Takes the scopes that ask for tables out of a request's scopes: `<table id>:<action>`, the id percent-encoded and the
 * action behind the last colon, and `*:admin`. A scope that the resource or application declares (`isKnownScope`) is
 * theirs, however it looks; one that ends in no action is not ours either. Throws `PermissionsError`: malformed for broken
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
    const colon = scope.lastIndexOf(':');
    const bit = colon < 0 ? 0 : toBit(scope.slice(colon + 1));
    if (isKnownScope(scope)) rest.push(scope);
    else if (scope === ADMIN_SCOPE) isAdmin = true;
    else if (bit === 0) rest.push(scope);
    else cells.push([decodeTableId(scope.slice(0, colon)), bit]);
    if (cells.length > MAX_TABLE_SCOPES) {
      throw new PermissionsError('too_large', `There may be at most ${MAX_TABLE_SCOPES} scopes for tables.`);
    }
  }
  if (isAdmin) return { permissions: EVERYTHING, rest };
  return { permissions: cells.length > 0 ? createPermissions(cells) : undefined, rest };
}

function decodeTableId(encoded: string): string {
  let id: string;
  try {
    id = decodeURIComponent(encoded);
  } catch {
    throw new PermissionsError(
      'malformed',
      `The scope for ${quoteName(encoded)} has broken percent-encoding.`,
    );
  }
  return requireTableId(id);
}

/** The scopes that ask for exactly these permissions; every one is a valid scope token (RFC 6749 section 3.3). */
export function toTableScopes(permissions: Permissions): string[] {
  if (permissions.isAdmin) return [ADMIN_SCOPE];
  return [...permissions.masks].flatMap(([table, mask]) =>
    toActions(mask).map((action) => `${encodeURIComponent(table)}:${action}`),
  );
}
