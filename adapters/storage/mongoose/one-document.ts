/**
 * Writes of one document that may not exist yet. Never an upsert: on some servers parallel upserts of a new document
 * overwrite each other, and the server acknowledges each of them.
 */
import { StoreUnavailable } from '../../../src/storage/contract.ts';
import { isDuplicate } from './errors.ts';

/** @returns whether it was written; false if there is one with this id */
export async function insertOnce(insert: () => PromiseLike<unknown>): Promise<boolean> {
  try {
    await insert();
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

/** One round suffices; a second is needed if the document expires and is removed during the first. */
const ROUNDS = 3;

/**
 * Updates the document, or inserts it if it does not exist, or updates the one that another writer inserted first.
 *
 * @param update resolves with undefined where there was no document
 * @returns what `update` gave; undefined if the document was inserted
 * @throws StoreUnavailable
 */
export async function updateOrInsert<T>(
  update: () => PromiseLike<T | undefined>,
  insert: () => PromiseLike<unknown>,
): Promise<T | undefined> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const updated = await update();
    if (updated !== undefined) return updated;
    if (await insertOnce(insert)) return undefined;
  }
  throw new StoreUnavailable('the database does not update the document and does not insert it');
}

/** As `updateOrInsert`, with an update that says how many documents it found. */
export async function setOrInsert(
  update: () => PromiseLike<{ matchedCount: number }>,
  insert: () => PromiseLike<unknown>,
): Promise<void> {
  await updateOrInsert(async () => ((await update()).matchedCount > 0 ? true : undefined), insert);
}
