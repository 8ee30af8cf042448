/**
 * What the engine's answer does not say of a failure: that the store is away, when to come back, the reason in log and
 * audit. The reason never reaches the client.
 */
import type { Middleware } from 'koa';
import type { RecordRefused } from '../clients/refused-requests.ts';
import { DomainError } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { findStoreUnavailable } from '../storage/contract.ts';

/** Leaves `reason`, and `clientId` of the engine's client, in `ctx.state`. */
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
