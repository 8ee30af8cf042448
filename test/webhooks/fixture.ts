/** An organization with webhooks whose receivers are on this machine, and its delivery as a process does it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Webhook } from '../../src/nouns/index.ts';
import type { Foundations } from '../../src/server/foundations.ts';
import { createWebhookDelivery } from '../../src/server/webhook-delivery.ts';
import type { Delivery } from '../../src/webhooks/delivery.ts';
import { type Administration, fileOf, openAdministration } from '../admin/fixture.ts';
import { AUTHOR } from '../directory/fixture.ts';
import { storageForTests } from '../support/mongodb.ts';
import { type Receiver, startReceiver } from './receiver.ts';

export const SECOND = 1_000;
export const DAY = 86_400_000;

export const secretOf = (text: string): string =>
  `whsec_${Buffer.from(text.padEnd(32, '.')).toString('base64')}`;

export interface Hooks {
  readonly administration: Administration;
  readonly receiver: Receiver;
  /** Another receiver, that of the webhook `other`. */
  readonly other: Receiver;
  readonly delivery: Delivery;
  /** Another delivery on the same store, as another process has it. */
  newDelivery(foundations?: Foundations): Delivery;
  /** Sends all that is due, as time does later. @param later milliseconds that pass before */
  deliver(later?: number): Promise<void>;
  webhook(name?: string): Promise<Webhook>;
  /** Changes a user `ann` or `bob` of the organization. @returns its id */
  change(username?: string): Promise<string>;
}

let counter = 0;

/** @param events of the webhook `crm`; those of `other` are of roles only */
export async function openHooks(t: TestContext, events: readonly string[] = ['user.*']): Promise<Hooks> {
  const [receiver, other] = [await startReceiver(), await startReceiver()];
  const administration = await openAdministration(t, {
    ...(await storageForTests()),
    GRANTABLE_WEBHOOK_HOSTS: `${receiver.host},${other.host}`,
  });
  const { apply, store, changes, clock } = administration;
  const newDelivery = (foundations: Foundations = administration): Delivery => {
    const made = createWebhookDelivery(
      foundations,
      (error) => {
        throw error;
      },
      300,
    );
    t.after(() => made.stop());
    return made;
  };
  await apply(
    fileOf({
      organizations: [
        {
          name: 'acme',
          resources: [{ identifier: 'https://api.acme.example/' }],
          users: [
            { username: 'ann', password: 'correct-horse-battery', email: 'ann@acme.example' },
            { username: 'bob', password: 'correct-horse-battery' },
          ],
          webhooks: [
            { name: 'crm', url: receiver.url, events, secret: secretOf('crm') },
            { name: 'other', url: other.url, events: ['role.*'] },
          ],
        },
      ],
    }),
  );
  const delivery = newDelivery();
  t.after(async () => {
    await receiver[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });
  return {
    administration,
    receiver,
    other,
    delivery,
    newDelivery,
    async deliver(later = 0) {
      clock.offset += later;
      await delivery.start();
      await delivery.idle();
    },
    async webhook(name = 'crm') {
      const webhook = (await store.webhooks.page({ limit: 9 })).items.find((each) => each.name === name);
      assert.ok(webhook);
      return webhook;
    },
    async change(username = 'ann') {
      const user = (await store.users.page({ limit: 9 })).items.find((each) => each.username === username);
      assert.ok(user);
      counter += 1;
      await changes.users.replace({ ...user, displayName: `secret-value-${counter}` }, AUTHOR);
      return user.id;
    },
  };
}
