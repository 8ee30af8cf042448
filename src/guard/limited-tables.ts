/** Which tables the rights of today limit to some rows or columns. */
import { eachListed, eachNoun } from '../directory/collections.ts';
import { catalogueOf, type Resource } from '../nouns/index.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import { fromStored, type StoredPermissions } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';

type Held = Pick<DirectoryStore, 'roles' | 'applications' | 'connections'>;

/**
 * Of all roles, ceilings and connections of the resource, also of disabled ones: enabling one must not need another migration.
 * @returns ids of tables
 */
export async function findLimitedTables(store: Held, resource: Resource): Promise<ReadonlySet<string>> {
  const catalogue = catalogueOf(resource);
  const limited = new Set<string>();
  for await (const stored of eachRight(store, resource)) {
    for (const table of withinCatalogue(fromStored(stored), catalogue).limits.keys()) limited.add(table);
  }
  return limited;
}

async function* eachRight(
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
