/** Deliveries of webhooks, and their secrets. */
import { z } from 'zod';
import { NotFound } from '../../errors/domain.ts';
import { defined } from '../../storage/defined.ts';
import type { Delivery } from '../webhooks.ts';
import { defineOperation } from './operation.ts';
import { requireControlled, requireNoun } from './path-nouns.ts';
import { moment, pageOf, pageQuery, toMoment, toMomentIf } from './shapes.ts';

const DELIVERY_ID = /^[\w-]{1,128}$/;
const PATH = '/organizations/{organization}/webhooks/{webhook}';

const delivery = z.strictObject({
  id: z.string().describe('As the header `webhook-id` has it.'),
  event: z.string(),
  subject: z.string().exactOptional().describe('What the event is about.'),
  state: z.enum(['waiting', 'delivered', 'failed']),
  attempts: z.int(),
  createdAt: moment,
  lastStatus: z.int().exactOptional().describe('HTTP status of the last attempt.'),
  lastReason: z.string().exactOptional().describe('Why the last attempt failed.'),
  nextAt: moment.exactOptional().describe('Of one that waits.'),
  settledAt: moment.exactOptional().describe('Of one that was delivered or given up.'),
});

function toShown({ createdAt, nextAt, settledAt, ...rest }: Delivery): z.input<typeof delivery> {
  return {
    ...rest,
    createdAt: toMoment(createdAt),
    ...defined({ nextAt: toMomentIf(nextAt), settledAt: toMomentIf(settledAt) }),
  };
}

export const listDeliveries = defineOperation(
  {
    id: 'webhooks.deliveries.list',
    method: 'GET',
    path: `${PATH}/deliveries`,
    summary: 'Lists the deliveries of a webhook, newest first.',
    needs: { table: 'webhooks', action: 'read' },
    query: z.strictObject({ ...pageQuery, state: delivery.shape.state.exactOptional() }),
    result: pageOf(delivery),
  },
  async (call, deps) => {
    const webhook = await requireNoun('webhooks', call.parameters.webhook, call, deps, { action: 'read' });
    const { after, limit, state } = call.query;
    const { items, next } = await deps.webhooks.deliveries(webhook, defined({ after, limit, state }));
    return { body: { items: items.map(toShown), ...defined({ next }) } };
  },
);

export const resendDelivery = defineOperation(
  {
    id: 'webhooks.deliveries.resend',
    method: 'POST',
    path: `${PATH}/deliveries/{delivery}/resend`,
    parameters: { delivery: DELIVERY_ID },
    summary: 'Sends an event again at once, also one that was delivered.',
    needs: { table: 'webhooks', action: 'update' },
    result: delivery,
  },
  async (call, deps) => {
    const webhook = await requireControlled('webhooks', call.parameters.webhook, ['deliveries'], call, deps);
    const sent = await deps.webhooks.resend(webhook, call.parameters.delivery);
    if (!sent) throw new NotFound();
    return { body: toShown(sent) };
  },
);

export const pingWebhook = defineOperation(
  {
    id: 'webhooks.ping',
    method: 'POST',
    path: `${PATH}/ping`,
    summary: 'Sends a test event to the webhook.',
    needs: { table: 'webhooks', action: 'update' },
    result: delivery,
  },
  async (call, deps) => {
    const webhook = await requireControlled('webhooks', call.parameters.webhook, ['deliveries'], call, deps);
    return { body: toShown(await deps.webhooks.ping(webhook)) };
  },
);

export const rotateWebhookSecret = defineOperation(
  {
    id: 'webhooks.rotateSecret',
    method: 'POST',
    path: `${PATH}/rotate-secret`,
    summary: 'Gives the webhook a new secret; those before sign beside it for a while.',
    needs: { table: 'webhooks', action: 'update' },
    dangerous: true,
    body: z
      .strictObject({
        overlapSeconds: z
          .int()
          .min(0)
          .max(2_592_000)
          .exactOptional()
          .describe('How long those before sign too; a day if left out, 0: they end at once.'),
      })
      .default({}),
    result: z.strictObject({ secret: z.string().meta({ secret: true }).describe('It is not shown again.') }),
  },
  async (call, deps) => {
    const { actor, parameters, body } = call;
    const before = await requireControlled('webhooks', parameters.webhook, ['secret'], call, deps);
    const { webhook, secret } = await deps.webhooks.rotateSecret(before, actor.author, body.overlapSeconds);
    return { body: { secret }, version: webhook.version };
  },
);
