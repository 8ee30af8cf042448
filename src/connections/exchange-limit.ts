/**
 * How often a connection may be traded, and how many living tokens may descend from it. Trades are counted in each
 * process by itself and never in the store, because a write for each would cost more than the trade: n processes allow
 * n times as many. Living tokens are counted in the store once a minute, and on from there.
 */
import { LRUCache } from 'lru-cache';
import { TooManyAttempts } from '../errors/domain.ts';

const ORIGINS_COUNTED = 50_000;
/** Milliseconds. */
const RECOUNTED_AFTER = 60_000;
const RECOUNTED_AT_THE_LIMIT_AFTER = 1_000;

/**
 * Takes one trade.
 * @param origin what the trades of are counted: a connection, or somebody who has pairs of tokens made from theirs, of
 *   whom no living tokens are counted
 * @throws TooManyAttempts
 */
export type ExchangeLimit = (origin: string, kind?: 'connection' | 'user') => Promise<void>;

export interface ExchangeLimitDeps {
  /** Trades in a window of so many seconds, which begins with its first trade. */
  readonly trades: { readonly points: number; readonly seconds: number };
  /** Living tokens. */
  readonly living: number;
  readonly countLiving: (connection: string, now: number) => Promise<number>;
  /** Milliseconds. */
  readonly now: () => number;
}

interface Window {
  count: number;
  readonly until: number;
}

interface Living {
  count: number;
  readonly at: number;
}

function tooMany(ms: number, reason: string): TooManyAttempts {
  return new TooManyAttempts(Math.max(1, Math.ceil(ms / 1000)), {
    description: 'too many tokens are made, try again later',
    reason,
  });
}

export function createExchangeLimit({ trades, living, countLiving, now }: ExchangeLimitDeps): ExchangeLimit {
  const windows = new LRUCache<string, Window>({ max: ORIGINS_COUNTED });
  const counts = new LRUCache<string, Living>({ max: ORIGINS_COUNTED });

  function takeTrade(origin: string): void {
    const at = now();
    const running = windows.get(origin);
    if (!running || running.until <= at) {
      windows.set(origin, { count: 1, until: at + trades.seconds * 1000 });
      return;
    }
    running.count += 1;
    if (running.count > trades.points) {
      throw tooMany(running.until - at, `${origin}: more trades than its limit`);
    }
  }

  async function count(connection: string): Promise<Living> {
    const at = now();
    const known = counts.get(connection);
    const age = known ? at - known.at : Number.POSITIVE_INFINITY;
    const isDue = age > (known && known.count >= living ? RECOUNTED_AT_THE_LIMIT_AFTER : RECOUNTED_AFTER);
    if (known && !isDue) return known;
    const counted = { count: await countLiving(connection, at), at };
    counts.set(connection, counted);
    return counted;
  }

  return async (origin, kind = 'connection') => {
    takeTrade(`${kind} ${origin}`);
    if (kind === 'user') return;
    const counted = await count(origin);
    if (counted.count >= living) {
      throw tooMany(RECOUNTED_AFTER, `connection ${origin}: more living tokens than its limit`);
    }
    counted.count += 1;
  };
}
