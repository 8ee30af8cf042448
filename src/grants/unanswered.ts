/**
 * What was used up (a refresh token, a code) for an answer that failed after all, because the store went away in
 * between. Nobody was given anything for it, so whoever presents it again is honest, however much later than the grace
 * of a retry. Said in the store as soon as that takes it, so that every process knows.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type Counters, findStoreUnavailable } from '../storage/contract.ts';

/** Milliseconds. */
const REMEMBERED_FOR = 600_000;
const TRIED_FOR = 120_000;
const TRIED_EVERY = 500;
const KEPT = 10_000;

export interface Unanswered {
  /** @param what a name that holds no secret */
  remember(what: string): void;
  has(what: string): Promise<boolean>;
  /** The same, for one only of all who ask. */
  take(what: string): Promise<boolean>;
}

export function createUnanswered({
  counters,
  now,
}: {
  counters: Pick<Counters, 'get' | 'set' | 'increment'>;
  /** Milliseconds. */
  now: () => number;
}): Unanswered {
  const known = new LRUCache<string, true>({ max: KEPT, ttl: REMEMBERED_FOR });
  const keyOf = (what: string): string => `unanswered ${what}`;

  async function tell(what: string): Promise<void> {
    const until = performance.now() + TRIED_FOR;
    for (;;) {
      try {
        return await counters.set(keyOf(what), 1, now() + REMEMBERED_FOR);
      } catch (error) {
        if (!findStoreUnavailable(error) || performance.now() > until) return;
        await wait(TRIED_EVERY, undefined, { ref: false });
      }
    }
  }

  async function has(what: string): Promise<boolean> {
    return known.has(what) || (await counters.get(keyOf(what), now())) !== undefined;
  }

  return {
    remember(what) {
      known.set(what, true);
      void tell(what);
    },
    has,
    async take(what) {
      if (!(await has(what))) return false;
      const { points } = await counters.increment(`${keyOf(what)} taken`, 1, REMEMBERED_FOR, now());
      return points === 1;
    },
  };
}
