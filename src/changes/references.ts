/** What nouns say of each other: whether it is there, and belongs to the same organization. */
import type { Lookup } from '../directory/lookup.ts';
import { DomainError } from '../errors/domain.ts';
import {
  type CollectionName,
  declarationOf,
  fieldOf,
  type Nouns,
  organizationOf,
  type Realm,
  type User,
} from '../nouns/index.ts';
import type { Referred } from '../nouns/noun.ts';
import { applicationOf } from '../nouns/values.ts';

/** A noun names another that is not there, or another organization's; or its name is reserved. */
export class BrokenReference extends DomainError {}

/** It cannot be removed while others name it. */
export class StillInUse extends DomainError {}

interface Kind {
  isOwn(id: string, organization: string | undefined, lookup: Lookup): Promise<boolean>;
  /** @param field that names it */
  says(id: string, field: string): string;
}

/** The nouns that a field may refer to. */
const kinds: Readonly<Record<Referred, Kind>> = {
  organization: {
    isOwn: async (id, _, lookup) => (await lookup.findOrganization(id)) !== undefined,
    says: (id, field) =>
      `${field === 'administers' ? field : 'belongs to'} an organization that is not there (${id})`,
  },
  application: {
    isOwn: async (id, own, lookup) => (await lookup.findApplication(id))?.organization === own,
    says: (id) => `names an application that its organization does not have (${id})`,
  },
  role: {
    isOwn: async (id, own, lookup) => (await lookup.findRole(id))?.organization === own,
    says: (id) => `has a role that its organization does not have (${id})`,
  },
  // The same text for another organization's resource and an unknown one, so that it does not tell what others have.
  resource: {
    isOwn: async (identifier, own, lookup) => (await lookup.findResource(identifier))?.organization === own,
    says: (identifier) => `names a resource that its organization does not have: ${identifier}`,
  },
  user: {
    isOwn: async (id, own, lookup) => (await lookup.findUser(id))?.organization === own,
    says: (id) => `names a user that its organization does not have (${id})`,
  },
};

/** What the declared fields refer to. */
async function* checkFields<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  lookup: Lookup,
): AsyncIterable<string> {
  const own = organizationOf(collection, noun);
  for (const [field, { refersTo, mayComeLater }] of Object.entries(declarationOf(collection).fields)) {
    if (!refersTo) continue;
    for (const id of [fieldOf(noun, field) ?? []].flat().map(String)) {
      if (mayComeLater && !(await lookup.findApplication(id))) continue;
      const { isOwn, says } = kinds[refersTo];
      if (!(await isOwn(id, own, lookup))) yield says(id, field);
    }
  }
}

type Checks = { readonly [C in CollectionName]?: (noun: Nouns[C], lookup: Lookup) => AsyncIterable<string> };

/** What the declarations do not say. Each gives the end of a sentence about the noun, for what does not hold. */
const checks: Checks = {
  async *organizations({ id, faces = {} }, lookup) {
    for (const { application } of Object.values(faces)) {
      // The organization is written before its applications are.
      if (application === undefined || !(await lookup.findApplication(application))) continue;
      if (!(await kinds.application.isOwn(application, id, lookup)))
        yield kinds.application.says(application, 'faces');
    }
  },

  async *applications({ id, organization, realm, registeredThrough, ceilings, resource }, lookup) {
    const through =
      registeredThrough === undefined ? undefined : await lookup.findApplication(registeredThrough);
    // One that a person registered has the users of the application that it was registered through.
    if (![`organization:${organization}`, `application:${id}`, through?.realm].includes(realm)) {
      yield 'may have users of its own or of its organization only';
    }
    for (const { resource: identifier } of ceilings) {
      const isOwn = await kinds.resource.isOwn(identifier, organization, lookup);
      if (!isOwn) yield kinds.resource.says(identifier, 'ceilings');
    }
    if (resource !== undefined && !ceilings.some((ceiling) => ceiling.resource === resource)) {
      yield `has no permissions for its resource ${resource}`;
    }
  },

  async *datasources({ organization, userTables }, lookup) {
    for (const { collection, realm, roles, roleMap } of userTables) {
      if (!(await fitsRealm({ realm, organization }, lookup))) {
        yield `has people (${collection}) of a realm that its organization does not have`;
      }
      for (const id of new Set([...roles, ...roleMap.map(({ role }) => role)])) {
        if (!(await kinds.role.isOwn(id, organization, lookup))) {
          yield `gives a role that its organization does not have (${id})`;
        }
      }
    }
  },

  async *users(user, lookup) {
    if (!(await fitsRealm(user, lookup))) yield 'lives in a realm that its organization does not have';
    // An organization has power over its users, so it would have power over what they administer.
    const { organization: own, administers } = user;
    const other = own === undefined ? undefined : administers.find((id) => id !== own);
    if (other !== undefined) yield `administers an organization other than its own (${other})`;
    yield* othersNames(user, lookup);
  },
};

/** Both are typed into one field, so a username must not equal the email address of another user. */
async function* othersNames(
  { id, realm, canonicalUsername, canonicalEmail }: User,
  lookup: Lookup,
): AsyncIterable<string> {
  const byEmail = await lookup.findUserNamed('email', `${realm}/${canonicalUsername}`);
  if (byEmail && byEmail.id !== id) yield "has another user's email address as username";
  if (canonicalEmail === undefined) return;
  const byName = await lookup.findUserNamed('username', `${realm}/${canonicalEmail}`);
  if (byName && byName.id !== id) yield "has another user's username as email address";
}

async function fitsRealm(
  { realm, organization }: { readonly realm: Realm; readonly organization?: string },
  lookup: Lookup,
): Promise<boolean> {
  if (realm === 'management') return organization === undefined;
  if (organization === undefined) return false;
  if (realm === `organization:${organization}`) return true;
  const application = await lookup.findApplication(applicationOf(realm) ?? '');
  return application?.organization === organization;
}

/**
 * The end of a sentence for each reference of the noun that does not hold.
 * @param before the noun as it stands in the store: what was broken already (a role that was removed) may stay
 */
export async function findBrokenReferences<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  lookup: Lookup,
  before?: Nouns[C],
): Promise<string[]> {
  const broken = await findBroken(collection, noun, lookup);
  const known = broken.size > 0 && before ? await findBroken(collection, before, lookup) : new Set();
  return [...broken].filter((sentence) => !known.has(sentence));
}

async function findBroken<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  lookup: Lookup,
): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const sentence of checkFields(collection, noun, lookup)) found.add(sentence);
  for await (const sentence of checks[collection]?.(noun, lookup) ?? []) found.add(sentence);
  return found;
}
