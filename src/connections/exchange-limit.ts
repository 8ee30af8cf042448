/**
 * How often a connection may be traded, and how many living tokens may descend from it. Trades are counted in each
 * process by itself and never in the store, because a write for each would cost more than the trade: n processes allow
 * n times as many. Living tokens are counted in the store once a minute, and on from there.
 */
import { LRUCache } from 'lru-cache';
import { TooManyAttempts } from '../errors/domain.ts';

const ORIGINS_COUNTED = 50_000;
const RECOUNTED_AFTER_MS = 60_000;
const RECOUNTED_AT_THE_LIMIT_AFTER_MS = 1_000;

/**
 * Takes one trade.
 * @param origin a connection, whose living tokens are counted too; or a person who makes token pairs from their own,
 *   whose living pairs are counted
 * @throws TooManyAttempts
 */
export type ExchangeLimit = (origin: string, kind?: Kind) => Promise<void>;

type Kind = 'connection' | 'user';

export interface ExchangeLimitDeps {
  /** Trades in a window of so many seconds, which begins with its first trade. */
  readonly trades: { readonly points: number; readonly seconds: number };
  /** Living tokens of a connection, living pairs of a user. */
  readonly living: { readonly [K in Kind]: number };
  /** Counting ends at `limit`. */
  readonly countLiving: {
    readonly [K in Kind]: (origin: string, now: number, limit: number) => Promise<number>;
  };
  /** Milliseconds. */
  readonly now: () => number;
}

/** `at`: when it was counted. */
type Living = { count: number; readonly at: number };

const tooMany = (ms: number, reason: string): TooManyAttempts =>
  new TooManyAttempts(ms / 1000, { description: 'Too many tokens were made. Try again later.', reason });

export function createExchangeLimit({ trades, living, countLiving, now }: ExchangeLimitDeps): ExchangeLimit {
  const windows = new LRUCache<string, { count: number; readonly until: number }>({ max: ORIGINS_COUNTED });
  const counts = new LRUCache<string, Living>({ max: ORIGINS_COUNTED });
  /** Trades that come while one is counted for share its count. */
  const counting = new Map<string, Promise<Living>>();

  function takeTrade(key: string): void {
    const at = now();
    const running = windows.get(key);
    if (!running || running.until <= at) {
      windows.set(key, { count: 1, until: at + trades.seconds * 1000 });
      return;
    }
    running.count += 1;
    if (running.count > trades.points) {
      throw tooMany(running.until - at, `${key}: more trades than its limit`);
    }
  }

  async function count(key: string, origin: string, kind: Kind): Promise<Living> {
    const known = counts.get(key);
    const isAtTheLimit = known !== undefined && known.count >= living[kind];
    const keptMs = isAtTheLimit ? RECOUNTED_AT_THE_LIMIT_AFTER_MS : RECOUNTED_AFTER_MS;
    if (known && now() - known.at <= keptMs) return known;
    const begun = counting.get(key) ?? recount(key, origin, kind).finally(() => counting.delete(key));
    counting.set(key, begun);
    return begun;
  }

  async function recount(key: string, origin: string, kind: Kind): Promise<Living> {
    const at = now();
    const counted = { count: await countLiving[kind](origin, at, living[kind]), at };
    counts.set(key, counted);
    return counted;
  }

  return async (origin, kind = 'connection') => {
    const key = `${kind} ${origin}`;
    takeTrade(key);
    const counted = await count(key, origin, kind);
    if (counted.count >= living[kind]) {
      throw tooMany(RECOUNTED_AFTER_MS, `${key}: more living tokens than its limit`);
    }
    counted.count += 1;
  };
}
