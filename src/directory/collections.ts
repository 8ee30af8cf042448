/** Collections of the store, by name and page by page. */
import { spellingsOf } from '../permissions/resource-identifiers.ts';
import type { Collection, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { CollectionName, Nouns, Resource } from '../storage/nouns.ts';

const PAGE_SIZE = 200;

/** The compiler does not see that a collection's name and its nouns belong together. */
export function collectionOf<C extends CollectionName>(store: DirectoryStore, name: C): Collection<Nouns[C]> {
  return store[name] as unknown as Collection<Nouns[C]>;
}

/** In the order of their numbers; stable while others are added and removed. */
export async function* eachNoun<T>(
  collection: Pick<Collection<T>, 'page'>,
  organization?: string,
): AsyncGenerator<T> {
  let after: string | undefined;
  do {
    const page = await collection.page(
      defined({
        limit: PAGE_SIZE,
        after,
        organization,
      }),
    );
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
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
