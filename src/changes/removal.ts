/** What goes with a noun that is removed, and what stands against removing it. */
import { eachListed, eachNoun } from '../directory/collections.ts';
import { listSome } from '../errors/texts.ts';
import {
  type Application,
  type CollectionName,
  type Connection,
  declarationOf,
  type ListedKey,
  type Noun,
  type Nouns,
  nameOf,
  OF_ORGANIZATION,
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

/** Nouns of one kind that belong to another noun, which they list. */
interface Contents {
  readonly kind: CollectionName;
  readonly key: ListedKey;
  /** They are not removed with the noun; only `apply` refuses to remove it while it has some. */
  readonly stay?: true;
}

/** In the order in which they go: what names others goes before them. */
const CONTENTS: { readonly [C in CollectionName]?: readonly Contents[] } = {
  applications: [
    { kind: 'connections', key: 'application' },
    { kind: 'applications', key: 'registeredThrough' },
    { kind: 'resources', key: 'registeredBy', stay: true },
    { kind: 'users', key: 'application' },
  ],
  users: [
    { kind: 'connections', key: 'owner', stay: true },
    { kind: 'applications', key: 'owner' },
    { kind: 'resources', key: 'owner', stay: true },
  ],
};

/**
 * An apply file removes what it made one by one, and takes nothing along: people may have registered there.
 * @throws StillInUse
 */
export async function requireEmpty<C extends CollectionName>(
  store: DirectoryStore,
  collection: C,
  noun: Nouns[C],
): Promise<void> {
  const inside: string[] = [];
  for (const { kind, key } of CONTENTS[collection] ?? []) {
    for await (const one of eachListed<Noun>(store[kind], key, noun.id))
      inside.push(`${declarationOf(kind).singular} ${nameOf(one as Nouns[typeof kind])}`);
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
  for (const { kind, key, stay } of CONTENTS[collection] ?? []) {
    if (!stay) await removeEach(store[kind], eachListed<Noun>(store[kind], key, noun.id));
  }
  if (collection !== 'organizations') return;
  for (const kind of OF_ORGANIZATION.toReversed()) {
    await removeEach(store[kind], eachNoun<Noun>(store[kind], noun.id));
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
