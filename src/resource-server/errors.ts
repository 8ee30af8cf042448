/** Why a request is refused, in the words of RFC 6750 section 3.1 where it has them. */

export type AccessErrorCode =
  /** No token at all. 401 */
  | 'missing_token'
  /** Two tokens, or one where none may stand. 400 */
  | 'invalid_request'
  /** Not one of ours, not for this resource, expired, ended. 401 */
  | 'invalid_token'
  /** It does not allow this. 403 */
  | 'insufficient_scope'
  /** It cannot be checked; fail closed, and try again later. 503 */
  | 'unavailable';

const STATUS: Readonly<Record<AccessErrorCode, number>> = {
  missing_token: 401,
  invalid_request: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  unavailable: 503,
};

export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly code: AccessErrorCode;
  /** HTTP. */
  readonly status: number;
  /** What would have been enough, as a scope (RFC 6750 section 3). */
  readonly scope: string | undefined;

  /** @param message safe to show to any client; `options.cause` is for the log */
  constructor(code: AccessErrorCode, message: string, options: { scope?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = STATUS[code];
    this.scope = options.scope;
  }
}

/** The token is not one of ours, not for this resource, or it has ended. */
export const notActive = (cause?: unknown): AccessError =>
  new AccessError('invalid_token', 'The token is not active, or it is for another resource.', { cause });

export const uncheckable = (cause?: unknown): AccessError =>
  new AccessError('unavailable', 'The token cannot be checked at the moment. Try again later.', { cause });
