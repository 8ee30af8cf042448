/** Whether an application lists an origin. Also answers while the store is away, so that pages can read that error. */
import { LRUCache } from 'lru-cache';
import type { Directory } from './directory.ts';

const ORIGINS_KEPT = 5_000;

export function createIsListedOrigin(
  directory: Pick<Directory, 'view'>,
): (origin: string) => Promise<boolean> {
  /** Those that were listed when they were asked for last. */
  const listed = new LRUCache<string, true>({ max: ORIGINS_KEPT });
  return async (origin) => {
    const isListed = await directory.view().then(
      (view) => view.isListedOrigin(origin),
      () => listed.has(origin),
    );
    if (isListed) listed.set(origin, true);
    else listed.delete(origin);
    return isListed;
  };
}
