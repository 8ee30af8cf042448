import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { openFoundations } from '../../src/server/foundations.ts';
import { AUTHOR } from '../directory/fixture.ts';
import { DAY, type Hooks, openHooks, SECOND, secretOf } from './fixture.ts';
import { answering, type Received } from './receiver.ts';

/** Webhooks: more than a process sends to at a time. */
const BUSY = 10;

/** As a receiver checks it. */
function isSigned({ headers, text }: Received, secret: string): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures } = headers;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${at}.${text}`).digest('base64');
  return String(signatures).split(' ').includes(`v1,${expected}`);
}

const statesOf = async ({ administration, webhook }: Hooks): Promise<string[]> =>
  (await administration.webhooks.deliveries(await webhook(), { limit: 20 })).items.map(({ state }) => state);

test('a change arrives, signed, with ids and names of fields', async (t) => {
  const hooks = await openHooks(t);
  const subject = await hooks.change();
  await hooks.deliver();
  const [got, ...others] = hooks.receiver.received;
  assert.ok(got);
  assert.deepEqual(others, []);
  assert.ok(isSigned(got, secretOf('crm')));
  assert.equal(got.headers['content-type'], 'application/json');
  const { organization } = await hooks.webhook();
  assert.equal(got.type, 'user.changed');
  const { id, ...data } = got.data;
  assert.equal(id, got.id);
  assert.deepEqual(data, {
    organization,
    actor: 'test',
    subject,
    outcome: 'changed',
    fields: ['displayName'],
  });
  assert.deepEqual(await statesOf(hooks), ['delivered']);
});

test('values, names and secrets are not sent', async (t) => {
  const hooks = await openHooks(t, ['*']);
  const { changes, store } = hooks.administration;
  await hooks.change();
  const [user] = (await store.users.page({ limit: 1 })).items;
  assert.ok(user);
  const changed = {
    email: 'new@acme.example',
    canonicalEmail: 'new@acme.example',
    attributes: { plan: 'gold' },
  };
  await changes.users.replace({ ...user, ...changed, passwordHash: 'hash-of-a-password' }, AUTHOR);
  await hooks.administration.webhooks.rotateSecret(await hooks.webhook('other'), AUTHOR);
  await hooks.deliver();
  const sent = hooks.receiver.received.map(({ text }) => text).join('\n');
  assert.equal(hooks.receiver.received.length, 4);
  for (const name of ['email', 'attributes', 'passwordHash', 'secrets'])
    assert.ok(sent.includes(`"${name}"`), name);
  for (const value of ['ann', 'acme.example', 'gold', 'hash-of', 'secret-value', 'whsec', 'sealed'])
    assert.ok(!sent.includes(value), value);
});

test('webhooks hear what they list, and others of the organization nothing', async (t) => {
  const hooks = await openHooks(t, ['user.changed', 'role.*']);
  await hooks.change();
  await hooks.deliver();
  assert.equal(hooks.receiver.received.length, 1);
  assert.equal(hooks.other.received.length, 0);
});

test('a receiver that is down gets each event when it is back', async (t) => {
  const hooks = await openHooks(t);
  await hooks.receiver.stop();
  for (const username of ['ann', 'bob', 'ann']) await hooks.change(username);
  await hooks.deliver();
  await hooks.deliver(10 * SECOND);
  await hooks.deliver(60 * SECOND);
  const [last] = (await hooks.administration.webhooks.deliveries(await hooks.webhook(), { limit: 1 })).items;
  assert.equal(last?.state, 'waiting');
  await hooks.receiver.start();
  for (let turn = 0; turn < 4; turn += 1) await hooks.deliver(120 * SECOND);
  assert.equal(hooks.receiver.received.length, 3);
  assert.deepEqual(await statesOf(hooks), ['delivered', 'delivered', 'delivered']);
});

test('pauses between attempts grow from 5 seconds to 6 hours', async (t) => {
  const hooks = await openHooks(t);
  hooks.receiver.answer = answering(500, {}, 'a sentence of the receiver\u0007');
  await hooks.change();
  await hooks.deliver();
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= 15; attempt += 1) {
    const webhook = await hooks.webhook();
    const [row] = (await hooks.administration.webhooks.deliveries(webhook, { limit: 1 })).items;
    assert.ok(row?.nextAt);
    assert.deepEqual([row.attempts, row.lastStatus], [attempt, 500]);
    assert.match(row.lastReason ?? '', /^500 Internal Server Error a sentence of the receiver$/);
    const pause = row.nextAt - hooks.administration.now();
    pauses.push(pause / SECOND);
    await hooks.deliver(pause + SECOND);
  }
  for (const [index, pause] of pauses.entries()) {
    const least = Math.min(5 * 2 ** index, 6 * 3600);
    assert.ok(pause > least - 30 && pause <= least * 1.2, `${index}: ${pause}`);
  }
});

test('the times that Retry-After names are kept', async (t) => {
  const hooks = await openHooks(t);
  hooks.receiver.answer = answering(503, { 'retry-after': '600' });
  await hooks.change('ann');
  await hooks.change('bob');
  await hooks.deliver();
  await hooks.deliver(500 * SECOND);
  assert.equal(hooks.receiver.received.length, 1);
  hooks.receiver.answer = answering(200);
  await hooks.deliver(110 * SECOND);
  assert.deepEqual(await statesOf(hooks), ['delivered', 'delivered']);
});

test('events of one object keep their order while the receiver fails', async (t) => {
  const hooks = await openHooks(t);
  const bob = await hooks.change('bob');
  const ann = await hooks.change('ann');
  for (let turn = 0; turn < 3; turn += 1) await hooks.change('ann');
  let failures = 0;
  hooks.receiver.answer = (got, response) => {
    failures += 1;
    const isGood = got.data.subject === bob || failures % 3 === 0;
    response.writeHead(isGood ? 200 : 500).end();
  };
  for (let turn = 0; turn < 20; turn += 1) await hooks.deliver(400 * SECOND);
  const rows = (await hooks.administration.webhooks.deliveries(await hooks.webhook(), { limit: 9 })).items;
  assert.deepEqual(
    rows.map(({ state }) => state),
    rows.map(() => 'delivered'),
  );
  const arrived = hooks.receiver.received.filter(({ data }) => data.subject === ann).map(({ id }) => id);
  const inOrder = rows
    .filter(({ subject }) => subject === ann)
    .map(({ id }) => id)
    .reverse();
  assert.deepEqual([...new Set(arrived)], inOrder);
  assert.deepEqual(
    arrived,
    [...arrived].sort((a, b) => inOrder.indexOf(a) - inOrder.indexOf(b)),
  );
});

test('DO-10 a slow receiver does not hold up another webhook', async (t) => {
  const hooks = await openHooks(t, ['role.*']);
  const { changes } = hooks.administration;
  const held = Promise.withResolvers<void>();
  hooks.receiver.answer = () => held.resolve();
  const arrived = Promise.withResolvers<void>();
  hooks.other.answer = (_, response) => {
    response.writeHead(200).end();
    arrived.resolve();
  };
  const { organization } = await hooks.webhook();
  await changes.roles.create(
    {
      organization,
      name: 'clerk',
      enabled: true,
      default: false,
      resource: 'https://api.acme.example/',
      scopes: [],
      permissions: { isAdmin: false, tables: [] },
    },
    AUTHOR,
  );
  await hooks.delivery.start();
  await Promise.all([held.promise, arrived.promise]);
  await hooks.delivery.idle();
  const [row] = (await hooks.administration.webhooks.deliveries(await hooks.webhook(), { limit: 1 })).items;
  assert.match(row?.lastReason ?? '', /^No answer came within 0\.3 seconds/);
});

test('webhooks with many events take turns with the others', async (t) => {
  const hooks = await openHooks(t, ['role.*']);
  const { changes, webhooks } = hooks.administration;
  const { id: _, number: _number, version: _version, managedBy: _managedBy, ...busy } = await hooks.webhook();
  for (let one = 0; one < BUSY; one += 1) {
    const webhook = await changes.webhooks.create({ ...busy, name: `busy-${one}`, secrets: [] }, AUTHOR);
    for (let event = 0; event < 4; event += 1) await webhooks.ping(webhook);
  }
  hooks.administration.clock.offset += SECOND;
  await webhooks.ping(await hooks.webhook('other'));
  let before = Number.POSITIVE_INFINITY;
  hooks.other.answer = (_, response) => {
    before = hooks.receiver.received.length;
    response.writeHead(204).end();
  };
  await hooks.deliver();
  assert.equal(hooks.receiver.received.length, 4 * BUSY);
  assert.ok(before <= 2 * BUSY, `${before} events were sent before`);
});

test('redirects are not followed', async (t) => {
  const hooks = await openHooks(t);
  hooks.receiver.answer = answering(307, { location: hooks.other.url });
  await hooks.change();
  await hooks.deliver();
  assert.equal(hooks.other.received.length, 0);
  assert.deepEqual(await statesOf(hooks), ['waiting']);
});

test('an answer of 410 switches the webhook off, and the audit log says so', async (t) => {
  const hooks = await openHooks(t);
  hooks.receiver.answer = answering(410);
  await hooks.change('ann');
  await hooks.change('bob');
  await hooks.deliver();
  await hooks.deliver();
  assert.equal((await hooks.webhook()).enabled, false);
  assert.equal(hooks.receiver.received.length, 1);
  assert.deepEqual(await statesOf(hooks), ['failed', 'failed']);
  const [entry] = (await hooks.administration.storage.audit.page({ limit: 1 })).entries;
  assert.deepEqual([entry?.event, entry?.actor], ['webhook.changed', 'webhooks']);
  await hooks.change('ann');
  assert.equal((await statesOf(hooks)).length, 2);
});

test('an event is given up after three days, recorded, and can be sent again', async (t) => {
  const hooks = await openHooks(t);
  await hooks.receiver.stop();
  await hooks.change();
  for (let turn = 0; turn < 40; turn += 1) await hooks.deliver(DAY / 12);
  assert.deepEqual(await statesOf(hooks), ['failed']);
  const webhook = await hooks.webhook();
  const { entries } = await hooks.administration.storage.audit.page({ limit: 5 });
  const entry = entries.find(({ event }) => event === 'webhook.given_up');
  assert.deepEqual([entry?.subject, entry?.organization], [webhook.id, webhook.organization]);
  await hooks.receiver.start();
  const { webhooks } = hooks.administration;
  const [row] = (await webhooks.deliveries(webhook, { state: 'failed', limit: 1 })).items;
  assert.ok(row);
  assert.equal((await webhooks.resend(webhook, row.id))?.state, 'waiting');
  assert.equal(await webhooks.resend(await hooks.webhook('other'), row.id), undefined);
  await hooks.deliver(DAY);
  assert.deepEqual(
    hooks.receiver.received.map(({ id }) => id),
    [row.id],
  );
});

test('both secrets sign while they overlap, and the earlier one can end at once', async (t) => {
  const hooks = await openHooks(t);
  const { webhooks } = hooks.administration;
  const { secret } = await webhooks.rotateSecret(await hooks.webhook(), AUTHOR, 60);
  const signedBy = async (later = 0) => {
    await hooks.change();
    await hooks.deliver(later);
    const got = hooks.receiver.received.at(-1);
    assert.ok(got);
    return [isSigned(got, secret), isSigned(got, secretOf('crm'))];
  };
  assert.deepEqual(await signedBy(), [true, true]);
  assert.deepEqual(await signedBy(61 * SECOND), [true, false]);
  await webhooks.rotateSecret(await hooks.webhook(), AUTHOR);
  assert.deepEqual(await signedBy(), [true, false]);
  await webhooks.rotateSecret(await hooks.webhook(), AUTHOR, 0);
  assert.deepEqual(await signedBy(), [false, false]);
});

test('a ping is sent to its webhook alone', async (t) => {
  const hooks = await openHooks(t, ['role.*']);
  const { id } = await hooks.administration.webhooks.ping(await hooks.webhook());
  await hooks.deliver();
  assert.deepEqual(
    hooks.receiver.received.map((got) => [got.type, got.id]),
    [['webhook.ping', id]],
  );
  assert.equal(hooks.other.received.length, 0);
});

test('two processes send each event once', async (t) => {
  const hooks = await openHooks(t);
  const { config, now } = hooks.administration;
  const another = await openFoundations(config, now);
  t.after(() => another.close());
  for (let turn = 0; turn < 6; turn += 1) await hooks.change(turn % 2 === 0 ? 'ann' : 'bob');
  const deliveries = [hooks.delivery, hooks.newDelivery(another)];
  for (let turn = 0; turn < 8; turn += 1) {
    await Promise.all(deliveries.map((each) => each.start()));
    await Promise.all(deliveries.map((each) => each.idle()));
    hooks.administration.clock.offset += 2 * SECOND;
  }
  assert.deepEqual(
    await statesOf(hooks),
    Array.from({ length: 6 }, () => 'delivered'),
  );
  assert.equal(hooks.receiver.received.length, 6);
});
