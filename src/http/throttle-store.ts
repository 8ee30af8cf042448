/** The algorithms of `rate-limiter-flexible` over our own counters, so that every store has them. */
import { createRequire } from 'node:module';
import type { RateLimiterStoreAbstract, RateLimiterRes as Result } from 'rate-limiter-flexible';
import type { Counters } from '../storage/contract.ts';

// The package declares the abstract class as public and forgets to export it (11.4.0).
const load = createRequire(import.meta.url);
const StoreAbstract: typeof RateLimiterStoreAbstract = load(
  'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js',
);

export const RateLimiterRes: typeof Result = load('rate-limiter-flexible/lib/RateLimiterRes.js');
export type RateLimiterRes = Result;

/** An amount of something within a time. */
export interface Limit {
  readonly points: number;
  readonly seconds: number;
}

type Window = Awaited<ReturnType<Counters['increment']>>;

/**
 * The library's own memory of blocked keys goes by the real clock and stays switched off, as do its insurance limiter
 * and even spreading.
 */
export class CountersLimiter extends StoreAbstract {
  readonly #counters: Counters;
  readonly #now: () => number;

  /**
   * @param now milliseconds since the epoch
   * @param keyPrefix tells the limiters that share the counters apart
   */
  constructor(counters: Counters, now: () => number, keyPrefix: string, { points, seconds }: Limit) {
    super({ storeClient: counters, keyPrefix, points, duration: seconds });
    this.#counters = counters;
    this.#now = now;
  }

  async _upsert(key: string, points: number, durationMs: number, forceExpire = false): Promise<Window> {
    const now = this.#now();
    if (!forceExpire) return this.#counters.increment(key, points, durationMs, now);
    const window = { points, expiresAt: now + durationMs };
    await this.#counters.set(key, window.points, window.expiresAt);
    return window;
  }

  async _get(key: string): Promise<Window | null> {
    return (await this.#counters.get(key, this.#now())) ?? null;
  }

  /** The contract does not tell whether there was one. */
  async _delete(key: string): Promise<boolean> {
    await this.#counters.remove(key);
    return true;
  }

  _getRateLimiterRes(_key: string, changed: number, { points, expiresAt }: Window): RateLimiterRes {
    const left = Math.max(0, this.points - points);
    return new RateLimiterRes(left, Math.max(0, expiresAt - this.#now()), points, points === changed);
  }
}
