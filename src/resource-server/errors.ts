/** Why a request is refused, in the words of RFC 6750 section 3.1 where it has them. */
import type { Action } from '../permissions/actions.ts';
import { quoteName } from '../permissions/errors.ts';
import { toTableScope } from '../permissions/table-scopes.ts';

/** The HTTP status of each. */
const STATUS = {
  /** No token at all. */
  missing_token: 401,
  /** Two tokens, or one where none may stand. */
  invalid_request: 400,
  /** Not one of ours, not for this resource, expired, ended. */
  invalid_token: 401,
  /** It does not allow this. */
  insufficient_scope: 403,
  /** It cannot be checked; fail closed, and try again later. */
  unavailable: 503,
} as const;

export type AccessErrorCode = keyof typeof STATUS;

export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly code: AccessErrorCode;
  /** HTTP. */
  readonly status: number;
  /** All that would have been needed, with blanks between the scopes (RFC 6750 section 3). */
  readonly scope: string | undefined;

  /** @param message safe to show to any client; `options.cause` is for the log */
  constructor(code: AccessErrorCode, message: string, options: { scope?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = STATUS[code];
    this.scope = options.scope;
  }
}

/** The token does not allow an action on a table, or not in this way. */
export const insufficient = (
  table: string,
  action: Action,
  message = `The token does not allow to ${action} these rows or columns of ${quoteName(table)}.`,
): AccessError => new AccessError('insufficient_scope', message, { scope: toTableScope(table, action) });

/** The token is not one of ours, not for this resource, or it has ended. */
export const notActive = (cause?: unknown): AccessError =>
  new AccessError('invalid_token', 'The token is not active, or it is for another resource.', { cause });

export const uncheckable = (cause?: unknown): AccessError =>
  new AccessError('unavailable', 'The token cannot be checked at the moment. Try again later.', { cause });
