/** An organization written back as an apply file: without secrets, and without what a new noun has anyway. */
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { collectionOf, eachListed, eachNoun } from '../directory/collections.ts';
import { builtInFaces } from '../faces/index.ts';
import { BUILT_IN_ROLES, builtInRoleId, MANAGEMENT } from '../nouns/built-in.ts';
import type { NameOf } from '../nouns/in-file.ts';
import {
  type Application,
  type CollectionName,
  catalogueOf,
  declarationOf,
  fieldOf,
  type Nouns,
  nameOf,
  OF_ORGANIZATION,
  type OfOrganization,
  type Organization,
  type Resource,
  type Role,
  type User,
} from '../nouns/index.ts';
import type { Field, ServerSettings } from '../nouns/noun.ts';
import { OPENID_SCOPES } from '../nouns/openid-scopes.ts';
import { referenceTo } from '../nouns/references.ts';
import { findMisfits } from '../permissions/catalogue.ts';
import { fromStored } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { type Entry, entryOf, inFileOf, initialOf, isGroup, isOptional, toJson } from './entries.ts';
import { administrator, organization } from './schema.ts';

/** No file speaks of these, and applying one says them all the same. */
const SAID_BY_APPLYING: ReadonlySet<string> = new Set(['organization', 'managedBy']);

/** The lists that a file has for `management`. */
const OF_MANAGEMENT: readonly OfOrganization[] = ['roles', 'applications'];

/** What each noun is written with. */
interface Writing {
  readonly nameOf: NameOf;
  /** Ids and identifiers of what is left out, and realms that no file can name. */
  readonly leftOut: Set<string>;
  readonly resources: ReadonlyMap<string, Resource>;
  readonly settings: ServerSettings;
  /** Told of each field that is left out, because it names what is, or what is not there any more. */
  onFieldLeftOut(): void;
}

/**
 * Nouns are in the order in which they were made, so what is written differs only where the organization does.
 *
 * @returns YAML; applied to the same store it changes nothing
 */
export async function writeApplyFile(
  of: Organization,
  store: DirectoryStore,
  settings: ServerSettings,
): Promise<string> {
  const isManagement = of.id === MANAGEMENT.id;
  const lists = await readLists(of, store);
  const administrators = isManagement
    ? await Array.fromAsync(eachListed<User>(store.users, 'realm', of.name))
    : [];
  const all = OF_ORGANIZATION.flatMap((list): [OfOrganization, Nouns[OfOrganization]][] =>
    lists[list].map((noun) => [list, noun]),
  );
  const names = new Map([
    ...BUILT_IN_ROLES.map((name) => [builtInRoleId(of.id, name), name] as const),
    ...all.map(([, noun]) => [noun.id, nameOf(noun)] as const),
    ...(await organizationNames(administrators, store)),
    ...(await creatorNames(of, store)),
  ]);
  const ofClient = lists.applications.find(({ isOrganization }) => isOrganization);
  const unsaid = all.filter(
    ([list, noun]) =>
      noun !== ofClient && (hasUnsaid(list, noun) || (isManagement && !OF_MANAGEMENT.includes(list))),
  );
  let fields = 0;
  const writing: Writing = {
    nameOf: (id) => names.get(id) ?? id,
    leftOut: new Set([
      ...unsaid.map(([list, noun]) => referenceTo(list, noun)),
      ...lists.applications.flatMap(realmLeft),
    ]),
    resources: new Map(lists.resources.map((each) => [each.identifier, each])),
    settings,
    onFieldLeftOut: () => {
      fields += 1;
    },
  };
  const counts: string[] = [];
  const written = OF_ORGANIZATION.flatMap((list): [string, unknown][] => {
    const wanted = lists[list].filter((noun) => noun !== ofClient);
    const entries = wanted.flatMap((noun) => entryFor(list, noun, writing) ?? []);
    const missing = wanted.length - entries.length;
    if (missing > 0) counts.push(`${missing} ${missing === 1 ? declarationOf(list).singular : list}`);
    return entries.length === 0 ? [] : [[list, entries]];
  });
  const people = administrators.flatMap((each) => administratorFor(each, writing) ?? []);
  const others = administrators.length - people.length;
  if (others > 0) counts.push(`${others} ${others === 1 ? 'administrator' : 'administrators'}`);
  if (fields > 0)
    counts.push(`${fields} ${fields === 1 ? 'field that names' : 'fields that name'} what is not here`);
  const lines = Object.fromEntries(written);
  const content = isManagement
    ? { management: lines, ...(people.length > 0 && { administrators: people }) }
    : { organizations: [{ ...organizationFor(of, ofClient, writing), ...lines }] };
  const text = stringify(toJson(content), { aliasDuplicateObjects: false, blockQuote: false, lineWidth: 0 });
  return `${preamble(of.name, counts)}${text}`;
}

function organizationFor(of: Organization, ofClient: Application | undefined, writing: Writing): Entry {
  const { faces, ...own } = saidOf('organizations', of, writing) ?? {};
  return {
    ...own,
    ...(ofClient && { clientId: ofClient.clientId }),
    ...(faces !== undefined && { faces: spellFaces(faces as Record<string, Entry>) }),
  };
}

/** Undefined: an apply file cannot have them. */
function administratorFor(user: User, writing: Writing): Entry | undefined {
  const said = hasUnsaid('users', user) ? undefined : saidOf('users', user, writing);
  if (!said) return undefined;
  const { emailVerified: _, ...entry } = said;
  return administrator.safeParse(toJson(entry)).success ? entry : undefined;
}

/** Of the organizations that they administer, by id. */
async function organizationNames(
  administrators: readonly User[],
  { organizations }: DirectoryStore,
): Promise<(readonly [string, string])[]> {
  const ids = new Set(administrators.flatMap(({ administers }) => administers));
  const found = await Promise.all([...ids].map((id) => organizations.get(id)));
  return found.flatMap((each) => (each ? [[each.id, each.name] as const] : []));
}

/** Of the users of plugins, by id; administrators are of no organization. */
async function creatorNames(
  { faces = {} }: Organization,
  { users }: DirectoryStore,
): Promise<(readonly [string, string])[]> {
  const ids = Object.values(faces).flatMap(({ plugins = [] }) => plugins.map(({ creator }) => creator));
  const found = await Promise.all([...new Set(ids)].map((id) => users.get(id)));
  return found.flatMap((each) => (each ? [[each.id, each.username] as const] : []));
}

function preamble(name: string, counts: readonly string[]): string {
  const lines = [
    `${name === MANAGEMENT.name ? 'What belongs to the server itself' : `The organization ${name}`}, written by \`export --apply\`. Applying this file to the same server changes nothing.`,
    'Secrets are left out (passwords, client secrets, connection tokens, keys of password hashes): a server that makes these',
    'nouns anew makes new secrets, or says which it needs. What is left out otherwise is as in a new noun.',
    ...(counts.length === 0
      ? []
      : [
          `An apply file cannot say: ${counts.join(', ')}. Applying this file leaves them as they are, but \`--prune\` removes what an apply file made.`,
        ]),
  ];
  return lines.map((line) => `# ${line}\n`).join('');
}

type Lists = { readonly [L in OfOrganization]: readonly Nouns[L][] };

async function readLists({ id }: Organization, store: DirectoryStore): Promise<Lists> {
  const lists = OF_ORGANIZATION.map(async (list) => [
    list,
    await Array.fromAsync(eachNoun(collectionOf(store, list), id)),
  ]);
  return Object.fromEntries(await Promise.all(lists)) as unknown as Lists;
}

/** The realm of people who stayed when the application got those of the organization; a file names realms by applications. */
function realmLeft({ id, realm }: Nouns['applications']): string[] {
  const own = `application:${id}`;
  return realm === own ? [] : [own];
}

/** Whether it has what no file speaks of: people or faces registered it, or it waits for something. */
function hasUnsaid(list: OfOrganization, noun: Nouns[OfOrganization]): boolean {
  return Object.entries(declarationOf(list).fields).some(([name, field]) => {
    const { secret, derived, initially } = field;
    const isSilent = !inFileOf(field) && !secret && !derived && !SAID_BY_APPLYING.has(name);
    const value = fieldOf(noun, name);
    return isSilent && value !== undefined && !isDeepStrictEqual(value, initially);
  });
}

/** Undefined: an apply file cannot have it. */
function entryFor<L extends OfOrganization>(list: L, noun: Nouns[L], writing: Writing): Entry | undefined {
  const reference = referenceTo(list, noun);
  const said = writing.leftOut.has(reference) ? undefined : saidOf(list, noun, writing);
  const schema: z.ZodType = organization.shape[list].unwrap().element;
  if (said && schema.safeParse(toJson(said)).success) return said;
  writing.leftOut.add(reference);
  return undefined;
}

/** Without what has its initial value. Undefined: it stands on what is left out. */
function saidOf<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  writing: Writing,
): Entry | undefined {
  const said: Record<string, unknown> = {};
  const stale = findStale(noun, writing.resources);
  for (const [name, field] of Object.entries(declarationOf(collection).fields)) {
    if (stale.includes(name) || names(fieldOf(noun, name), writing.leftOut)) {
      if (!mayBeSilent(field)) return undefined;
      writing.onFieldLeftOut();
      continue;
    }
    const initial = mayBeSilent(field) ? initialOf(field, noun, writing.settings) : undefined;
    const ofNew = mayBeSilent(field)
      ? entryOf(name, field, { ...noun, [name]: initial }, writing.nameOf)
      : {};
    Object.assign(said, without(ofNew, entryOf(name, field, noun, writing.nameOf)));
  }
  return said;
}

/** Whether a file that says nothing of the field leaves it as it is. */
function mayBeSilent(field: Field): boolean {
  return !field.fixed && (isOptional(field) || field.initially !== undefined);
}

/**
 * Fields with rights on tables, or with scopes, that were later removed from the resource. They allow nothing, and no apply
 * file may name them.
 */
function findStale(noun: object, resources: Writing['resources']): string[] {
  const { ceilings, resource = '', permissions, scopes = [] }: Partial<Application & Role> = noun;
  const rights = ceilings ?? (permissions ? [{ resource, permissions }] : []);
  if (!ceilings && !permissions) return [];
  const known = new Set<string>(ceilings && OPENID_SCOPES);
  for (const each of rights) for (const scope of resources.get(each.resource)?.scopes ?? []) known.add(scope);
  const isStale = rights.some((each) => {
    const resource = resources.get(each.resource);
    return resource && findMisfits(fromStored(each.permissions), catalogueOf(resource)).length > 0;
  });
  return [
    ...(isStale ? ['ceilings', 'permissions'] : []),
    ...(scopes.some((scope) => !known.has(scope)) ? ['scopes'] : []),
  ];
}

/** Whether one of them stands in the value, at whatever depth. */
function names(value: unknown, references: ReadonlySet<string>): boolean {
  if (typeof value === 'string') {
    return references.has(value) || references.has(value.replace(/^application:/, ''));
  }
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((inner) => names(inner, references));
}

function without(initial: Entry, entry: Entry): Entry {
  const kept = Object.entries(entry).flatMap(([key, value]): [string, unknown][] => {
    if (isDeepStrictEqual(value, initial[key])) return [];
    const other = initial[key];
    return [[key, isGroup(value) && isGroup(other) ? without(other, value) : value]];
  });
  return Object.fromEntries(kept);
}

/** Each with the settings that it has; its other members have no meaning for it. */
export function spellFaces(faces: Readonly<Record<string, Entry>>): Entry {
  return Object.fromEntries(
    builtInFaces.flatMap(({ name, settings }) => {
      const { [name]: face } = faces;
      if (!face) return [];
      const known = Object.keys(settings.shape).filter((key) => face[key] !== undefined);
      const changed = known.filter((key) => key !== 'enabled' || face[key] === false);
      return [[name, Object.fromEntries(changed.map((key) => [key, face[key]]))]];
    }),
  );
}
