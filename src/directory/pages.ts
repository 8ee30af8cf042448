/** All nouns of a collection, page by page. */
import type { Collection } from '../storage/contract.ts';

const PAGE_SIZE = 200;

/** In the order of their numbers; stable while others are added and removed. */
export async function* eachNoun<T>(
  collection: Pick<Collection<T>, 'page'>,
  organization?: string,
): AsyncGenerator<T> {
  let after: string | undefined;
  do {
    const page = await collection.page({
      limit: PAGE_SIZE,
      ...(after !== undefined && { after }),
      ...(organization !== undefined && { organization }),
    });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
