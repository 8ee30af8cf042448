/**
 * Codes and refresh tokens that were spent although the answer was lost, because the store went away in between. The
 * client got nothing for them, so a client that presents one again is not a thief, also later than the grace of a
 * retry. The name is written to the store as soon as the store is back, so that every process knows it.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type Counters, findStoreUnavailable } from '../../storage/contract.ts';

/** Milliseconds, from when the store is there again. */
const REMEMBERED_FOR = 60_000;
const TRIED_FOR = 120_000;
const TRIED_EVERY = 500;
const KEPT = 10_000;

export type LostAnswers = ReturnType<typeof createLostAnswers>;

export function createLostAnswers({
  counters,
  now,
}: {
  counters: Pick<Counters, 'get' | 'set'>;
  /** Milliseconds. */
  now: () => number;
}) {
  const known = new LRUCache<string, true>({ max: KEPT, ttl: REMEMBERED_FOR });
  const keyOf = (what: string): string => `lost answer ${what}`;

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

  return {
    /** @param what a name that holds no secret */
    remember(what: string): void {
      known.set(what, true);
      void tell(what);
    },
    async has(what: string): Promise<boolean> {
      return known.has(what) || (await counters.get(keyOf(what), now())) !== undefined;
    },
  };
}
