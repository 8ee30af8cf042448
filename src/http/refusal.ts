/** A request that is refused before its content is looked at, with the status that says why. */

export interface RefusalOptions {
  /** The `error` of the answer. */
  readonly error?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** For the log only. */
  readonly reason?: string;
}

/** Thrown by the shell and by pages; `http/errors.ts` answers it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** 4xx (RFC 9110 section 15.5). */
  readonly status: number;
  readonly error: string;
  /** Safe to show to every caller. */
  readonly description: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly reason: string | undefined;

  constructor(status: number, description: string, options: RefusalOptions = {}) {
    super(options.reason ?? description);
    this.status = status;
    this.error = options.error ?? 'invalid_request';
    this.description = description;
    this.headers = options.headers ?? {};
    this.reason = options.reason;
  }
}
