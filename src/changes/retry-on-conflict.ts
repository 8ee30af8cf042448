/** Retries a read-modify-write that lost a race. */
import { Conflict, VersionConflict } from '../storage/contract.ts';

const ATTEMPTS = 10;

/** @param work reads what it changes anew at each attempt */
export async function retryOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const isRace = error instanceof Conflict || error instanceof VersionConflict;
      if (!isRace || attempt === ATTEMPTS) throw error;
    }
  }
}
