/**
 * Writes of one document that may be there or not. Never an upsert: on some servers parallel upserts of a document
 * that is not there yet overwrite each other, and each of them is acknowledged.
 */
import { StoreUnavailable } from '../../../src/storage/contract.ts';
import { guarded, isDuplicate } from './errors.ts';

/** @returns whether it was written; false if there is one with this id @throws StoreUnavailable, Conflict */
export async function insertOnce(insert: () => PromiseLike<unknown>): Promise<boolean> {
  return guarded(async () => {
    try {
      await insert();
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  });
}

/** One suffices, and a second one where the document expires and goes between the two. */
const ROUNDS = 3;

/**
 * Updates the document, or inserts it if there is none, or updates the one that another writer inserted first.
 *
 * @param update resolves with undefined where there was no document
 * @returns what `update` gave; undefined if the document was inserted
 * @throws StoreUnavailable, Conflict
 */
export async function updateOrInsert<T>(
  update: () => PromiseLike<T | undefined>,
  insert: () => PromiseLike<unknown>,
): Promise<T | undefined> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const updated = await guarded(update);
    if (updated !== undefined) return updated;
    if (await insertOnce(insert)) return undefined;
  }
  throw new StoreUnavailable('the database neither finds a document nor takes it as a new one');
}

/** As `updateOrInsert`, with an update that says how many documents it found. */
export async function setOrInsert(
  update: () => PromiseLike<{ matchedCount: number }>,
  insert: () => PromiseLike<unknown>,
): Promise<void> {
  await updateOrInsert(async () => ((await update()).matchedCount > 0 ? true : undefined), insert);
}
