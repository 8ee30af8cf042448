import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';

test('each call of stop waits until the server has stopped', async () => {
  await using started = await startServer();
  const { server } = started;
  let hasStopped = false;
  const first = server.stop().then(() => {
    hasStopped = true;
  });
  await server.stop();
  await Promise.resolve();
  assert.ok(hasStopped);
  await first;
});
