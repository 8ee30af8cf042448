import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whenTokenEnds } from '../../src/resource-server/token-streams.ts';

test('an answer ends when its token cannot be looked at', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  // What waits for the token keeps no process alive.
  const kept = setTimeout(() => assert.fail('the answer went on'), 5_000);
  whenTokenEnds(() => Promise.reject(new Error('the verifier is broken')), resolve);
  await promise;
  clearTimeout(kept);
});
