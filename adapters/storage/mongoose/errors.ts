/** Which of the driver's errors pass by themselves, and which unique key a write clashed with. */
import mongoose, { MongooseError, mongo } from 'mongoose';
import { Conflict, StoreUnavailable } from '../../../src/storage/contract.ts';

const DUPLICATE_KEY = 11_000;

/** As servers over PostgreSQL pass them on: five characters, six bits each, the first one lowest. */
const packed = (sqlState: string): number =>
  [...sqlState].reduce((code, char, index) => code + ((char.charCodeAt(0) - 48) << (6 * index)), 0);

/**
 * Server errors of an election, a start, a shutdown, a lock, a time limit or a write concern that was not met in time;
 * an internal error, which a front sends while its database is down; and PostgreSQL's errors for its start and stop,
 * lost connections, too many connections, deadlocks and a standby.
 */
const PASSING = new Set([
  1,
  ...[6, 7, 24, 46, 50, 63, 64, 89, 91, 94, 112, 133, 150, 189, 202, 234, 262, 462, 9001],
  ...[10_107, 11_600, 11_602, 13_388, 13_435, 13_436],
  ...['08001', '08003', '08004', '08006', '25006', '40001', '40P01', '53300'].map(packed),
  ...['57P01', '57P02', '57P03'].map(packed),
]);

export function isDuplicate(error: unknown): error is mongo.MongoServerError {
  return error instanceof mongo.MongoServerError && error.code === DUPLICATE_KEY;
}

/** Of a socket that ended while a command was written, which the driver passes on as they are. */
const BROKEN_CONNECTION = new Set(['EPIPE', 'ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT']);

/** The name server does not know the name yet, or does not answer. */
const UNRESOLVED = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'ETIMEOUT', 'EAI_AGAIN', 'EAI_NODATA']);

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | undefined)?.code ?? '');

/** Mongoose does not ask the driver while it knows itself to be disconnected, and has no class for saying so. */
function isDisconnected(error: unknown): boolean {
  return error instanceof MongooseError && error.message.includes('bufferCommands');
}

/** Mongoose wraps the driver's error of the first connection in a class of its own. */
const SELECTION_ERRORS = [mongo.MongoServerSelectionError, mongoose.Error.MongooseServerSelectionError];

/** The driver waited for a server and found none. */
export function isSelectionError(error: unknown): boolean {
  return SELECTION_ERRORS.some((type) => error instanceof type);
}

/** Labels with which the server marks such errors itself. */
const LABELS = ['RetryableError', 'RetryableWriteError', 'TransientTransactionError'];

const PASSING_ERRORS = [
  mongo.MongoNetworkError,
  mongo.MongoWriteConcernError,
  mongo.MongoNotConnectedError,
  mongo.MongoTopologyClosedError,
];

/** Whether the same may work later. */
export function passes(error: unknown): boolean {
  if (isDisconnected(error) || isSelectionError(error)) return true;
  if (BROKEN_CONNECTION.has(codeOf(error)) || UNRESOLVED.has(codeOf(error))) return true;
  if (PASSING_ERRORS.some((type) => error instanceof type)) return true;
  if (error instanceof Error && error.name === 'MongoWaitQueueTimeoutError') return true;
  if (!(error instanceof mongo.MongoServerError)) return false;
  return PASSING.has(Number(error.code)) || LABELS.some((label) => error.hasErrorLabel(label));
}

/** What each server of the topology answered when the driver chose one, as far as it did; empty for other errors. */
export function serverErrorsOf(error: unknown): readonly (Error | null)[] {
  if (!isSelectionError(error)) return [];
  const { reason } = error as { reason?: { servers?: ReadonlyMap<string, { error: Error | null }> } };
  return [...(reason?.servers?.values() ?? [])].map((server) => server.error);
}

const MESSAGE_LENGTH = 200;

/** A message from outside, cut to fit a line. */
export const quoted = (message: string): string => `"${message.slice(0, MESSAGE_LENGTH)}"`;

/** Why the database cannot be used at this moment. */
function whyAway(error: unknown): string {
  const [of = error] = serverErrorsOf(error).filter((each) => each !== null);
  const { cause } = of as Error;
  const root = cause instanceof Error ? cause : of;
  const { hostname } = root as { hostname?: string };
  if (UNRESOLVED.has(codeOf(root))) {
    return `the host name ${quoted(hostname ?? 'unknown')} of the database does not resolve (${codeOf(root)})`;
  }
  const { message } = root as Error;
  if (!(root instanceof mongo.MongoServerError)) return `the database does not answer: ${quoted(message)}`;
  return `the database answers with an error: ${quoted(message)} (code ${root.code})`;
}

/**
 * The name of a unique index ends in the name of the key that it guards: `unique.username`. Servers word it as
 * `index: unique.username dup key` or `Index 'unique.username'`, with or without a key pattern beside it.
 */
function clashingKey({ keyPattern, message }: mongo.MongoServerError): string {
  const [field] = Object.keys(keyPattern ?? {});
  const index =
    field ?? /\bunique[._]\w+/.exec(message)?.[0] ?? /\bindex\b\W*(\w+)/i.exec(message)?.[1] ?? 'id';
  return /^_id_?$/.test(index) ? 'id' : index.replace(/^unique[._]/, '');
}

/** An election, a lost connection: an answer of 503, and later it works again. */
export function toStoreError(error: unknown): unknown {
  if (passes(error)) return new StoreUnavailable(whyAway(error), { cause: error });
  return isDuplicate(error) ? new Conflict(clashingKey(error)) : error;
}

/**
 * Above the driver's own limits. If a connection breaks while a command is being written to it, the driver may never end
 * the operation.
 */
const OPERATION_MS = 15_000;

/** Runs one operation. @throws StoreUnavailable, also if the operation does not end; Conflict */
export function guarded<T>(work: () => PromiseLike<T>): Promise<T> {
  return guardedLong(async () => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new StoreUnavailable('the database does not answer')),
      OPERATION_MS,
    );
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  });
}

/** As `guarded`, for work that may take long because there is much of it. */
export async function guardedLong<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error);
  }
}

/** The store with each of its methods run as `guarded` runs an operation. */
export function guardEach<S extends object>(store: S): S {
  const guard = ([name, method]: [string, (...given: unknown[]) => Promise<unknown>]) =>
    [name, (...given: unknown[]) => guarded(() => method(...given))] as const;
  return Object.fromEntries(Object.entries(store).map(guard)) as S;
}
