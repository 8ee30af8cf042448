/**
 * Errors in our own words. Each carries three texts for three readers: `description` for the client's developer
 * (safe to show), `reason` for the log, `cause` for whoever debugs. Only `errors/oauth.ts`, `http/errors.ts` and a
 * face's translation turn them into answers.
 */

export interface DomainErrorOptions {
  /** Safe to show to anybody. */
  readonly description?: string;
  /** For the log only. */
  readonly reason?: string;
  readonly cause?: unknown;
}

export abstract class DomainError extends Error {
  abstract readonly code: string;
  readonly description: string | undefined;
  readonly reason: string | undefined;

  constructor(options: DomainErrorOptions = {}) {
    super(
      options.reason ?? options.description,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = new.target.name;
    this.description = options.description;
    this.reason = options.reason;
  }
}

/** A parameter is missing, repeated, malformed, or contradicts another (RFC 6749 section 5.2 `invalid_request`). */
export class MalformedRequest extends DomainError {
  readonly code = 'malformed_request';
}

/** Wrong password, unknown user, dead or foreign token: never told apart (RFC 6749 section 5.2 `invalid_grant`). */
export class ProofRejected extends DomainError {
  readonly code = 'proof_rejected';
}

/** The password was right, but the account may not log in; only whoever has the password is told. */
export class AccountClosed extends ProofRejected {
  /** `pending`: registered, and not activated yet. */
  readonly state: 'disabled' | 'pending';
  constructor(state: AccountClosed['state']) {
    super({ reason: state === 'pending' ? 'user not activated' : 'user disabled' });
    this.state = state;
  }
}

/** A refresh token that was good is too old to go on with; only whoever holds it is told. */
export class RefreshTokenTooOld extends ProofRejected {}

/** The application may not use this grant (RFC 6749 section 5.2 `unauthorized_client`). */
export class GrantNotAllowed extends DomainError {
  readonly code = 'grant_not_allowed';
}

/** A scope is unknown or beyond what is allowed (RFC 6749 section 5.2 `invalid_scope`). */
export class ScopeNotAllowed extends DomainError {
  readonly code = 'scope_not_allowed';
}

/** More was asked for than is allowed, or it makes no sense (RFC 9396 section 5 `invalid_authorization_details`). */
export class PermissionsNotAllowed extends DomainError {
  readonly code = 'permissions_not_allowed';
}

/** The resource is unknown, disabled, or not this application's (RFC 8707 section 2 `invalid_target`). */
export class UnknownResource extends DomainError {
  readonly code = 'unknown_resource';
}

/** A name that somebody wants to register is somebody's already (HTTP 409 where a face says so). */
export class AlreadyTaken extends DomainError {
  readonly code = 'already_taken';
}

/** Strangers may not register here (HTTP 403 where a face says so). */
export class RegistrationClosed extends DomainError {
  readonly code = 'registration_closed';
}

/** Too many failures (RFC 6585 section 4). */
export class TooManyAttempts extends DomainError {
  readonly code = 'too_many_attempts';
  /** Seconds until it makes sense to try again. */
  readonly retryAfter: number;
  constructor(retryAfter: number, options: DomainErrorOptions = {}) {
    super(options);
    this.retryAfter = retryAfter;
  }
}

/** We cannot answer now: the store is away, a queue is full (RFC 6749 `temporarily_unavailable`, HTTP 503). */
export class Unavailable extends DomainError {
  readonly code = 'unavailable';
  /** Seconds until it makes sense to try again. */
  readonly retryAfter: number;
  constructor(retryAfter: number, options: DomainErrorOptions = {}) {
    super(options);
    this.retryAfter = retryAfter;
  }
}
