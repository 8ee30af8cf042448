/** A clock that was ahead for a moment, while what had expired by it was removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';

const DAY = 86_400_000;

test('E5 a token issued after the clock was a day ahead is read and revoked', async () => {
  await using server = await startServer();
  await server.token('machine');
  server.clock.offset += DAY;
  const { storage, now } = server.server.foundations;
  // What the background sweep does while the clock is wrong.
  await storage.sweep(now(), 10_000);
  server.clock.offset -= DAY;
  const { access_token: token } = (await server.token('machine')).json;
  await server.restart();
  assert.equal((await server.introspect(token)).active, true);
  assert.equal((await server.post('/oauth/revoke', 'machine', { token })).status, 200);
  assert.deepEqual(await server.server.foundations.storage.verify(), []);
});
