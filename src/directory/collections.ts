/** Collections of the store, by name and page by page. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CollectionName, ListedKey, Nouns, Resource, UniqueKey } from '../nouns/index.ts';
import { spellingsOf } from '../permissions/resource-identifiers.ts';
import type { Collection, Collections, DirectoryStore, PageOptions } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

const PAGE_SIZE = 100;

/** The compiler sees that a name and its nouns belong together only where the type of `store` is that of all collections. */
export function collectionOf<C extends CollectionName>(
  store: Collections,
  name: C,
): Collection<Nouns[C], UniqueKey<C>> {
  return store[name];
}

/** Nouns that others name, disabled ones too: those of the store, or those of the store after changes that are planned. */
export type Lookup = { readonly [C in CollectionName]: Pick<Collections[C], 'get' | 'findBy'> };

/** In the order of their numbers; stable while others are added and removed. */
export function eachNoun<T>(
  collection: Pick<Collection<T>, 'page'>,
  organization?: string,
): AsyncGenerator<T> {
  return eachPaged(collection, { organization });
}

/** The first that lists a value. */
export async function findListed<T>(
  collection: Pick<Collection<T>, 'page'>,
  key: ListedKey,
  value: string,
): Promise<T | undefined> {
  return (await collection.page({ limit: 1, listed: { key, value } })).items[0];
}

/** An answer does not name more nouns. */
const MOST_NAMED = 2_000;

/** The first of those that list a value, as many as one answer names. */
export async function firstListed<T>(
  collection: Pick<Collection<T>, 'page'>,
  key: ListedKey,
  value: string,
): Promise<T[]> {
  const found: T[] = [];
  for await (const noun of eachListed(collection, key, value)) {
    found.push(noun);
    if (found.length === MOST_NAMED) break;
  }
  return found;
}

/** Those that list a value. */
export function eachListed<T>(
  collection: Pick<Collection<T>, 'page'>,
  key: ListedKey,
  value: string,
): AsyncGenerator<T> {
  return eachPaged(collection, { listed: { key, value } });
}

async function* eachPaged<T>(
  collection: Pick<Collection<T>, 'page'>,
  among: { [K in 'organization' | 'listed']?: PageOptions[K] | undefined },
): AsyncGenerator<T> {
  let after: string | undefined;
  for (;;) {
    const page = await collection.page(defined({ limit: PAGE_SIZE, after, ...among }));
    yield* page.items;
    after = page.next;
    if (after === undefined) return;
    // A store that reads at once would keep all others waiting until the last page.
    await nextTurn();
  }
}

/** The resource that an identifier names, in any spelling of it. */
export async function findResourceSpelled(
  { resources }: Pick<DirectoryStore, 'resources'>,
  identifier: string,
): Promise<Resource | undefined> {
  for (const spelling of spellingsOf(identifier)) {
    const resource = await resources.findBy('identifier', spelling);
    if (resource) return resource;
  }
  return undefined;
}
