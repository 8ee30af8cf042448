/** Changes that mean the same whatever somebody else changes at the same time. */
import { Conflict, VersionConflict } from '../storage/contract.ts';

const ATTEMPTS = 10;

/**
 * Tries again when somebody else changed the same at the same time.
 * @param work reads anew what it changes
 */
export async function despiteOthers<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const isRace = error instanceof Conflict || error instanceof VersionConflict;
      if (!isRace || attempt === ATTEMPTS) throw error;
    }
  }
}
