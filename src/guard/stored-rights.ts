/** The rights that the store has for a resource today: of all roles, ceilings and connections. */
import { eachListed, eachNoun } from '../directory/collections.ts';
import { catalogueOf, type Resource } from '../nouns/index.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { fromStored, type StoredPermissions } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';

type Held = Pick<DirectoryStore, 'roles' | 'applications' | 'connections'>;

/** @returns ids of the tables that some of them limit to some rows or columns */
export async function findLimitedTables(store: Held, resource: Resource): Promise<ReadonlySet<string>> {
  const limited = new Set<string>();
  for await (const { limits } of eachRight(store, resource)) {
    for (const table of limits.keys()) limited.add(table);
  }
  return limited;
}

/** With tables in place of groups. Also of what is disabled: enabling it must not need another migration. */
export async function* eachRight(store: Held, resource: Resource): AsyncGenerator<Permissions> {
  const catalogue = catalogueOf(resource);
  for await (const stored of eachStored(store, resource))
    yield withinCatalogue(fromStored(stored), catalogue);
}

async function* eachStored(
  { roles, applications, connections }: Held,
  { identifier, organization, registeredBy }: Resource,
): AsyncGenerator<StoredPermissions> {
  for await (const { permissions } of eachListed(roles, 'resource', identifier)) yield permissions;
  for await (const { permissions } of eachListed(connections, 'resource', identifier)) yield permissions;
  for await (const application of eachNoun(applications, organization)) {
    for (const { resource, permissions } of application.ceilings)
      if (resource === identifier) yield permissions;
    if (application.registeredCeiling && application.id === registeredBy) yield application.registeredCeiling;
  }
}
