/** What nouns say of each other: whether it is there, and belongs to the same organization. */
import type { Lookup } from '../directory/collections.ts';
import { DomainError } from '../errors/domain.ts';
import { isBuiltInRoleName } from '../nouns/built-in.ts';
import { type CollectionName, type Noun, type Nouns, organizationOf, type User } from '../nouns/index.ts';
import { MANAGEMENT_ID } from '../nouns/names.ts';
import type { Named } from '../nouns/noun.ts';
import { referencesOf } from '../nouns/references.ts';
import { applicationOf, realmOf } from '../nouns/values.ts';

/** A noun names another that is not there, or another organization's; or its name is reserved. */
export class BrokenReference extends DomainError {}

/** It cannot be removed while others name it. */
export class StillInUse extends DomainError {}

/** The end of a sentence about a noun whose field names what its organization does not have. */
const says: Readonly<Record<Named['kind'], (to: string, field: string) => string>> = {
  organization: (id, field) =>
    `${field === 'administers' ? field : 'belongs to'} an organization that is not there (${id})`,
  application: (id) => `names an application that its organization does not have (${id})`,
  role: (id, field) =>
    `${field === 'roles' ? 'has' : 'gives'} a role that its organization does not have (${id})`,
  // The same text for another organization's resource and an unknown one, so that it does not tell what others have.
  resource: (identifier) => `names a resource that its organization does not have: ${identifier}`,
  user: (id) => `names a user that its organization does not have (${id})`,
  realm: (realm, field) =>
    `${field === 'realm' ? 'lives in' : 'has people of'} a realm that its organization does not have (${realm})`,
};

async function find(
  { kind, to }: Named,
  lookup: Lookup,
): Promise<(Noun & { readonly organization?: string }) | undefined> {
  if (kind === 'resource') return lookup.resources.findBy('identifier', to);
  if (kind === 'realm') return lookup.applications.get(applicationOf(to) ?? '');
  return lookup[`${kind}s`].get(to);
}

/** @param own the organization of the noun */
async function isOwn(named: Named, own: string, lookup: Lookup): Promise<boolean> {
  const { kind, to } = named;
  if (kind === 'realm' && to === realmOf(own)) return true;
  const found = await find(named, lookup);
  return found !== undefined && (kind === 'organization' || found.organization === own);
}

/** Gives the end of a sentence for each that does not hold. */
async function* checkReferences<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  lookup: Lookup,
): AsyncIterable<string> {
  // Administrators are people of the server, and say so by having none.
  const own = organizationOf(collection, noun) ?? MANAGEMENT_ID;
  for (const reference of referencesOf(collection, noun)) {
    if (reference.mayComeLater && !(await find(reference, lookup))) continue;
    const { kind, to, field } = reference;
    if (!(await isOwn(reference, own, lookup))) yield says[kind](to, field);
  }
  yield* checks[collection]?.(noun, lookup) ?? [];
}

type Checks = { readonly [C in CollectionName]?: (noun: Nouns[C], lookup: Lookup) => AsyncIterable<string> };

/** What the declarations do not say. Each gives the end of a sentence about the noun, for what does not hold. */
const checks: Checks = {
  async *applications({ id, organization, realm, registeredThrough, ceilings, resource }, lookup) {
    const through =
      registeredThrough === undefined ? undefined : await lookup.applications.get(registeredThrough);
    // A registered one has the users of the application that it was registered through.
    if (![realmOf(organization), `application:${id}`, through?.realm].includes(realm)) {
      yield 'may have users of its own or of its organization only';
    }
    if (resource !== undefined && !ceilings.some((ceiling) => ceiling.resource === resource)) {
      yield `has no permissions for its resource ${resource}`;
    }
  },

  async *roles({ name, organization }) {
    // Organizations had roles of these names before there were built-in ones, and their files still say so.
    if (organization === MANAGEMENT_ID && isBuiltInRoleName(name)) yield 'has the name of a built-in role';
  },

  async *users(user, lookup) {
    // An organization has power over its users, so it would have power over what they administer.
    const { organization: own, administers } = user;
    const other = own === undefined ? undefined : administers.find((id) => id !== own);
    if (other !== undefined) yield `administers an organization other than its own (${other})`;
    if (administers.includes(MANAGEMENT_ID)) yield 'administers the server: give it a role for that';
    yield* othersNames(user, lookup);
  },
};

/** Both are typed into one field, so a username must not equal the email address of another user. */
async function* othersNames(
  { id, realm, canonicalUsername, canonicalEmail }: User,
  lookup: Lookup,
): AsyncIterable<string> {
  const byEmail = await lookup.users.findBy('email', `${realm}/${canonicalUsername}`);
  if (byEmail && byEmail.id !== id) yield "has another user's email address as username";
  if (canonicalEmail === undefined) return;
  const byName = await lookup.users.findBy('username', `${realm}/${canonicalEmail}`);
  if (byName && byName.id !== id) yield "has another user's username as email address";
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
  const broken = await Array.fromAsync(checkReferences(collection, noun, lookup));
  const known = broken.length > 0 && before ? checkReferences(collection, before, lookup) : [];
  return [...new Set(broken).difference(new Set(await Array.fromAsync(known)))];
}
