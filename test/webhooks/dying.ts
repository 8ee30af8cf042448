/**
 * A process that changes a user, or sends what is due, and is killed on the way: `dying.ts ACT POINT`, with the configuration in the
 * environment. It kills itself, so that nothing of it runs afterwards.
 */
import assert from 'node:assert/strict';
import { createChanges } from '../../src/changes/changes.ts';
import { createRecorded } from '../../src/changes/recorded.ts';
import { loadConfig } from '../../src/config/load.ts';
import { openFoundations } from '../../src/server/foundations.ts';
import { createWebhookDelivery } from '../../src/server/webhook-delivery.ts';
import { createEvents } from '../../src/webhooks/events.ts';

const [act, point] = process.argv.slice(2);
const die = (): never => {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('not reached');
};

const now = (): number => Number(process.env.TEST_NOW);
const config = loadConfig(process.env, { cwd: process.cwd() });
const foundations = await openFoundations(config, now);
const { storage, store, directory, outbox } = foundations;
const author = { actor: 'dying' };

if (act === 'send') {
  const delivery = createWebhookDelivery(foundations, die);
  await delivery.start();
  await delivery.idle();
  die();
}

const real = createEvents({ outbox, directory, now });
const events: Pick<typeof real, 'announce'> = {
  async announce(entry, expected) {
    const announced = await real.announce(entry, expected);
    if (point === 'announced') die();
    return {
      ...announced,
      async happened() {
        if (point === 'changed') die();
        await announced.happened();
      },
    };
  },
};
const audit = { append: async () => die() };
const changes = createChanges({
  ...foundations,
  storage,
  recorded: createRecorded({ events, audit, now }),
});
const user = (await store.users.page({ limit: 9 })).items.find(({ username }) => username === 'ann');
const organization = user?.organization;
assert.ok(user && organization !== undefined);
if (act === 'replace') await changes.users.replace({ ...user, displayName: 'Ann' }, author);
if (act === 'remove') await changes.users.remove(user, author);
if (act === 'create') {
  const { number: _, version: __, id: ___, createdAt: ____, managedBy: _____, ...rest } = user;
  const names = {
    username: 'eve',
    canonicalUsername: 'eve',
    email: 'e@x.example',
    canonicalEmail: 'e@x.example',
  };
  await changes.users.create({ ...rest, ...names }, author);
}
