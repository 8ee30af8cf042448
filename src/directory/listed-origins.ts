/** Whether an application lists an origin. Also answers while the store is away, so that pages can read that error. */
import type { Directory } from './directory.ts';

export function createIsListedOrigin(
  directory: Pick<Directory, 'view'>,
): (origin: string) => Promise<boolean> {
  let latest: ReadonlySet<string> = new Set();
  return async (origin) => {
    latest = await directory.view().then(
      (view) => view.allowedOrigins(),
      () => latest,
    );
    return latest.has(origin);
  };
}
