/**
 * What was read of the directory, kept for as long as it holds. It is shared by the views of all revisions; each view
 * also keeps what it has answered, so that one request gets one answer however often it asks.
 */
import { LRUCache } from 'lru-cache';
import type { Derived, Freshness } from './freshness.ts';

/** Answers of one kind kept in memory; more are read again when needed. */
const ANSWERS_KEPT = 5_000;

/** What was read, and what it was derived from, as `freshness.ts` names it. */
export interface Found<T> {
  readonly value: T;
  readonly from: readonly string[];
}

/** What a reading finds; undefined only if it may find nothing. */
type ValueOf<F> = F extends Found<infer T> ? T : undefined;

/** How one view answers. Those who ask for one key at a time wait for one reading. */
export type Remember = <F extends Found<object> | undefined>(
  kind: string,
  read: (key: string) => Promise<F>,
) => (key: string) => Promise<ValueOf<F>>;

/** @returns makes the `Remember` of the view of a revision */
export function createMemory(freshness: Pick<Freshness, 'holds'>): (revision: number) => Remember {
  type Kept = Found<object> & Derived;
  const kinds = new Map<string, LRUCache<string, Kept>>();

  function keep(kind: string, key: string, found: Kept): void {
    // Made for the first answer, because it takes memory for as many as it may keep.
    const kept = kinds.get(kind) ?? new LRUCache<string, Kept>({ max: ANSWERS_KEPT });
    kinds.set(kind, kept);
    const other = kept.peek(key);
    if (!other || other.since <= found.since) kept.set(key, found);
  }

  return (since) =>
    <F extends Found<object> | undefined>(kind: string, read: (key: string) => Promise<F>) => {
      const answered = new Map<string, Promise<ValueOf<F>>>();

      /** A miss is not kept: rows that are not there must not push out those that are. */
      async function readOnce(key: string): Promise<ValueOf<F>> {
        try {
          const found = await read(key);
          if (found) keep(kind, key, { ...found, since });
          else answered.delete(key);
          return found?.value as ValueOf<F>;
        } catch (error) {
          answered.delete(key);
          throw error;
        }
      }

      return (key) => {
        const known = answered.get(key);
        if (known) return known;
        const before = kinds.get(kind)?.get(key);
        const holds = before !== undefined && freshness.holds(before);
        const answer = holds ? Promise.resolve(before.value as ValueOf<F>) : readOnce(key);
        if (answered.size >= ANSWERS_KEPT) answered.delete(answered.keys().next().value as string);
        answered.set(key, answer);
        return answer;
      };
    };
}
