/** Waiting for the write lock, which one process at a time has. */
import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailable } from '../../../src/storage/contract.ts';
import { isBusy } from './errors.ts';

/** Milliseconds that another process's commit usually takes at most: until then each turn tries again. */
const COMMIT_MS = 3;
/** Milliseconds after which a store that is busy all the time counts as unavailable. */
const BUSY_PATIENCE_MS = 5_000;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Waits without blocking while another process holds the write lock.
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
      if (waited < COMMIT_MS) await nextTurn();
      else await delay(1 + Math.random() * Math.min(waited / 2, 15));
    }
  }
}
