import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAdmin } from '../api/support.ts';

test('counts are those of the organization, and of what a token may read whole', async () => {
  await using admin = await startAdmin();
  const users = await admin.call('GET', '/organizations/acme/users?limit=200', 'auditor');
  const state = await admin.call('GET', '/organizations/acme/state', 'auditor');
  assert.equal(state.status, 200, state.text);
  assert.deepEqual(state.json.counts.users, { count: users.json.items.length, isMore: false });
  assert.equal((await admin.call('GET', '/organizations/acme/state', 'developer')).status, 403);
  assert.equal((await admin.call('GET', '/organizations/acme/state', 'other')).status, 404);
  assert.equal((await admin.call('GET', '/state', 'owner')).status, 403);
});

test('the server tells what it has and what waits for the clean-up', async () => {
  await using admin = await startAdmin();
  const before = await admin.call('GET', '/state', 'server');
  assert.equal(before.status, 200, before.text);
  assert.deepEqual(before.json.counts.organizations, { count: 2, isMore: false });
  assert.deepEqual(before.json.cleanUp.expired, { count: 0, isMore: false });
  const management = await admin.call('GET', '/organizations/management/state', 'server');
  assert.equal(management.json.counts.users.count, 1, management.text);
});
