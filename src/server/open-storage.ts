/** The store that the configuration names. Only the adapter that is used is loaded. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { type Storage, StoreUnavailable } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';

/**
 * @throws CannotOpenStore, NewerDatabase, UnfitStore, each one clear sentence: nothing was changed; StoreUnavailable
 *   when it cannot be reached
 */
export async function openStorage({
  storage,
  sqliteSync,
}: Pick<Config, 'storage' | 'sqliteSync'>): Promise<Storage> {
  if (storage.kind === 'mongodb') {
    const { openMongooseStorage } = await import('../../adapters/storage/mongoose/index.ts');
    return openMongooseStorage({ url: storage.url });
  }
  const { openSqliteStorage } = await import('../../adapters/storage/sqlite/index.ts');
  return openSqliteStorage({ path: storage.path, sync: sqliteSync });
}

/** Milliseconds between two tries. */
const AGAIN_AFTER = 1_000;

/**
 * Tries until a database answers; a file that cannot be used is not waited for.
 * @param open made anew for each try
 * @throws AbortError when `signal` gives up, and whatever else `open` throws
 */
export async function whenStoreIsThere<T>(
  { storage }: Pick<Config, 'storage'>,
  open: () => Promise<T>,
  { signal, onAway }: { signal: AbortSignal | undefined; onAway: (error: StoreUnavailable) => void },
): Promise<T> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (storage.kind === 'sqlite' || !(error instanceof StoreUnavailable)) throw error;
      onAway(error);
      await wait(AGAIN_AFTER, undefined, defined({ signal }));
    }
  }
}
