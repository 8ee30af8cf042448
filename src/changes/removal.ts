/** What goes with a noun that is removed, and what stands against removing it. */

import { collectionOf, eachListed, eachNoun } from '../directory/collections.ts';
import { listSome } from '../errors/texts.ts';
import {
  type Application,
  COLLECTIONS,
  type CollectionName,
  type Connection,
  declarationOf,
  type Noun,
  type Nouns,
  nameOf,
  type Realm,
  type Resource,
  type Role,
  type User,
} from '../nouns/index.ts';
import type { Collection, DirectoryStore } from '../storage/contract.ts';
import { StillInUse } from './references.ts';

const NAMED_IN_A_SENTENCE = 5;
/** Nouns removed at once. */
const BATCH = 200;

/**
 * Ceilings, roles and introspection rights name a resource by its identifier: left behind, they would speak of whatever
 * gets that identifier next.
 * @throws StillInUse
 */
export async function requireUnused(store: DirectoryStore, { identifier }: Resource): Promise<void> {
  const users: string[] = [];
  const kinds = { role: store.roles, application: store.applications, connection: store.connections };
  for (const [kind, nouns] of Object.entries(kinds)) {
    for await (const { name } of eachListed<Role | Application | Connection>(nouns, 'resource', identifier)) {
      users.push(`${kind} ${name}`);
    }
  }
  if (users.length === 0) return;
  const shown = listSome(users, NAMED_IN_A_SENTENCE);
  throw new StillInUse({ description: `The resource ${identifier} is still named by ${shown}.` });
}

/**
 * An apply file removes what it made one by one, and takes nothing along: people may have registered there.
 * @throws StillInUse
 */
export async function requireEmpty<C extends CollectionName>(
  store: DirectoryStore,
  collection: C,
  noun: Nouns[C],
): Promise<void> {
  if (collection !== 'applications' && collection !== 'users') return;
  const { id, organization } = noun as Application | User;
  const inside: string[] = [];
  const look = async <D extends CollectionName>(kind: D, belongs: (each: Nouns[D]) => boolean) => {
    for await (const each of eachNoun(collectionOf(store, kind), organization)) {
      if (belongs(each)) inside.push(`${declarationOf(kind).singular} ${nameOf(each)}`);
    }
  };
  if (collection === 'applications') {
    await look('connections', ({ application }) => application === id);
    await look('applications', ({ registeredThrough }) => registeredThrough === id);
    await look('resources', ({ registeredBy }) => registeredBy === id);
    await look('users', ({ realm }) => realm === (`application:${id}` satisfies Realm));
  } else {
    for (const kind of ['connections', 'applications', 'resources'] as const) {
      await look(kind, ({ owner }) => owner === id);
    }
  }
  if (inside.length === 0) return;
  const name = `${declarationOf(collection).singular} ${nameOf(noun)}`;
  const shown = listSome(inside, NAMED_IN_A_SENTENCE);
  throw new StillInUse({ description: `The ${name} is not empty: it has ${shown}.` });
}

/**
 * Removes all that belongs to the noun, which must be disabled before: its tokens are dead, and a removal that was
 * interrupted can be taken up again because the noun itself goes last. Nothing here is marked: tokens of what is inside
 * hang below the noun as well.
 */
export async function removeContents<C extends CollectionName>(
  store: DirectoryStore,
  collection: C,
  noun: Nouns[C],
): Promise<void> {
  if (collection === 'applications') {
    const { id, organization } = noun as Nouns['applications'];
    await removeAll(store, 'connections', organization, ({ application }) => application === id);
    await removeAll(store, 'applications', organization, ({ registeredThrough }) => registeredThrough === id);
    await removeAll(
      store,
      'users',
      organization,
      (user) => user.realm === (`application:${id}` satisfies Realm),
    );
  }
  if (collection === 'users') {
    await removeEach(store.applications, eachListed(store.applications, 'owner', noun.id));
  }
  if (collection === 'organizations') {
    // What names others goes before them.
    for (const inside of COLLECTIONS.slice(1).reverse()) {
      await removeAll(store, inside, noun.id, () => true);
    }
  }
}

async function removeAll<C extends CollectionName>(
  store: DirectoryStore,
  collection: C,
  organization: string,
  belongs: (noun: Nouns[C]) => boolean,
): Promise<void> {
  const nouns = collectionOf(store, collection);
  await removeEach(nouns, eachNoun(nouns, organization), belongs);
}

async function removeEach<T extends Noun>(
  nouns: Pick<Collection<T>, 'remove'>,
  each: AsyncIterable<T>,
  belongs: (noun: T) => boolean = () => true,
): Promise<void> {
  let batch: T[] = [];
  // Begun together, so that a store can commit them together.
  const removeBatch = async (): Promise<void> => {
    await Promise.all(batch.map(({ id, version }) => nouns.remove(id, version)));
    batch = [];
  };
  for await (const noun of each) {
    if (belongs(noun)) batch.push(noun);
    if (batch.length === BATCH) await removeBatch();
  }
  await removeBatch();
}
