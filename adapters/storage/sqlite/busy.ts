/** Waiting for the write lock, which one process at a time has. */
import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailable } from '../../../src/storage/contract.ts';
import { isBusy } from './errors.ts';

/** Milliseconds until the first further try at most: as long as another process's commit usually holds the lock. */
const COMMIT_MS = 2;
/** Milliseconds between two tries at most. */
const LONGEST_MS = 15;
/** Milliseconds after which a store that is busy all the time counts as unavailable. */
const BUSY_PATIENCE_MS = 5_000;

/**
 * Waits without blocking while another process holds the write lock. By timers: trying at each turn of the event loop costs
 * more than the writes.
 * @throws StoreUnavailable when it has waited too long, and all else that `work` throws
 */
export async function patiently<T>(work: () => T): Promise<T> {
  const began = performance.now();
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const waited = performance.now() - began;
      if (waited > BUSY_PATIENCE_MS) {
        throw new StoreUnavailable('another process keeps the database busy', { cause: error });
      }
      // By chance, so that processes that wait do not meet again.
      await delay(1 + Math.random() * Math.min(COMMIT_MS + waited / 2, LONGEST_MS));
    }
  }
}
