import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDirectory } from '../../src/directory/directory.ts';
import type { PageOptions } from '../../src/storage/contract.ts';
import { createEvents, isWanted } from '../../src/webhooks/events.ts';
import { openHooks, SECOND } from './fixture.ts';

test('events are wanted by name, by first part, or all', () => {
  assert.ok(isWanted('user.changed', ['role.*', 'user.changed']));
  assert.ok(isWanted('user.changed', ['user.*']));
  assert.ok(isWanted('user.changed', ['*']));
  for (const wanted of [['user'], ['user.created'], ['use.*'], ['user.changed.*'], []])
    assert.ok(!isWanted('user.changed', wanted), String(wanted));
});

test('an organization without webhooks costs one look, which is kept', async (t) => {
  const { administration } = await openHooks(t);
  const { store, outbox, storage, now } = administration;
  let looks = 0;
  let writes = 0;
  const counting = {
    ...store,
    webhooks: {
      ...store.webhooks,
      page(options: PageOptions) {
        looks += 1;
        return store.webhooks.page(options);
      },
    },
  };
  const events = createEvents({
    outbox: {
      ...outbox,
      insert(row) {
        writes += 1;
        return outbox.insert(row);
      },
    },
    directory: createDirectory({ store: counting, faceRules: [], now }),
    now,
  });
  const organization = await store.organizations.insert({
    id: '1f9d5a52-6c43-4a0b-9d6f-0c1f7f4f2f11',
    name: 'quiet',
    enabled: true,
    createdAt: now(),
    default: false,
    hosts: [],
  });
  for (let turn = 0; turn < 20; turn += 1)
    await events.record({
      at: now(),
      event: 'user.changed',
      outcome: 'changed',
      organization: organization.id,
    });
  assert.deepEqual([looks, writes], [1, 0]);
  assert.equal((await storage.outbox.due(now(), 9, [])).length, 0);
});

test('a change that comes after its process was taken for dead is told all the same', async (t) => {
  const hooks = await openHooks(t);
  const { directory, outbox, now } = hooks.administration;
  const { organization } = await hooks.webhook();
  const events = createEvents({ outbox, directory, now });
  const id = '1f9d5a52-6c43-4a0b-9d6f-0c1f7f4f2f12';
  const announced = await events.announce(
    { at: now(), event: 'user.created', outcome: 'changed', subject: id, organization },
    () => ({ noun: 'users', id, what: 'created' }),
  );
  await hooks.deliver(61 * SECOND);
  await announced.happened();
  await announced.happened();
  await hooks.deliver();
  assert.deepEqual(
    hooks.receiver.received.map(({ type }) => type),
    ['user.created'],
  );
});

test('a webhook of the server hears of what belongs to no organization', async (t) => {
  const hooks = await openHooks(t, ['*']);
  const { directory, outbox, now } = hooks.administration;
  const { organization: serverOrganization } = await hooks.webhook();
  const events = createEvents({ outbox, directory, serverOrganization, now });
  await events.record({ at: now(), event: 'keys.rotated', outcome: 'changed' });
  await events.record({ at: now(), event: 'webhook.given_up', outcome: 'denied', subject: 'any' });
  await hooks.deliver();
  const types = hooks.receiver.received.map(({ type }) => type);
  assert.deepEqual(
    types.filter((type) => !type.startsWith('webhook.created')),
    ['keys.rotated'],
  );
});
