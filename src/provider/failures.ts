/**
 * What the engine's answer does not say of a failure: that the store is away, when to come back, the reason in log and
 * audit. The reason never reaches the client.
 */
import type { Middleware } from 'koa';
import { errors } from 'oidc-provider';
import { DomainError, TooManyAttempts, Unavailable } from '../errors/domain.ts';
import { type AuditLog, findStoreUnavailable } from '../storage/contract.ts';

/** Safe to log: our own reasons, and the engine's private detail, which names no secret. */
function reasonOf(failure: unknown): string {
  if (failure instanceof DomainError) return failure.reason ?? failure.description ?? failure.code;
  if (failure instanceof errors.OIDCProviderError) {
    return failure.error_detail ?? failure.error_description ?? failure.error;
  }
  return failure instanceof Error ? failure.name : 'unknown';
}

export function createFailures({ audit, now }: { audit: AuditLog; now: () => number }): Middleware {
  return async function failures(ctx, next) {
    await next();
    const { failure } = ctx.state;
    if (failure === undefined) return;
    // The error boundary answers that alike for everybody, in place of what the engine said.
    if (findStoreUnavailable(failure)) throw failure;
    ctx.state.reason = reasonOf(failure);
    if (failure instanceof TooManyAttempts || failure instanceof Unavailable) {
      ctx.set('Retry-After', String(failure.retryAfter));
    }
    await audit.append({
      at: now(),
      event: `request.refused`,
      outcome: 'denied',
      reason: ctx.state.reason,
      details: { path: ctx.path, status: ctx.status },
      ...(ctx.oidc?.client && { client: ctx.oidc.client.clientId }),
      ...(typeof ctx.state.address === 'string' && { address: ctx.state.address }),
      ...(typeof ctx.state.requestId === 'string' && { requestId: ctx.state.requestId }),
    });
  };
}
