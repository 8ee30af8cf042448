/** Why a call failed, in the words of the API (RFC 9457). */

export type AdminErrorCode =
  /** There was no answer, or half of one. `status` is 0. */
  | 'network_error'
  /** Not an answer of this API: a proxy's page. */
  | 'unexpected_answer';

/** A fault of the body or of the query. */
export interface FieldError {
  /** A JSON Pointer to the member (RFC 6901). */
  readonly path?: string;
  readonly detail: string;
}

export interface Problem {
  readonly detail?: string | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly requestId?: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
}

/** What every call throws, but for `TypeError` where it is called wrongly and the reason of an abort signal. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
  /** What to switch on, such as `not_found`, `insufficient_scope` or `insufficient_user_authentication`. */
  readonly code: AdminErrorCode | (string & {});
  /** HTTP; 0 where there was no answer. */
  readonly status: number;
  /** For people: what was wrong, and what would be right. */
  readonly detail: string | undefined;
  readonly errors: readonly FieldError[];
  /** Of the line in the log of the server; answers from 500 on have it. */
  readonly requestId: string | undefined;
  /** Seconds to wait before it is tried again, where the server said so. */
  readonly retryAfter: number | undefined;

  constructor(code: AdminErrorCode | (string & {}), status: number, problem: Problem = {}) {
    const { detail, errors = [], requestId, retryAfter, cause } = problem;
    super(detail === undefined ? code : `${code}: ${detail}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.errors = errors;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}
