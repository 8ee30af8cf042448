/** Nouns as objects of the API: with names where the store has ids. */
import { entryOf, toJson, withNames } from '../../../apply/entries.ts';
import { spellFaces } from '../../../apply/write-file.ts';
import { collectionOf } from '../../../directory/collections.ts';
import { MANAGEMENT } from '../../../nouns/built-in.ts';
import {
  type CollectionName,
  type Connection,
  declarationOf,
  type Nouns,
  nameOf,
  type Organization,
  organizationOf,
  type User,
} from '../../../nouns/index.ts';
import type { Field } from '../../../nouns/noun.ts';
import type { JsonObject } from '../../../permissions/json.ts';
import type { DirectoryStore } from '../../../storage/contract.ts';
import { defined } from '../../../storage/defined.ts';
import type { ObjectCollection, ObjectOf } from './objects.ts';

/** Names by id, for the objects of one answer; each is read once. */
export interface Names {
  find(id: string): Promise<string | undefined>;
}

const NAMED = ['roles', 'applications', 'organizations', 'users'] as const;

/** @param among what the ids are of */
export function createNames(store: DirectoryStore, among: readonly (typeof NAMED)[number][] = NAMED): Names {
  const known = new Map<string, Promise<string | undefined>>();
  async function read(id: string): Promise<string | undefined> {
    const found = await Promise.all(among.map((collection) => collectionOf(store, collection).get(id)));
    const noun = found.find((each) => each !== undefined);
    return noun && nameOf(noun);
  }
  return {
    find(id) {
      const name = known.get(id) ?? read(id);
      known.set(id, name);
      return name;
    },
  };
}

/** The members that an apply file has, without secrets. */
export async function toEntry<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  names: Names,
): Promise<JsonObject> {
  const fields = Object.entries<Field>(declarationOf(collection).fields);
  const entry: Record<string, unknown> = await withNames(
    (id) => names.find(id),
    (nameOf) => Object.assign({}, ...fields.map(([name, field]) => entryOf(name, field, noun, nameOf))),
  );
  if (entry.faces !== undefined) entry.faces = spellFaces(entry.faces as Record<string, JsonObject>);
  return toJson(entry) as JsonObject;
}

/** What no file has and people want to see. */
function furtherMembers<C extends CollectionName>(collection: C, noun: Nouns[C]): JsonObject {
  if (collection === 'connections') {
    const { expiresAt } = noun as Connection;
    return defined({ expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString() });
  }
  if (collection === 'users') {
    const { pending, secondFactor } = noun as User;
    return defined({ pending, secondFactor });
  }
  if (collection !== 'applications') return {};
  const { owner, homepage, isOrganization, agent } = noun as Nouns['applications'];
  return defined({ owner, homepage, isOrganization, agent });
}

/** Members that only the server writes. */
export async function toGiven<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  names: Names,
): Promise<JsonObject> {
  const { id, number, version, createdAt, managedBy } = noun;
  const of = collection === 'organizations' ? undefined : organizationOf(collection, noun);
  return {
    id,
    number,
    version,
    createdAt: new Date(createdAt).toISOString(),
    ...defined({ managedBy, organization: of === undefined ? undefined : await names.find(of) }),
    ...furtherMembers(collection, noun),
  };
}

export async function toObject<C extends ObjectCollection>(
  collection: C,
  noun: Nouns[C],
  names: Names,
): Promise<ObjectOf<C>> {
  const [given, entry] = await Promise.all([
    toGiven(collection, noun, names),
    toEntry(collection, noun, names),
  ]);
  return { ...given, ...entry } as unknown as ObjectOf<C>;
}

/** An object as rights compare it: with the name of its organization. */
export function rowOf(object: object, { name }: Pick<Organization, 'name'>): JsonObject {
  return { ...object, organization: name };
}

/** Whether a noun is an organization's; administrators are those of the built-in one. */
export function isOf<C extends CollectionName>(collection: C, noun: Nouns[C], { id }: Organization): boolean {
  return (organizationOf(collection, noun) ?? MANAGEMENT.id) === id;
}
