/**
 * What the engine's answer does not say of a failure: that the store is away, when to come back, the reason in log and
 * audit. The reason never reaches the client.
 */
import type { Middleware } from 'koa';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { ProofRejected, TooManyAttempts, Unavailable } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { findStoreUnavailable } from '../storage/contract.ts';
import type { Refusals } from '../storage/refusals.ts';
import { AUTHENTICATED_ROUTES } from './clients.ts';

export interface FailuresDeps {
  readonly refusals: Pick<Refusals, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Errors of requests that fail before the client, and the person if there is one, have authenticated. */
const UNPROVED = [
  errors.InvalidClientAuth,
  errors.InvalidGrant,
  errors.InvalidRequest,
  ProofRejected,
  TooManyAttempts,
  Unavailable,
];

function isProved(oidc: KoaContextWithOIDC['oidc'] | undefined, failure: unknown): boolean {
  const { client, route } = oidc ?? {};
  const authenticates = client !== undefined && client.clientAuthMethod !== 'none';
  return (
    authenticates &&
    AUTHENTICATED_ROUTES.includes(String(route)) &&
    !UNPROVED.some((type) => failure instanceof type)
  );
}

export function createFailures({ refusals, now }: FailuresDeps): Middleware {
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
    await refusals.append(
      {
        at: now(),
        event: `request.refused`,
        outcome: 'denied',
        reason: ctx.state.reason,
        details: { path: ctx.path, status: ctx.status },
        ...(ctx.oidc?.client && { client: ctx.oidc.client.clientId }),
        ...(typeof ctx.state.address === 'string' && { address: ctx.state.address }),
        ...(typeof ctx.state.requestId === 'string' && { requestId: ctx.state.requestId }),
      },
      isProved(ctx.oidc as KoaContextWithOIDC['oidc'] | undefined, failure),
    );
  };
}
