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

/** Nouns of one kind that belong to another noun. */
interface Contents {
  readonly kind: CollectionName;
  readonly each: AsyncIterable<Nouns[CollectionName]>;
  /** They outlive the noun, which only an apply file does not take from them. */
  readonly stay?: true;
}

/** In the order in which they go: what names others goes before them. */
function* contentsOf<C extends CollectionName>(
  store: DirectoryStore,
  collection: C,
  noun: Nouns[C],
): Iterable<Contents> {
  const { id } = noun;
  const { organization } = noun as Partial<Application>;
  const among = <D extends CollectionName>(kind: D, belongs: (each: Nouns[D]) => boolean) => ({
    kind,
    each: filter(eachNoun(collectionOf(store, kind), organization), belongs),
  });
  if (collection === 'applications') {
    yield among('connections', ({ application }) => application === id);
    yield among('applications', ({ registeredThrough }) => registeredThrough === id);
    yield { ...among('resources', ({ registeredBy }) => registeredBy === id), stay: true };
    yield among('users', ({ realm }) => realm === (`application:${id}` satisfies Realm));
  }
  if (collection === 'users') {
    yield { ...among('connections', ({ owner }) => owner === id), stay: true };
    yield { kind: 'applications', each: eachListed(store.applications, 'owner', id) };
    yield { ...among('resources', ({ owner }) => owner === id), stay: true };
  }
  if (collection === 'organizations') {
    for (const kind of COLLECTIONS.slice(1).reverse()) {
      yield { kind, each: eachNoun(collectionOf(store, kind), id) };
    }
  }
}

async function* filter<T>(each: AsyncIterable<T>, belongs: (noun: T) => boolean): AsyncGenerator<T> {
  for await (const noun of each) if (belongs(noun)) yield noun;
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
  if (collection === 'organizations') return;
  const inside: string[] = [];
  for (const { kind, each } of contentsOf(store, collection, noun)) {
    for await (const one of each) inside.push(`${declarationOf(kind).singular} ${nameOf(one)}`);
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
  for (const { kind, each, stay } of contentsOf(store, collection, noun)) {
    if (!stay) await removeEach(collectionOf(store, kind), each);
  }
}

async function removeEach(
  nouns: Pick<Collection<Noun>, 'remove'>,
  each: AsyncIterable<Pick<Noun, 'id' | 'version'>>,
): Promise<void> {
  let batch: Pick<Noun, 'id' | 'version'>[] = [];
  // Begun together, so that a store can commit them together.
  const removeBatch = async (): Promise<void> => {
    await Promise.all(batch.map(({ id, version }) => nouns.remove(id, version)));
    batch = [];
  };
  for await (const noun of each) {
    batch.push(noun);
    if (batch.length === BATCH) await removeBatch();
  }
  await removeBatch();
}
