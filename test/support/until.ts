/** Waiting for other processes, the network and the disk. The only pause of the tests is here. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const PAUSE_MS = 5;
/** Far more than anything takes: it ends a test that hangs and says nothing about speed. */
const DEADLINE_MS = 60_000;

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
  for (;;) {
    const answer = await ask();
    if (answer) return answer as Exclude<T, false | null | undefined>;
    assert.ok(performance.now() < deadline, `it did not happen: ${what}`);
    await pause(PAUSE_MS);
  }
}
