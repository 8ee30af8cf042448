/**
 * Which scopes of an authorization request can be given. The rest are left out, because clients ask for what their
 * library or another server knows; `leftOut` reports that, so that the rest never passes for "nothing asked".
 */

import { catalogueOf, type Resource } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import {
  beyondAllowed,
  createPermissions,
  EVERYTHING,
  intersect,
  isEmpty,
  isNone,
  type Permissions,
  type Right,
  rightsOf,
} from '../permissions/permissions.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import { ALL_TABLES } from '../permissions/table-ids.ts';
import { readTableScope, type SplitScopes } from '../permissions/table-scopes.ts';

export interface ScopeLimits {
  /** Undefined: the request has no resource, so it can only ask who the person is. */
  readonly resource: Pick<Resource, 'tables' | 'catalogue'> | undefined;
  /** The rights that the application may have at the resource. */
  readonly rights: { readonly scopes: ReadonlySet<string>; readonly permissions: Permissions } | undefined;
  /** Whether a resource of the application declares a scope. */
  readonly isDeclared: (scope: string) => boolean;
  /** Whether the application may use refresh tokens. */
  readonly mayRefresh: boolean;
}

export interface SortedScopes extends SplitScopes {
  /** As `permissions`, with the tables that were named beside `*:admin` and beside all (`*`). */
  readonly tables: StoredPermissions | undefined;
  readonly leftOut: boolean;
}

/** @throws PermissionsError for a table scope with an unknown action, or for a table that cannot exist */
export function sortScopes(scopes: readonly string[], limits: ScopeLimits): SortedScopes {
  const { resource, rights, isDeclared, mayRefresh } = limits;
  const catalogue = resource && catalogueOf(resource);
  const readTables = (scope: string): Permissions | undefined => {
    if (!catalogue || isDeclared(scope)) return undefined;
    const tables = readTableScope(scope, catalogue);
    return tables && withinCatalogue(tables, catalogue);
  };

  const rest: string[] = [];
  const given: Permissions[] = [];
  let leftOut = false;
  for (const scope of scopes) {
    const tables = readTables(scope);
    if (scope === 'offline_access') {
      // Does not count as left out: the scope is not about tables.
      if (mayRefresh) rest.push(scope);
    } else if (isOpenIdScope(scope) || rights?.scopes.has(scope)) rest.push(scope);
    else if (tables && rights && isHeld(tables, rights.permissions)) given.push(tables);
    else leftOut = true;
  }
  if (given.length === 0) return { rest, permissions: undefined, tables: undefined, leftOut };
  const named = given.flatMap((each) => [...rightsOf(each)]);
  const tables = storeSideBySide(named, given.includes(EVERYTHING));
  return { rest, permissions: fromStored(tables), tables, leftOut };
}

/** Whether there is some of each of these rights; a group without tables has none. */
function isHeld(asked: Permissions, held: Permissions): boolean {
  return !isEmpty(asked) && isNone(beyondAllowed(asked, held));
}

/** Tables that are named stay although admin or `*` covers them: a person may hold them only. */
function storeSideBySide(rights: readonly Right[], isAdmin: boolean): StoredPermissions {
  const ofAll = rights.filter(([table]) => table === ALL_TABLES);
  const others = rights.filter(([table]) => table !== ALL_TABLES);
  const tables = [ofAll, others].flatMap((each) => toStored(createPermissions(each)).tables);
  return { isAdmin, tables };
}

/** The part of what was asked for as scopes that the person has; the same object if the person has some of each. */
export function tablesHeld(asked: StoredPermissions, held: Permissions): StoredPermissions {
  if (isNone(beyondAllowed(fromStored(asked), held))) return asked;
  const named = asked.tables.filter(({ table }) => table !== ALL_TABLES);
  const all = fromStored({ ...asked, isAdmin: false }).all & held.maskOf(ALL_TABLES);
  const left = intersect(fromStored({ isAdmin: false, tables: named }), held);
  return storeSideBySide([[ALL_TABLES, all], ...rightsOf(left)], asked.isAdmin && held.isAdmin);
}
