/** What can be wrong with a database file, as sentences, and which of SQLite's errors are temporary. */
import { StoreUnavailable } from '../../../src/storage/contract.ts';

/** Primary result codes (https://www.sqlite.org/rescode.html); those of `TEMPORARY` may go away by themselves. */
const BUSY = 5;
const LOCKED = 6;
const CONSTRAINT = 19;
const TEMPORARY: ReadonlyMap<number, string> = new Map([
  [BUSY, 'another process keeps the database busy'],
  [LOCKED, 'another process keeps the database busy'],
  [7 /* NOMEM */, 'there is no memory left for the database'],
  [8 /* READONLY */, 'the database is read-only'],
  [10 /* IOERR */, 'the file of the database cannot be read or written'],
  [13 /* FULL */, 'the disk of the database is full'],
  [14 /* CANTOPEN */, 'the file of the database cannot be opened'],
]);

function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/** Another process writes or reads the log, so a checkpoint could not start it from its beginning. */
export class LogInUse extends Error {
  override readonly name = 'LogInUse';
}

/** Whether another process uses the file at this moment. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED || error instanceof LogInUse;
}

/** Something must be unique, or there, and is not. */
export function isConstraint(error: unknown): boolean {
  return primaryCode(error) === CONSTRAINT;
}

/** A full disk, a lost volume, a read-only file: an answer of 503, and later it may work again. */
export function toStoreError(error: unknown): unknown {
  const why = TEMPORARY.get(primaryCode(error) ?? 0);
  return why === undefined ? error : new StoreUnavailable(why, { cause: error });
}

/** Whether the file fails, and not the statement. */
export function isStoreFailure(error: unknown): boolean {
  return TEMPORARY.has(primaryCode(error) ?? 0);
}
