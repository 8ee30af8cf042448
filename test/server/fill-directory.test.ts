import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';

test('the content of the apply file is let go when it was applied', async () => {
  await using server = await startServer();
  const { config, store } = server.server.foundations;
  const { items } = await store.organizations.page({ limit: 1 });
  assert.equal(items.length, 1, 'it was applied');
  assert.deepEqual(config.apply, {});
});
