/** Rights over the administration of the server that are limited to an organization: they name it, and end with it. */
import { eachNoun } from '../directory/collections.ts';
import { adminIdentifier, isBuiltIn, MANAGEMENT } from '../nouns/built-in.ts';
import type { Application, Role } from '../nouns/index.ts';
import { MANAGEMENT_ID } from '../nouns/names.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import { withoutOrganization } from '../rights/administration.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** @returns the same object if they do not name the organization */
function without(name: string, stored: StoredPermissions): StoredPermissions {
  const before = fromStored(stored);
  const left = withoutOrganization(before, name);
  return left === before ? stored : toStored(left);
}

/** Gives the roles that change, as they are without such rights. */
export async function* rolesWithout(name: string, store: DirectoryStore): AsyncGenerator<Role> {
  for await (const role of eachNoun(store.roles, MANAGEMENT_ID)) {
    const permissions = without(name, role.permissions);
    if (permissions !== role.permissions && !isBuiltIn(role)) yield { ...role, permissions };
  }
}

/** As `rolesWithout`, for applications. */
export async function* applicationsWithout(
  name: string,
  store: DirectoryStore,
  issuer: string,
): AsyncGenerator<Application> {
  const resource = adminIdentifier(MANAGEMENT, issuer);
  for await (const application of eachNoun(store.applications, MANAGEMENT_ID)) {
    const ceilings = application.ceilings.map((ceiling) =>
      ceiling.resource === resource
        ? { ...ceiling, permissions: without(name, ceiling.permissions) }
        : ceiling,
    );
    const isSame = ceilings.every(
      ({ permissions }, index) => permissions === application.ceilings[index]?.permissions,
    );
    if (!isSame && !isBuiltIn(application)) yield { ...application, ceilings };
  }
}
