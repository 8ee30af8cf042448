/**
 * Errors in our own words. Each says what OAuth calls it, and carries three texts for three readers: `description` for
 * the client's developer (safe to show), `reason` for the log, `cause` for debugging.
 */

export interface DomainErrorOptions {
  /** Safe to show to every client. */
  readonly description?: string;
  /** For the log only. */
  readonly reason?: string;
  readonly cause?: unknown;
}

export abstract class DomainError extends Error {
  /** The `error` of the answer (RFC 6749 section 5.2). */
  readonly error: string = 'invalid_request';
  /** Of the answer, as OAuth has it. */
  readonly status: number = 400;
  /** Of the answer of an older API, where it has a status for this that OAuth does not use. */
  readonly plainStatus?: number;
  readonly description: string | undefined;
  readonly reason: string | undefined;
  /** Seconds until it makes sense to try again. */
  readonly retryAfter?: number;

  constructor(options: DomainErrorOptions = {}) {
    super(
      options.reason ?? options.description,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = new.target.name;
    this.description = options.description;
    this.reason = options.reason;
  }

  /** What the client is told. */
  get told(): string {
    return this.description ?? 'The server refused the request.';
  }
}

/** A parameter is missing, repeated, malformed, or contradicts another (RFC 6749 section 5.2). */
export class MalformedRequest extends DomainError {}

/** What is wrong with one member of a request body. */
export interface FieldProblem {
  /** JSON Pointer (RFC 6901) into the body; empty: the body as a whole. */
  readonly path: string;
  /** A sentence without its full stop. */
  readonly detail: string;
}

/** A body has problems with as many members as fit into it, and an answer says several words about each. */
const MOST_FIELD_PROBLEMS = 100;

/** Members of a body are malformed, or do not fit what they name; nothing was written. */
export class FieldsRefused extends DomainError {
  override readonly status = 422;
  /** The first of them. */
  readonly errors: readonly FieldProblem[];
  constructor(all: readonly FieldProblem[]) {
    const errors = all.slice(0, MOST_FIELD_PROBLEMS);
    const told = errors.map(({ detail }) => detail.replace(/\.$/, ''));
    if (all.length > errors.length) told.push(`and ${all.length - errors.length} more`);
    super({ description: `${told.join('; ')}.` });
    this.errors = errors;
  }
}

/** What a client says about itself cannot be accepted (RFC 7591 section 3.2.2). */
export class MetadataRejected extends DomainError {
  override readonly error:
    | 'invalid_client_metadata'
    | 'invalid_redirect_uri'
    | 'unapproved_software_statement';
  constructor(
    description: string,
    {
      error = 'invalid_client_metadata',
      ...options
    }: DomainErrorOptions & { readonly error?: MetadataRejected['error'] } = {},
  ) {
    super({ description, ...options });
    this.error = error;
  }
}

/** A new password that will not do. The description may be shown to the person. */
export class UnfitPassword extends MalformedRequest {
  /** The end of a sentence about the password. */
  readonly problem: string;
  constructor(problem: string) {
    super({ description: `The password ${problem}.` });
    this.problem = problem;
  }
}

/** The client did not prove who it is, or may not authenticate in this way (RFC 6749 section 5.2). */
export class ClientRejected extends DomainError {
  override readonly error = 'invalid_client';
  override readonly status = 401;
  /** The one that it claims to be, if that one is known. */
  readonly clientId: string | undefined;
  constructor({ clientId, ...options }: DomainErrorOptions & { readonly clientId?: string }) {
    super(options);
    this.clientId = clientId;
  }
  override get told(): string {
    return 'Client authentication failed.';
  }
}

/** Wrong password, unknown user, dead or foreign token: never told apart (RFC 6749 section 5.2). */
export class ProofRejected extends DomainError {
  override readonly error = 'invalid_grant';
  override get told(): string {
    return 'The password, code or token is not valid.';
  }
  override readonly plainStatus = 401;
}

/** The password was right, but the account may not log in; only the holder of the password is told. */
export class AccountClosed extends ProofRejected {
  /** `pending`: registered, and not activated yet. */
  readonly state: 'disabled' | 'pending';
  constructor(state: AccountClosed['state']) {
    super({ reason: state === 'pending' ? 'user not activated' : 'user disabled' });
    this.state = state;
  }
}

/** A refresh token that was good is too old to go on with; only its holder is told. */
export class RefreshTokenTooOld extends ProofRejected {}

/** There is no such grant (RFC 6749 section 5.2). */
export class UnsupportedGrant extends DomainError {
  override readonly error = 'unsupported_grant_type';
}

/** The application may not use this grant (RFC 6749 section 5.2). */
export class GrantNotAllowed extends DomainError {
  override readonly error = 'unauthorized_client';
}

/** A scope is unknown or beyond what is allowed (RFC 6749 section 5.2). */
export class ScopeNotAllowed extends DomainError {
  override readonly error = 'invalid_scope';
  override readonly plainStatus = 403;
}

/** More was asked for than is allowed, or it makes no sense (RFC 9396 section 5). */
export class PermissionsNotAllowed extends DomainError {
  override readonly error = 'invalid_authorization_details';
  override readonly plainStatus = 403;
}

/** The resource is unknown, disabled, or not this application's (RFC 8707 section 2). */
export class UnknownResource extends DomainError {
  override readonly error = 'invalid_target';
  override readonly plainStatus = 403;
}

/** A name is taken by another account or noun. */
export class AlreadyTaken extends DomainError {
  override readonly plainStatus = 409;
}

/** Strangers may not register here. */
export class RegistrationClosed extends DomainError {
  override readonly plainStatus = 403;
}

/** The access token is missing its row, has ended, or is for another resource (RFC 6750 section 3.1). */
export class TokenRejected extends DomainError {
  override readonly error = 'invalid_token';
  override readonly status = 401;
  override get told(): string {
    return this.description ?? 'The access token is not valid.';
  }
}

/** The token is good, and its rights do not reach so far (RFC 6750 section 3.1). */
export class NotAllowed extends DomainError {
  override readonly error = 'insufficient_scope';
  override readonly status = 403;
}

/** Seconds since the person last proved who they are, for what could take over the server or an organization. */
export const FRESH_LOGIN_SECONDS = 300;

/** It takes a login of the person that is more recent (RFC 9470 section 3). */
export class FreshLoginNeeded extends DomainError {
  override readonly error = 'insufficient_user_authentication';
  override readonly status = 401;
  /** Seconds. */
  readonly maxAge = FRESH_LOGIN_SECONDS;
  override get told(): string {
    return (
      this.description ??
      `This takes a login of a person in the last ${FRESH_LOGIN_SECONDS / 60} minutes. Log in again.`
    );
  }
}

/** There is no such thing, or the one who asks may not know of it. */
export class NotFound extends DomainError {
  override readonly error = 'not_found';
  override readonly status = 404;
  override get told(): string {
    return this.description ?? 'There is no such thing here.';
  }
}

/** A refusal that passes. */
abstract class Passing extends DomainError {
  override readonly retryAfter: number;
  /** @param retryAfter seconds; rounded up to whole ones */
  constructor(retryAfter: number, options: DomainErrorOptions = {}) {
    super(options);
    this.retryAfter = Math.max(1, Math.ceil(retryAfter));
  }
}

/** Too many failures (RFC 6585 section 4). */
export class TooManyAttempts extends Passing {
  override readonly status = 429;
  override get told(): string {
    return this.description ?? 'Too many attempts. Try again later.';
  }
}

/** Grantable cannot answer: the store is away, a queue is full (RFC 6749 section 4.1.2.1). */
export class Unavailable extends Passing {
  override readonly error = 'temporarily_unavailable';
  override readonly status = 503;
  override get told(): string {
    return this.description ?? 'The server cannot do this yet. Try again later.';
  }
}
