/** Domain errors as the engine's errors, for its chain. */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { DomainError } from '../errors/domain.ts';

/**
 * Runs a part of ours inside the engine's chain, and keeps the exact error beside the answer, for the log and the audit.
 * @throws the engine's error in place of a domain error
 */
export async function insideEngine<T>({ state }: KoaContextWithOIDC, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    state.failure = error;
    throw toEngineError(error);
  }
}

/** What is not a domain error is returned as it is, and becomes a 500. */
function toEngineError(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error;
  const { status } = error;
  // The engine hides what has a status of 500 or more behind `server_error`; a 503 is an answer of ours.
  return Object.assign(new errors.CustomOIDCProviderError(error.error, error.told), {
    status,
    statusCode: status,
    expose: true,
    cause: error,
  });
}
