/** The one translation of domain errors to the engine's OAuth errors. */
import { errors } from 'oidc-provider';
import {
  AlreadyTaken,
  DomainError,
  GrantNotAllowed,
  MalformedRequest,
  PermissionsNotAllowed,
  ProofRejected,
  RegistrationClosed,
  ScopeNotAllowed,
  TooManyAttempts,
  Unavailable,
  UnknownResource,
} from './domain.ts';

type EngineError = InstanceType<typeof errors.OIDCProviderError>;

/** The engine hides what has a status of 500 or more behind `server_error`; a 503 is an answer of ours. */
function withStatus(error: EngineError, status: number, cause: unknown): EngineError {
  return Object.assign(error, { status, statusCode: status, expose: true, cause });
}

/**
 * @param error what a grant threw
 * @returns the error to throw into the engine's chain: RFC 6749 section 5.2, RFC 8707 section 2, RFC 9396 section 5;
 *   anything that is not a domain error is returned as it is, and becomes a 500
 */
export function toOAuthError(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error;
  const { description } = error;
  if (
    error instanceof MalformedRequest ||
    error instanceof AlreadyTaken ||
    error instanceof RegistrationClosed
  ) {
    return withStatus(new errors.InvalidRequest(description ?? 'request is invalid'), 400, error);
  }
  if (error instanceof ProofRejected)
    return withStatus(new errors.InvalidGrant('proof rejected'), 400, error);
  if (error instanceof GrantNotAllowed)
    return withStatus(new errors.UnauthorizedClient(description), 400, error);
  if (error instanceof ScopeNotAllowed) {
    return withStatus(
      new errors.InvalidScope(description ?? 'scope is not allowed', undefined as never),
      400,
      error,
    );
  }
  if (error instanceof PermissionsNotAllowed) {
    return withStatus(new errors.InvalidAuthorizationDetails(description), 400, error);
  }
  if (error instanceof UnknownResource) return withStatus(new errors.InvalidTarget(description), 400, error);
  if (error instanceof TooManyAttempts) {
    return withStatus(
      new errors.CustomOIDCProviderError(
        'invalid_request',
        description ?? 'too many attempts, try again later',
      ),
      429,
      error,
    );
  }
  if (error instanceof Unavailable) {
    return withStatus(
      new errors.CustomOIDCProviderError('temporarily_unavailable', description ?? 'try again later'),
      503,
      error,
    );
  }
  return error;
}
