/** What lists of nouns may be narrowed to: exact names, and what the nouns belong to. */
import { z } from 'zod';
import { collectionOf, findResourceSpelled } from '../../../directory/collections.ts';
import { findAgent } from '../../../directory/registered-applications.ts';
import { MANAGEMENT } from '../../../nouns/built-in.ts';
import { isNounId, type Organization, type UniqueKey } from '../../../nouns/index.ts';
import { loginKey } from '../../../nouns/user.ts';
import { findableEmail, findableUsername } from '../../../nouns/usernames.ts';
import type { JsonObject } from '../../../permissions/json.ts';
import type { OperationDeps } from '../deps.ts';
import type { Among } from './noun-operations.ts';
import type { ObjectCollection } from './objects.ts';

const text = (describe: string) => z.string().min(1).max(512).exactOptional().describe(describe);
const id = (describe: string) => z.uuid().exactOptional().describe(describe);

/** At most one of them in a request. */
export const filters = {
  organizations: { name: text('Its name.') },
  resources: { identifier: text('Its identifier.') },
  roles: { name: text('Its name.'), resource: text('Identifier of its resource.') },
  applications: {
    name: text('Its name.'),
    clientId: text('Its client id.'),
    resource: text('Identifier of a resource that it has rights to or serves.'),
  },
  users: {
    search: text('User name, email address, id or number, whole; of whichever realm of the organization.'),
    application: id('Id of the application that the users belong to.'),
    role: id('Id of a role that the users have.'),
  },
  connections: {
    name: text('Its name.'),
    application: id('Id of its application.'),
    resource: text('Identifier of its resource.'),
    owner: id('Id of the user that it belongs to.'),
  },
  datasources: { name: text('Its name.') },
  webhooks: { name: text('Its name.') },
} as const satisfies { readonly [C in ObjectCollection]: Readonly<Record<string, z.ZodType>> };

export type Given = Readonly<Record<string, unknown>>;

/** Filters that are listed keys, and the members that tell what they ask, any of them. */
const SEEN_BY = {
  resource: ['resource', 'resources', 'introspects'],
  application: ['application'],
  role: ['roles'],
  owner: ['owner'],
} as const;

/** Filters that name a resource, in any spelling of its identifier. */
const NAMES_RESOURCE: ReadonlySet<string> = new Set(['resource', 'identifier']);

const sees =
  (members: readonly string[]) =>
  (part: JsonObject): boolean =>
    members.some((member) => Object.hasOwn(part, member));

const NOTHING: Among = { id: '' };

/** Which nouns a list has, by the filter that the request names. */
export async function findAmong(
  collection: ObjectCollection,
  organization: Organization,
  given: Given,
  deps: OperationDeps,
): Promise<Among> {
  const filter = Object.keys(filters[collection]).find((key) => given[key] !== undefined);
  if (filter === undefined) return {};
  const said = String(given[filter]);
  const resource = NAMES_RESOURCE.has(filter) ? await findResourceSpelled(deps.store, said) : undefined;
  const value = resource?.identifier ?? said;
  if (filter === 'search') return searchUsers(organization, value, deps);
  if (Object.hasOwn(SEEN_BY, filter)) {
    const key = filter as keyof typeof SEEN_BY;
    return { listed: { key, value }, isSeen: sees(SEEN_BY[key]) };
  }
  return findUnique(collection, organization, filter, value, deps);
}

async function findUnique<C extends ObjectCollection>(
  collection: C,
  { id: organization }: Organization,
  filter: string,
  value: string,
  { store }: OperationDeps,
): Promise<Among> {
  const isOfOrganization = filter === 'name' && collection !== 'organizations';
  const key = isOfOrganization ? `${organization}/${value}` : value;
  const nouns = collectionOf(store, collection);
  const noun =
    (await nouns.findBy(filter as UniqueKey<C>, key)) ??
    (filter === 'clientId' ? await findAgent(store, organization, value) : undefined);
  return noun ? { id: noun.id, isSeen: sees([filter]) } : NOTHING;
}

const NUMBER = /^\d{1,15}$/;

/** By any name that is unique. */
async function searchUsers(
  { id: organization }: Organization,
  text: string,
  { store }: OperationDeps,
): Promise<Among> {
  if (isNounId(text)) return { id: text };
  if (NUMBER.test(text)) {
    const user = await store.users.findNumber(Number(text));
    if (user) return { id: user.id, isSeen: sees(['number']) };
  }
  const canonical = findableEmail(text) ?? findableUsername(text);
  if (canonical === undefined) return NOTHING;
  const owner = organization === MANAGEMENT.id ? undefined : organization;
  const isNamed = ({ username, email }: JsonObject): boolean =>
    (typeof username === 'string' && findableUsername(username) === canonical) ||
    (typeof email === 'string' && findableEmail(email) === canonical);
  return { listed: { key: 'login', value: loginKey(owner, canonical) }, isSeen: isNamed };
}
