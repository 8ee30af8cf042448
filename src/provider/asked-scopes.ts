/**
 * Which scopes of an authorization request can be given. The rest are left out, because clients ask for what their
 * library or another server knows; `leftOut` reports that, so that the rest never passes for "nothing asked".
 */

import { catalogueOf, type Resource } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import {
  contains,
  createPermissions,
  EVERYTHING,
  namedMasks,
  type Permissions,
} from '../permissions/permissions.ts';
import { type StoredPermissions, toStored } from '../permissions/stored.ts';
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

export interface AskedScopes extends SplitScopes {
  /** As `permissions`, plus the tables that were named beside `*:admin`. */
  readonly tables: StoredPermissions | undefined;
  readonly leftOut: boolean;
}

/** @throws PermissionsError for a table scope with an unknown action, or for a table that cannot exist */
export function sortScopes(scopes: readonly string[], limits: ScopeLimits): AskedScopes {
  const { resource, rights, isDeclared, mayRefresh } = limits;
  const catalogue = resource && catalogueOf(resource);
  const readTables = (scope: string): Permissions | undefined =>
    catalogue && !isDeclared(scope) ? readTableScope(scope, catalogue) : undefined;

  const rest: string[] = [];
  const given: Permissions[] = [];
  let leftOut = false;
  for (const scope of scopes) {
    const tables = readTables(scope);
    if (scope === 'offline_access') {
      // Does not count as left out: the scope is not about tables.
      if (mayRefresh) rest.push(scope);
    } else if (isOpenIdScope(scope) || rights?.scopes.has(scope)) rest.push(scope);
    else if (tables && rights && contains(rights.permissions, tables)) given.push(tables);
    else leftOut = true;
  }
  if (given.length === 0) return { rest, permissions: undefined, tables: undefined, leftOut };
  const isAdmin = given.includes(EVERYTHING);
  const named = createPermissions(given.flatMap((each) => [...namedMasks(each)]));
  return {
    rest,
    permissions: isAdmin ? EVERYTHING : named,
    tables: { ...toStored(named), isAdmin },
    leftOut,
  };
}
