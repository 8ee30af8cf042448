/**
 * How often a connection may be traded. Counted in each process by itself and never in the store, because a write for
 * each trade would cost more than the trade: n processes allow n times as many.
 */
import { LRUCache } from 'lru-cache';
import { TooManyAttempts } from '../errors/domain.ts';

const CONNECTIONS_COUNTED = 50_000;

/** Takes one trade. @throws TooManyAttempts */
export type ExchangeLimit = (connection: string) => void;

/** @param seconds of the window, which begins with its first trade */
export function createExchangeLimit({
  points,
  seconds,
  now,
}: {
  points: number;
  seconds: number;
  /** Milliseconds. */
  now: () => number;
}): ExchangeLimit {
  const windows = new LRUCache<string, { count: number; readonly until: number }>({
    max: CONNECTIONS_COUNTED,
  });
  return (connection) => {
    const at = now();
    const running = windows.get(connection);
    if (!running || running.until <= at) {
      windows.set(connection, { count: 1, until: at + seconds * 1000 });
      return;
    }
    running.count += 1;
    if (running.count <= points) return;
    throw new TooManyAttempts(Math.max(1, Math.ceil((running.until - at) / 1000)), {
      description: 'the connection is used too often, try again later',
      reason: `connection ${connection} was traded more than ${points} times in ${seconds} s`,
    });
  };
}
