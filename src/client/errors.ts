/** Why something failed, in the words of OAuth where it has them. */

export type ClientErrorCode =
  /** There was no answer, or half of one. `status` is 0. */
  | 'network_error'
  /** Not an answer of this server: a proxy's page, a token of a type that was not asked for. */
  | 'unexpected_answer'
  /** There is no valid token and no way to get one: the person has to log in. `status` is 0. */
  | 'login_required'
  /** `revoke()` was called before the login had ended; what it gave was ended too. `status` is 0. */
  | 'revoked';

/**
 * The one class of errors that the client throws of its own, but for `TypeError` where it is called wrongly. It holds
 * no secret: what was sent is neither in the message nor in a property.
 */
export class GrantableError extends Error {
  override readonly name = 'GrantableError';
  /**
   * What to switch on: `error` of the answer (RFC 6749 section 5.2, RFC 8707 section 2, RFC 9396 section 5), such as
   * `invalid_grant`, `invalid_scope` or `invalid_authorization_details`; or one of the client's own.
   */
  readonly error: ClientErrorCode | (string & {});
  /** HTTP; 0 where there was no answer. */
  readonly status: number;
  /** For people who develop: `error_description` of the answer, or a sentence of the client's own. */
  readonly description: string | undefined;
  /** Seconds to wait before it is tried again, where the server said so (RFC 9110 section 10.2.3). */
  readonly retryAfter: number | undefined;

  constructor(
    error: ClientErrorCode | (string & {}),
    options: {
      readonly status?: number;
      readonly description?: string | undefined;
      readonly retryAfter?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    const { status = 0, description, retryAfter, cause } = options;
    super(
      description === undefined ? error : `${error}: ${description}`,
      cause === undefined ? {} : { cause },
    );
    this.error = error;
    this.status = status;
    this.description = description;
    this.retryAfter = retryAfter;
  }
}
