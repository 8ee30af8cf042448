/** Waiting for other processes, the network and the disk. The only pause of the tests is here. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

/** Grows: asking often takes the processor from what is waited for. */
const [SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS] = [2, 50];
/** Far more than anything takes: it ends a test that hangs and says nothing about speed. */
const DEADLINE_MS = 300_000;

/**
 * Asks until there is an answer.
 * @param what for the message of the failure
 * @param ask gives a falsy value as long as it has not happened
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + DEADLINE_MS;
  for (let pauseMs = SHORTEST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const answer = await ask();
    if (answer) return answer as Exclude<T, false | null | undefined>;
    assert.ok(performance.now() < deadline, `it did not happen: ${what}`);
    await pause(pauseMs);
  }
}
