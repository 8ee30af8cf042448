/** Numbers that stand for ids in indexes of rows. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

const NUMBER_BYTES = 6;
/** Cached, because ids of clients and connections repeat. */
const numbers = new LRUCache<string, number>({ max: 1_000 });

/**
 * A number that indexes have instead of a long id: 48 bits of its hash, so a table of numbers is not needed. Queries
 * compare the id in the row too, because two ids may rarely have the same number.
 */
export function numberOf(id: string): number;
export function numberOf(id: string | undefined): number | null;
export function numberOf(id: string | undefined): number | null {
  if (id === undefined) return null;
  const known = numbers.get(id);
  if (known !== undefined) return known;
  const number = hash('sha256', id, 'buffer').readUIntBE(0, NUMBER_BYTES);
  numbers.set(id, number);
  return number;
}
