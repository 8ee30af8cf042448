import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChildServer } from '../faults/child-server.ts';
import { createHistory, load, promisesOf } from '../faults/history.ts';
import { until } from '../support/until.ts';
import { median, timeOf } from './compare.ts';

const ROUNDS = 9;

test('E1 a killed server is ready again as fast as a stopped one', async (t) => {
  await using server = await createChildServer();
  await server.start();
  const [stopped, killed]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [times, end] of [
      [stopped, () => server.stop()],
      [killed, () => server.kill()],
    ] as const) {
      const history = createHistory();
      const loading = load(server.issuer, history, [], { workers: 8 });
      await until('it is at work', () => promisesOf(history) > 50);
      await end();
      await loading;
      times.push(await timeOf(() => server.start()));
    }
  }
  const ratio = median(killed) / median(stopped);
  t.diagnostic(
    `ready after ${Math.round(median(killed))} ms, and ${Math.round(median(stopped))} after a stop`,
  );
  assert.ok(ratio < 1.5, `${ratio.toFixed(2)} times as long`);
});
