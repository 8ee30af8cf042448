/** Errors of a database that retrying does not solve, as a sentence for the operator. */
import { mongo } from 'mongoose';
import { CannotOpenStore, NewerDatabase, StoreUnavailable } from '../../../src/storage/contract.ts';
import { passes, quoted, serverErrorsOf } from './errors.ts';

/** Server errors of authentication and authorization. */
const UNAUTHORIZED = new Set([11, 13, 18, 8000]);

/** Errors of Node's TLS and of the server's certificate. */
const TLS_CODE =
  /^ERR_(?:TLS|SSL|OSSL)_|^CERT_|^(?:DEPTH_ZERO_)?SELF_SIGNED_CERT|^UNABLE_TO_(?:VERIFY|GET|DECODE)|^HOSTNAME_MISMATCH$|^INVALID_CA$/;

const isUnauthorized = (error: Error): boolean =>
  error instanceof mongo.MongoMissingCredentialsError ||
  (error instanceof mongo.MongoServerError && UNAUTHORIZED.has(Number(error.code)));

/** @returns undefined if it may pass, or is not an answer of a database */
function refusalOf(error: Error | null): string | undefined {
  if (error === null) return undefined;
  const said = quoted(error.message);
  if (TLS_CODE.test(String(((error.cause ?? error) as NodeJS.ErrnoException).code ?? ''))) {
    return `The TLS connection to the database fails: ${said}. Check tls and tlsCAFile in GRANTABLE_STORAGE, and the certificate of the database.`;
  }
  if (passes(error)) return undefined;
  if (isUnauthorized(error)) {
    return `The database refuses the credentials: ${said}. Check the username, the password and authSource in GRANTABLE_STORAGE; the user needs readWrite on the database.`;
  }
  if (error instanceof mongo.MongoCompatibilityError) {
    return `The database does not fit the driver of MongoDB: ${said}.`;
  }
  if (error instanceof mongo.MongoServerError) {
    return `The database refuses a command that Grantable needs: ${said} (code ${error.code}). Use MongoDB 4.4 or later, or a server that is compatible with it.`;
  }
  if (error instanceof mongo.MongoAPIError || error instanceof mongo.MongoParseError) {
    return `GRANTABLE_STORAGE cannot be used: ${said}.`;
  }
  return undefined;
}

/**
 * An error of opening a store: CannotOpenStore if retrying does not solve it, else the error itself. If there are several
 * servers, all must refuse: a server that is away may still accept.
 */
export function toOpeningError(error: unknown): unknown {
  if (error instanceof CannotOpenStore || error instanceof NewerDatabase) return error;
  const answers = error instanceof StoreUnavailable ? serverErrorsOf(error.cause) : [error as Error];
  const refusals = answers.map(refusalOf);
  const [first] = refusals;
  if (first === undefined || refusals.includes(undefined)) return error;
  return new CannotOpenStore(first, { cause: error });
}
