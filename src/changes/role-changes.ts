/** Roles that are changed through an API: what one allows grows or shrinks by some cells. */

import { findListed } from '../directory/collections.ts';
import { PermissionsNotAllowed } from '../errors/domain.ts';
import type { Organization, Role } from '../nouns/index.ts';
import {
  contains,
  createPermissions,
  describeDifference,
  difference,
  isEmpty,
  NOTHING,
  type Permissions,
  union,
} from '../permissions/permissions.ts';
import { fromStored, toStored } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Author } from './author.ts';
import type { Changes } from './changes.ts';

export interface RoleChanges {
  /** @param name `default` is the one that everybody gets who registers, unless one is called so */
  find(organization: Organization, name: string): Promise<Role | undefined>;
  permissionsOf(role: Role): Permissions;
  /**
   * @param within what the caller may do: a caller cannot give what they do not have (MT-05)
   * @throws PermissionsNotAllowed; VersionConflict
   */
  allow(role: Role, added: Permissions, within: Permissions, author: Author): Promise<Role>;
  /** @throws PermissionsNotAllowed, VersionConflict */
  disallow(role: Role, removed: Permissions, author: Author): Promise<Role>;
}

/** What is left of a set without the cells of another. @throws PermissionsNotAllowed for admin, which has no cells */
function without(permissions: Permissions, removed: Permissions): Permissions {
  if (removed.isAdmin) return NOTHING;
  if (permissions.isAdmin && !isEmpty(removed)) {
    throw new PermissionsNotAllowed({ description: 'Admin can be taken away only as a whole.' });
  }
  return createPermissions(
    [...permissions.masks].map(([table, mask]) => [table, mask & ~(removed.masks.get(table) ?? 0)]),
  );
}

export function createRoleChanges({
  store,
  changes,
}: {
  readonly store: Pick<DirectoryStore, 'roles'>;
  readonly changes: Pick<Changes, 'roles'>;
}): RoleChanges {
  const replace = (role: Role, permissions: Permissions, author: Author): Promise<Role> =>
    changes.roles.replace({ ...role, permissions: toStored(permissions) }, author);

  return {
    async find({ id }, name) {
      const named = await store.roles.findBy('name', `${id}/${name}`);
      if (named || name !== 'default') return named;
      return findListed(store.roles, 'default', id);
    },
    permissionsOf: ({ permissions }) => fromStored(permissions),
    async allow(role, added, within, author) {
      if (!contains(within, added)) {
        throw new PermissionsNotAllowed({ description: describeDifference(difference(added, within)) });
      }
      return replace(role, union(fromStored(role.permissions), added), author);
    },
    disallow: (role, removed, author) =>
      replace(role, without(fromStored(role.permissions), removed), author),
  };
}
