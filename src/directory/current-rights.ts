/** What is left of a token's rights after something above it shrank: stored ∩ current. */
import { intersect, isEmpty } from '../permissions/permissions.ts';
import { fromStored, toStored } from '../permissions/stored.ts';
import type { Rights } from '../registry/registry.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';
import type { Directory } from './directory.ts';
import { findRights } from './rights.ts';
import type { Users } from './users.ts';

/** Scopes of OpenID Connect say who somebody is; rights over a resource do not touch them. */
const IDENTITY_SCOPES = ['openid', 'profile', 'email', 'offline_access'];

/**
 * @returns a function that gives the rights left, or undefined: somebody or something above is gone or disabled, or
 *   nothing is left of permissions that were there
 */
export function createRecompute({
  directory,
  users,
}: {
  directory: Directory;
  users: Pick<Users, 'findBySubject'>;
}): (row: TokenRow | LoginRow) => Promise<Rights | undefined> {
  return async (row) => {
    const view = await directory.view();
    const client = await view.findApplicationById(row.application);
    if (!client) return undefined;
    const user = row.user === undefined ? undefined : await users.findBySubject(row.subject);
    if (row.user !== undefined && !user) return undefined;
    if (row.resource === undefined) return { scope: row.scope, permissions: row.permissions };
    const resource = await view.findResource(row.resource);
    const rights = resource && (await findRights(view, client.application, resource, user));
    if (!rights) return undefined;
    const stored = fromStored(row.permissions);
    const left = intersect(stored, rights.permissions);
    if (isEmpty(left) && !isEmpty(stored)) return undefined;
    const scope = row.scope
      .split(' ')
      .filter((name) => IDENTITY_SCOPES.includes(name) || rights.scopes.has(name))
      .join(' ');
    return { scope, permissions: toStored(left) };
  };
}
