/** Processes that are killed between a change, its audit entry and the delivery of its event. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { childEnv } from '../support/programs.ts';
import { type Hooks, openHooks, SECOND } from './fixture.ts';

const DYING = join(import.meta.dirname, 'dying.ts');

async function startDying(hooks: Hooks, act: string, point: string) {
  const { config, now } = hooks.administration;
  const place = config.storage;
  const child = spawn(process.execPath, [DYING, act, point], {
    stdio: 'inherit',
    env: {
      ...childEnv,
      ...('url' in place ? { GRANTABLE_STORAGE: place.url } : {}),
      GRANTABLE_DATA_DIR: config.dataDir,
      GRANTABLE_WEBHOOK_HOSTS: config.webhookHosts.join(','),
      TEST_NOW: String(now()),
    },
  });
  const ended = once(child, 'exit').then(([, signal]) => assert.equal(signal, 'SIGKILL'));
  return { child, ended };
}

for (const act of ['create', 'replace', 'remove']) {
  const event = { create: 'user.created', replace: 'user.changed', remove: 'user.removed' }[act];

  test(`a process that is killed before it has written a ${act} sends no event`, async (t) => {
    const hooks = await openHooks(t);
    await (await startDying(hooks, act, 'announced')).ended;
    await hooks.deliver();
    await hooks.deliver(61 * SECOND);
    assert.deepEqual(hooks.receiver.received, []);
    const deliveries = await hooks.administration.webhooks.deliveries(await hooks.webhook(), { limit: 9 });
    assert.deepEqual(deliveries.items, []);
  });

  for (const point of ['changed', 'appended']) {
    test(`an event arrives if its process is killed at ${act}: ${point}`, async (t) => {
      const hooks = await openHooks(t);
      await (await startDying(hooks, act, point)).ended;
      await hooks.deliver();
      await hooks.deliver(61 * SECOND);
      assert.deepEqual(
        hooks.receiver.received.map(({ type }) => type),
        [event],
      );
    });
  }
}

test('later events of an object wait until it is known whether a change happened', async (t) => {
  const hooks = await openHooks(t);
  await (await startDying(hooks, 'replace', 'changed')).ended;
  await hooks.change();
  await hooks.deliver();
  await hooks.deliver(2 * SECOND);
  assert.equal(hooks.receiver.received.length, 0);
  await hooks.deliver(61 * SECOND);
  await hooks.deliver(2 * SECOND);
  assert.deepEqual(
    hooks.receiver.received.map(({ data }) => data.actor),
    ['dying', 'test'],
  );
});

test('an event arrives if the process that sends it is killed meanwhile', async (t) => {
  const hooks = await openHooks(t);
  await hooks.change();
  const { child, ended } = await startDying(hooks, 'send', '');
  await new Promise<void>((resolve) => {
    hooks.receiver.answer = () => resolve();
  });
  child.kill('SIGKILL');
  await ended;
  hooks.receiver.answer = (_, response) => void response.writeHead(200).end();
  await hooks.deliver();
  assert.equal(hooks.receiver.received.length, 1);
  await hooks.deliver(31 * SECOND);
  const [first, second] = hooks.receiver.received;
  assert.equal(first?.id, second?.id);
  const [row] = (await hooks.administration.webhooks.deliveries(await hooks.webhook(), { limit: 1 })).items;
  assert.equal(row?.state, 'delivered');
});
