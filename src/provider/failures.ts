/**
 * What the engine's answer does not say of a failure: that the store is away, when to come back, the reason in log and
 * audit. The reason never reaches the client.
 */
import type { Middleware } from 'koa';
import { TooManyAttempts, Unavailable } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { type AuditLog, findStoreUnavailable } from '../storage/contract.ts';

export function createFailures({ audit, now }: { audit: AuditLog; now: () => number }): Middleware {
  return async function failures(ctx, next) {
    await next();
    const { failure } = ctx.state;
    if (failure === undefined) return;
    // The error boundary answers that alike for everybody, in place of what the engine said.
    if (findStoreUnavailable(failure)) throw failure;
    ctx.state.reason = reasonOf(failure) ?? 'unknown';
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
