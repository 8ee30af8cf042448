/** Retries a read-modify-write that lost a race. */
import type { Noun } from '../nouns/index.ts';
import { type Collection, Conflict, VersionConflict } from '../storage/contract.ts';
import type { Author } from './author.ts';

const ATTEMPTS = 10;

/** Reading again finds what is right, or says what is wrong. */
export function isRace(error: unknown): boolean {
  return error instanceof Conflict || error instanceof VersionConflict;
}

/** @param work reads what it changes anew at each attempt */
export async function retryOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isRace(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Removes a noun, whatever changed it meanwhile. */
export async function removeCurrent<T extends Noun>(
  stored: Pick<Collection<T>, 'get'>,
  changes: { remove(noun: T, author: Author): Promise<void> },
  { id }: Pick<T, 'id'>,
  author: Author,
): Promise<void> {
  await retryOnConflict(async () => {
    const current = await stored.get(id);
    if (current) await changes.remove(current, author);
  });
}
