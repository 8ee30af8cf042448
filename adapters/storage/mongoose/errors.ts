/** Which of the driver's errors pass by themselves, and what can be wrong with a database, each one clear sentence. */
import { MongooseError, mongo } from 'mongoose';
import { Conflict, StoreUnavailable } from '../../../src/storage/contract.ts';

const DUPLICATE_KEY = 11_000;
/** Server errors of an election, a shutdown, a time limit or a write concern that was not met in time. */
const PASSING = new Set([
  6, 7, 50, 63, 64, 89, 91, 133, 150, 189, 234, 262, 9001, 10_107, 11_600, 11_602, 13_388, 13_435, 13_436,
]);

export function isDuplicate(error: unknown): error is mongo.MongoServerError {
  return error instanceof mongo.MongoServerError && error.code === DUPLICATE_KEY;
}

/** Of a socket that ended while a command was written, which the driver passes on as they are. */
const BROKEN_CONNECTION = new Set(['EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT']);

/** Mongoose does not ask the driver while it knows itself to be disconnected, and has no class for saying so. */
function isDisconnected(error: unknown): boolean {
  return error instanceof MongooseError && error.message.includes('bufferCommands');
}

function passes(error: unknown): boolean {
  if (
    isDisconnected(error) ||
    BROKEN_CONNECTION.has((error as NodeJS.ErrnoException).code ?? '') ||
    error instanceof mongo.MongoNetworkError ||
    error instanceof mongo.MongoServerSelectionError ||
    error instanceof mongo.MongoWriteConcernError ||
    error instanceof mongo.MongoNotConnectedError ||
    error instanceof mongo.MongoTopologyClosedError ||
    (error instanceof Error && error.name === 'MongoWaitQueueTimeoutError')
  ) {
    return true;
  }
  return error instanceof mongo.MongoServerError && PASSING.has(Number(error.code));
}

/** The name of a unique index ends in the name of the key that it guards: `unique.username`. */
function clashingKey({ keyPattern, message }: mongo.MongoServerError): string {
  const [field = /index: (\S+)/.exec(message)?.[1] ?? 'id'] = Object.keys(keyPattern ?? {});
  return field === '_id' || field === '_id_' ? 'id' : field.replace(/^unique[._]/, '');
}

/** An election, a lost connection: an answer of 503, and later it works again. */
export function toStoreError(error: unknown): unknown {
  if (passes(error)) return new StoreUnavailable('the database does not answer', { cause: error });
  return isDuplicate(error) ? new Conflict(clashingKey(error)) : error;
}

/** Runs one operation. @throws StoreUnavailable, Conflict */
export async function guarded<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error);
  }
}

/** As `guarded`, for an upsert: of two that make the document at once, one is told that it is there already. */
export function retried<T>(upsert: () => PromiseLike<T>): Promise<T> {
  return guarded(async () => {
    try {
      return await upsert();
    } catch (error) {
      if (isDuplicate(error)) return upsert();
      throw error;
    }
  });
}
