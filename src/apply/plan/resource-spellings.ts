/**
 * `https://host` and `https://host/` name the same resource. An apply file may use both; the plan uses one: the
 * spelling of the store, which is the `aud` of tokens that live, else the one with which the file defines the resource.
 */

import { findResourceSpelled } from '../../directory/collections.ts';
import { canonicalIdentifier } from '../../permissions/resource-identifiers.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { ApplyFile, ApplyOrganization } from '../schema.ts';

type Respell = (identifier: string) => string;

/** With each identifier of a resource in it as `respell` says. */
function respelled(organization: ApplyOrganization, respell: Respell): ApplyOrganization {
  const { resources, roles, applications, connections } = organization;
  const withResource = <T extends { resource?: string }>(noun: T): T =>
    noun.resource === undefined ? noun : { ...noun, resource: respell(noun.resource) };
  const byResource = <T>(values: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(values).map(([identifier, value]) => [respell(identifier), value]));
  return {
    ...organization,
    ...defined({
      resources: resources?.map((each) => ({ ...each, identifier: respell(each.identifier) })),
      roles: roles?.map((each) => ({
        ...withResource(each),
        ...defined({ mayGrant: each.mayGrant && byResource(each.mayGrant) }),
      })),
      connections: connections?.map(withResource),
      applications: applications?.map((each) => ({
        ...withResource(each),
        ...defined({
          resources: each.resources && byResource(each.resources),
          introspects: each.introspects && [...new Set(each.introspects.map(respell))],
        }),
      })),
    }),
  };
}

/** The file with one spelling for each resource. */
export async function respellResources(
  file: ApplyFile,
  store: Pick<DirectoryStore, 'resources'>,
): Promise<ApplyFile> {
  const { organizations } = file;
  if (!organizations) return file;
  const spellings = new Map<string, string>();
  // The definitions of all organizations come before the references to them.
  const defined = organizations.flatMap(({ resources = [] }) =>
    resources.map(({ identifier }) => identifier),
  );
  const named: string[] = [];
  const collect: Respell = (identifier) => {
    named.push(identifier);
    return identifier;
  };
  for (const organization of organizations) respelled(organization, collect);
  for (const identifier of [...defined, ...named]) {
    const canonical = canonicalIdentifier(identifier);
    if (spellings.has(canonical)) continue;
    const stored = await findResourceSpelled(store, identifier);
    spellings.set(canonical, stored?.identifier ?? identifier);
  }
  const respell: Respell = (identifier) => spellings.get(canonicalIdentifier(identifier)) ?? identifier;
  return {
    ...file,
    organizations: organizations.map((organization) => respelled(organization, respell)),
  };
}
