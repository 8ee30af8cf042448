/**
 * `https://host` and `https://host/` name the same resource. Apply files and requests may use both; a plan uses one: the
 * spelling of the store, which is the `aud` of tokens that live, else the one with which the file defines the resource.
 */

import { findResourceSpelled } from '../../directory/collections.ts';
import { canonicalIdentifier } from '../../permissions/resource-identifiers.ts';
import type { DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import { type Entry, isGroup } from '../entries.ts';
import type { ApplyFile } from '../schema.ts';

type Respell = (identifier: string) => Promise<string>;

/** Members of entries that name resources, beside `introspects`, which is a list. */
const NAMES = ['identifier', 'resource'];
const BY_NAME = ['resources', 'mayGrant'];

/** What is not of the right type stays: the schema refuses it. */
async function respelledMember(key: string, value: unknown, respell: Respell): Promise<unknown> {
  const respellAny = (named: unknown) => (typeof named === 'string' ? respell(named) : named);
  if (NAMES.includes(key)) return respellAny(value);
  if (BY_NAME.includes(key) && isGroup(value)) {
    const named = Object.entries(value);
    return Object.fromEntries(
      await Array.fromAsync(named, async ([name, said]) => [await respell(name), said]),
    );
  }
  if (key !== 'introspects' || !Array.isArray(value)) return value;
  return [...new Set(await Array.fromAsync(value, respellAny))];
}

/** The same entry if nothing in it has another spelling, so that a large file is not copied. */
async function respelled<T extends Entry>(entry: T, respell: Respell): Promise<T> {
  const others: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(entry)) {
    const other = await respelledMember(key, value, respell);
    if (other !== value) others[key] = other;
  }
  return Object.keys(others).length === 0 ? entry : { ...entry, ...others };
}

/** The file with one spelling for each resource. */
export async function respellResources(
  file: ApplyFile,
  store: Pick<DirectoryStore, 'resources'>,
): Promise<ApplyFile> {
  const { organizations } = file;
  if (!organizations) return file;
  const spellings = new Map<string, string>();
  const respell: Respell = async (identifier) => {
    const canonical = canonicalIdentifier(identifier);
    const spelling =
      spellings.get(canonical) ?? (await findResourceSpelled(store, identifier))?.identifier ?? identifier;
    spellings.set(canonical, spelling);
    return spelling;
  };
  const each = <T extends Entry>(entries: readonly T[] | undefined) =>
    entries && Array.fromAsync(entries, (entry) => respelled(entry, respell));
  // The definitions of all organizations come before the references to them.
  for (const { resources } of organizations) await each(resources);
  return {
    ...file,
    organizations: await Array.fromAsync(organizations, async (organization) => ({
      ...organization,
      ...defined({
        resources: await each(organization.resources),
        roles: await each(organization.roles),
        applications: await each(organization.applications),
        connections: await each(organization.connections),
      }),
    })),
  };
}

/**
 * One entry, or a merge patch of one, with the spellings of the store. Those of other organizations stay unknown, but that
 * an identifier of a new resource is taken.
 */
export async function respellEntry<T extends Entry>(
  entry: T,
  organization: string,
  store: Pick<DirectoryStore, 'resources'>,
): Promise<T> {
  return respelled(entry, async (named) => {
    const found = await findResourceSpelled(store, named);
    const isToBeMade = named === entry.identifier;
    return found && (isToBeMade || found.organization === organization) ? found.identifier : named;
  });
}
