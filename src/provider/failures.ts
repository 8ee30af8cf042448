/** Failures inside the engine's chain: our errors as the engine's, and what its answer does not say of them. */
import type { Middleware } from 'koa';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { RecordRefused } from '../clients/refused-requests.ts';
import { DomainError } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { findStoreUnavailable } from '../storage/contract.ts';

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

/**
 * Tells that the store is away, when to come back, and the reason in log and audit, which never reaches the client. Leaves
 * `reason`, and `clientId` of the engine's client, in `ctx.state`.
 */
export function createFailures(recordRefused: RecordRefused): Middleware {
  return async function failures(ctx, next) {
    try {
      await next();
    } finally {
      ctx.state.clientId ??= ctx.oidc?.client?.clientId;
    }
    const { failure, address, requestId, clientId } = ctx.state;
    if (failure === undefined) return;
    // The error boundary answers that alike for everybody, in place of what the engine said.
    if (findStoreUnavailable(failure)) throw failure;
    ctx.state.reason = reasonOf(failure) ?? 'unknown';
    if (failure instanceof DomainError && failure.retryAfter !== undefined) {
      ctx.set('Retry-After', String(failure.retryAfter));
    }
    await recordRefused({
      path: ctx.path,
      status: ctx.status,
      error: failure,
      client: undefined,
      named: clientId,
      address,
      requestId,
    });
  };
}
