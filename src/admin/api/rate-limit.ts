/** How many requests an actor may send, told in `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers). */
import { hash } from 'node:crypto';
import type { Context } from 'koa';
import { TooManyAttempts } from '../../errors/domain.ts';
import type { Limit } from '../../http/throttle.ts';
import type { Counters } from '../../storage/contract.ts';

/** @returns takes one request of an actor. @throws TooManyAttempts */
export function createRateLimit({
  counters,
  limit,
  now,
}: {
  readonly counters: Pick<Counters, 'increment'>;
  readonly limit: Limit;
  /** Milliseconds. */
  readonly now: () => number;
}): (ctx: Context, actor: string) => Promise<void> {
  const { points: most, seconds } = limit;
  return async (ctx, actor) => {
    const at = now();
    const key = `administration:${hash('sha256', actor, 'base64url').slice(0, 22)}`;
    const { points, expiresAt } = await counters.increment(key, 1, seconds * 1000, at);
    const wait = Math.max(1, Math.ceil((expiresAt - at) / 1000));
    ctx.set('RateLimit-Policy', `"default";q=${most};w=${seconds}`);
    ctx.set('RateLimit', `"default";r=${Math.max(0, most - points)};t=${wait}`);
    if (points <= most) return;
    throw new TooManyAttempts(wait, {
      description: `More than ${most} requests in ${seconds} seconds. Try again in ${wait} seconds.`,
      reason: 'too many requests of this actor',
    });
  };
}
