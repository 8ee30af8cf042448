import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExchangeLimit } from '../../src/connections/exchange-limit.ts';
import { TooManyAttempts } from '../../src/errors/domain.ts';

test('trades that come at once share one count, which ends at the limit', async () => {
  const counts: number[] = [];
  const count = async (_origin: string, _now: number, limit: number): Promise<number> => {
    counts.push(limit);
    return 17;
  };
  const limit = createExchangeLimit({
    trades: { points: 100, seconds: 60 },
    living: { connection: 20, user: 5 },
    countLiving: { connection: count, user: count },
    now: () => 0,
  });
  const trades = await Promise.allSettled(Array.from({ length: 10 }, () => limit('c')));
  assert.deepEqual(counts, [20]);
  assert.equal(trades.filter(({ status }) => status === 'fulfilled').length, 3);
  await assert.rejects(limit('c'), TooManyAttempts);
});
