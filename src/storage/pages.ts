/** Pages and counts of what a store read one more of than it was asked for. */
import type { Counted, Page } from './contract.ts';
import { defined } from './defined.ts';

/** @param toCursor of the last item of the page */
export function toPage<T>(found: readonly T[], limit: number, toCursor: (last: T) => unknown): Page<T> {
  const items = found.slice(0, limit);
  const last = found.length > limit ? items.at(-1) : undefined;
  return defined({ items, next: last && String(toCursor(last)) });
}

export function toCounted(found: number, limit: number): Counted {
  return { count: Math.min(found, limit), isMore: found > limit };
}

/** Counts one kind after the other. @param countOf how many of a kind there are, counted up to `most` */
export async function countAll<K>(
  kinds: readonly K[],
  limit: number,
  countOf: (kind: K, most: number) => number | Promise<number>,
): Promise<Counted> {
  let count = 0;
  for (const kind of kinds) {
    count += await countOf(kind, limit + 1 - count);
    if (count > limit) break;
  }
  return toCounted(count, limit);
}
