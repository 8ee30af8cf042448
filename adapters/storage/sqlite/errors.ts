/** What can be wrong with a database file, each one clear sentence; and which of SQLite's errors pass by themselves. */
import { StoreUnavailable } from '../../../src/storage/contract.ts';

/** The file cannot be opened, created or written. */
export class CannotOpenStore extends Error {
  override readonly name = 'CannotOpenStore';
}

/** The file was written by a newer version of Grantable. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase';
}

/** Primary result codes (https://www.sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const CONSTRAINT = 19;
const PASSING = new Set([
  BUSY,
  LOCKED,
  7 /* NOMEM */,
  8 /* READONLY */,
  10 /* IOERR */,
  13 /* FULL */,
  14 /* CANTOPEN */,
]);

function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/** Another process writes at this moment. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** Something must be unique, or there, and is not. */
export function isConstraint(error: unknown): boolean {
  return primaryCode(error) === CONSTRAINT;
}

/** A full disk, a lost volume, a read-only file: an answer of 503, and later it may work again. */
export function toStoreError(error: unknown): unknown {
  const code = primaryCode(error);
  return code !== undefined && PASSING.has(code)
    ? new StoreUnavailable('the database cannot be used now', { cause: error })
    : error;
}
