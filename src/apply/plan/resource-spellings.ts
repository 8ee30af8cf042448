/**
 * `https://host` and `https://host/` name the same resource. Apply files and requests may use both; a plan uses one: the
 * spelling of the store, which is the `aud` of tokens that live, else the one with which the file defines the resource.
 */

import { findResourceSpelled } from '../../directory/collections.ts';
import { canonicalIdentifier } from '../../permissions/resource-identifiers.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import { isGroup } from '../entries.ts';
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

/** Members of entries that name resources, beside `introspects`, which is a list. */
const NAMES = ['identifier', 'resource'];
const BY_NAME = ['resources', 'mayGrant'];

/**
 * One entry, or a merge patch of one, with the spellings of the store. What is not of the right type stays: the schema refuses it.
 * @param entry of a resource, role, application or connection
 */
export async function respellEntry<T extends Readonly<Record<string, unknown>>>(
  entry: T,
  store: Pick<DirectoryStore, 'resources'>,
): Promise<T> {
  const respell = async <V>(named: V): Promise<V | string> =>
    typeof named === 'string' ? ((await findResourceSpelled(store, named))?.identifier ?? named) : named;
  const members = Object.entries(entry).map(async ([key, value]) => {
    if (NAMES.includes(key)) return [key, await respell(value)];
    if (BY_NAME.includes(key) && isGroup(value)) {
      const named = Object.entries(value).map(async ([name, said]) => [await respell(name), said]);
      return [key, Object.fromEntries(await Promise.all(named))];
    }
    if (key === 'introspects' && Array.isArray(value)) {
      return [key, [...new Set(await Promise.all(value.map(respell)))]];
    }
    return [key, value];
  });
  return Object.fromEntries(await Promise.all(members));
}
