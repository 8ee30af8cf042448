/** Roles that are changed through an API: what one allows grows or shrinks by some cells. */

import { findListed } from '../directory/collections.ts';
import { PermissionsNotAllowed } from '../errors/domain.ts';
import { catalogueOf, type Organization, type Resource, type Role } from '../nouns/index.ts';
import { toActions, toBit } from '../permissions/actions.ts';
import { expandGroups } from '../permissions/catalogue.ts';
import { containsCell, WHOLE } from '../permissions/limits.ts';
import {
  contains,
  createPermissions,
  describeDifference,
  difference,
  intersect,
  isEmpty,
  listCells,
  NOTHING,
  type Permissions,
  type Right,
  rightsOf,
  union,
} from '../permissions/permissions.ts';
import { fromStored, toStored } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import type { Author } from './author.ts';
import type { Changes } from './changes.ts';

export type RoleChanges = ReturnType<typeof createRoleChanges>;

/** What is left of a set without the cells of another. @throws PermissionsNotAllowed for admin, which has no cells */
function without(permissions: Permissions, removed: Permissions, resource: Resource): Permissions {
  if (removed.isAdmin) return NOTHING;
  if (isEmpty(removed)) return permissions;
  if (permissions.isAdmin) {
    throw new PermissionsNotAllowed({ description: 'Admin can be taken away only as a whole.' });
  }
  const left = createPermissions(
    [...rightsOf(permissions)].map(([name, mask, limit]): Right => {
      const taken = toActions(mask).filter((action) =>
        containsCell(removed.cell(name, action), limit ? [limit] : WHOLE),
      );
      return [name, taken.reduce((kept, action) => kept & ~toBit(action), mask), limit];
    }),
  );
  // Nothing is subtracted from a right that covers more than the name.
  const still = intersect(expandGroups(left, catalogueOf(resource)), removed);
  if (isEmpty(still)) return left;
  throw new PermissionsNotAllowed({
    description: `The role would still allow ${listCells(difference(still, NOTHING).cells)}, through a right that covers more: change that right.`,
  });
}

export function createRoleChanges({
  store,
  changes,
}: {
  readonly store: Pick<DirectoryStore, 'roles'>;
  readonly changes: Pick<Changes, 'roles'>;
}) {
  const replace = (role: Role, permissions: Permissions, author: Author): Promise<Role> =>
    changes.roles.replace({ ...role, permissions: toStored(permissions) }, author);

  return {
    /** @param name `default` is the one that everybody gets who registers, unless one is called so */
    async find({ id }: Organization, name: string): Promise<Role | undefined> {
      const named = await store.roles.findBy('name', `${id}/${name}`);
      if (named || name !== 'default') return named;
      return findListed(store.roles, 'default', id);
    },

    permissionsOf: ({ permissions }: Role): Permissions => fromStored(permissions),

    /**
     * @param within what the caller may do: a caller cannot give what they do not have (MT-05)
     * @throws PermissionsNotAllowed; VersionConflict
     */
    async allow(role: Role, added: Permissions, within: Permissions, author: Author): Promise<Role> {
      if (!contains(within, added)) {
        throw new PermissionsNotAllowed({ description: describeDifference(difference(added, within)) });
      }
      return replace(role, union(fromStored(role.permissions), added), author);
    },

    /**
     * @param resource that of the role
     * @throws PermissionsNotAllowed, also for what `*`, a group or a wider right would still allow; VersionConflict
     */
    async disallow(role: Role, resource: Resource, removed: Permissions, author: Author): Promise<Role> {
      return replace(role, without(fromStored(role.permissions), removed, resource), author);
    },
  };
}
