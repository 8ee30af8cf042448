/** What nouns say of each other: whether it is there, and belongs to the same organization. */
import { DomainError } from '../errors/domain.ts';
import type { Application, CollectionName, Nouns, Realm, Resource, Role, User } from '../nouns/index.ts';
import type { Storage } from '../storage/contract.ts';

/** A noun names another that is not there, or another organization's; or its name is reserved. */
export class BrokenReference extends DomainError {}

/** It cannot be removed while others name it. */
export class StillInUse extends DomainError {}

/** The nouns that references lead to: those of the store, or those of the store after changes that are planned. */
export interface Lookup {
  hasOrganization(id: string): Promise<boolean>;
  findApplication(id: string): Promise<Pick<Application, 'organization' | 'realm'> | undefined>;
  findRole(id: string): Promise<Pick<Role, 'organization'> | undefined>;
  findResource(identifier: string): Promise<Pick<Resource, 'organization'> | undefined>;
  /** @param name canonical, within its realm: `realm/name` */
  findUser(key: 'username' | 'email', name: string): Promise<Pick<User, 'id'> | undefined>;
  findUserById(id: string): Promise<Pick<User, 'organization'> | undefined>;
}

export function createLookup(store: Storage['directory']): Lookup {
  return {
    hasOrganization: async (id) => (await store.organizations.get(id)) !== undefined,
    findApplication: (id) => store.applications.get(id),
    findRole: (id) => store.roles.get(id),
    findResource: (identifier) => store.resources.findBy('identifier', identifier),
    findUser: (key, name) => store.users.findBy(key, name),
    findUserById: (id) => store.users.get(id),
  };
}

type Checks = { readonly [C in CollectionName]: (noun: Nouns[C], lookup: Lookup) => AsyncIterable<string> };

/** Each gives the end of a sentence about the noun, for each reference that does not hold. */
const checks: Checks = {
  async *organizations({ id, faces = {} }, lookup) {
    // The organization is written before its applications are.
    for (const { application } of Object.values(faces)) {
      if (application !== undefined && (await lookup.findApplication(application))) {
        yield* ownApplication({ organization: id }, application, lookup);
      }
    }
  },

  async *applications(application, lookup) {
    yield* inOrganization(application, lookup);
    const { ceilings, resource, introspects, realm, mayExchange } = application;
    const { registeredThrough, owner } = application;
    const through =
      registeredThrough === undefined ? undefined : await lookup.findApplication(registeredThrough);
    if (registeredThrough !== undefined) yield* ownApplication(application, registeredThrough, lookup);
    if (owner !== undefined) yield* ownUser(application, owner, lookup);
    const own = [`organization:${application.organization}`, `application:${application.id}`];
    // One that a person registered has the users of the application that it was registered through.
    if (!own.includes(realm) && through?.realm !== realm) {
      yield 'may have users of its own or of its organization only';
    }
    for (const identifier of new Set([...ceilings.map((ceiling) => ceiling.resource), ...introspects])) {
      yield* ownResource(application, identifier, lookup);
    }
    if (resource !== undefined && !ceilings.some((ceiling) => ceiling.resource === resource)) {
      yield `has no permissions for its resource ${resource}`;
    }
    // Two may list each other, so one is written while the other is not there yet; an id is never used twice.
    for (const id of mayExchange) {
      if (await lookup.findApplication(id)) yield* ownApplication(application, id, lookup);
    }
  },

  async *roles(role, lookup) {
    yield* inOrganization(role, lookup);
    yield* ownResource(role, role.resource, lookup);
  },

  async *resources(resource, lookup) {
    yield* inOrganization(resource, lookup);
    const { registeredBy, owner } = resource;
    if (registeredBy !== undefined) yield* ownApplication(resource, registeredBy, lookup);
    if (owner !== undefined) yield* ownUser(resource, owner, lookup);
  },

  async *connections(connection, lookup) {
    yield* inOrganization(connection, lookup);
    yield* ownApplication(connection, connection.application, lookup);
    yield* ownResource(connection, connection.resource, lookup);
    if (connection.owner !== undefined) yield* ownUser(connection, connection.owner, lookup);
  },

  async *datasources(datasource, lookup) {
    yield* inOrganization(datasource, lookup);
    for (const { collection, realm, roles, roleMap } of datasource.userTables) {
      if (!(await fitsRealm({ realm, organization: datasource.organization }, lookup))) {
        yield `has people (${collection}) of a realm that its organization does not have`;
      }
      for (const id of new Set([...roles, ...roleMap.map(({ role }) => role)])) {
        const role = await lookup.findRole(id);
        if (role?.organization !== datasource.organization) {
          yield `gives a role that its organization does not have (${id})`;
        }
      }
    }
  },

  async *users(user, lookup) {
    if (user.organization !== undefined) yield* inOrganization({ organization: user.organization }, lookup);
    if (!(await fitsRealm(user, lookup))) yield 'lives in a realm that its organization does not have';
    for (const id of user.roles) {
      const role = await lookup.findRole(id);
      if (role?.organization !== user.organization)
        yield `has a role that its organization does not have (${id})`;
    }
    for (const id of user.administers) {
      if (!(await lookup.hasOrganization(id))) yield `administers an organization that is not there (${id})`;
    }
    yield* othersNames(user, lookup);
  },
};

/** Both are typed into one field, so a username must not equal the email address of another user. */
async function* othersNames(
  { id, realm, canonicalUsername, canonicalEmail }: User,
  lookup: Lookup,
): AsyncIterable<string> {
  const byEmail = await lookup.findUser('email', `${realm}/${canonicalUsername}`);
  if (byEmail && byEmail.id !== id) yield "has another user's email address as username";
  if (canonicalEmail === undefined) return;
  const byName = await lookup.findUser('username', `${realm}/${canonicalEmail}`);
  if (byName && byName.id !== id) yield "has another user's username as email address";
}

async function* inOrganization(
  { organization }: { organization: string },
  lookup: Lookup,
): AsyncIterable<string> {
  if (!(await lookup.hasOrganization(organization)))
    yield `belongs to an organization that is not there (${organization})`;
}

/** The same text for another organization's resource and an unknown one, so that it does not tell what others have. */
async function* ownResource(
  { organization }: { organization: string },
  identifier: string,
  lookup: Lookup,
): AsyncIterable<string> {
  const resource = await lookup.findResource(identifier);
  if (resource?.organization !== organization)
    yield `names a resource that its organization does not have: ${identifier}`;
}

async function* ownApplication(
  { organization }: { organization: string },
  id: string,
  lookup: Lookup,
): AsyncIterable<string> {
  const application = await lookup.findApplication(id);
  if (application?.organization !== organization)
    yield `names an application that its organization does not have (${id})`;
}

async function* ownUser(
  { organization }: { organization: string },
  id: string,
  lookup: Lookup,
): AsyncIterable<string> {
  const user = await lookup.findUserById(id);
  if (user?.organization !== organization) yield `names a user that its organization does not have (${id})`;
}

async function fitsRealm(
  { realm, organization }: { readonly realm: Realm; readonly organization?: string },
  lookup: Lookup,
): Promise<boolean> {
  if (realm === 'management') return organization === undefined;
  if (organization === undefined) return false;
  if (realm === `organization:${organization}`) return true;
  const application = await lookup.findApplication(realm.slice('application:'.length));
  return realm.startsWith('application:') && application?.organization === organization;
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
  const check = checks[collection] as (noun: Nouns[C], lookup: Lookup) => AsyncIterable<string>;
  const known = new Set<string>();
  const broken: string[] = [];
  for await (const sentence of check(noun, lookup)) broken.push(sentence);
  if (broken.length > 0 && before) for await (const sentence of check(before, lookup)) known.add(sentence);
  return broken.filter((sentence) => !known.has(sentence));
}
