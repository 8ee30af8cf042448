/** What operators do with webhooks beside changing them: see and repeat deliveries, try them, and rotate secrets. */
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import type { Webhook } from '../nouns/index.ts';
import type { Outbox, OutboxRow, OutboxState, Page } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { sentAgain } from '../webhooks/delivery.ts';
import { createRow } from '../webhooks/events.ts';
import { createSecret, type WebhookSecrets, withNewSecret } from '../webhooks/secrets.ts';

export type DeliveryState = Exclude<OutboxState, 'announced'>;

type OfRow = 'id' | 'event' | 'attempts' | 'createdAt' | 'lastStatus' | 'lastReason' | 'nextAt' | 'settledAt';

/** One event for one webhook; its id is the header `webhook-id`. Times are in milliseconds. */
export interface Delivery extends Pick<OutboxRow, OfRow>, Partial<Pick<OutboxRow, 'subject'>> {
  readonly state: DeliveryState;
}

const OVERLAP_SECONDS = 86_400;
const PING = 'webhook.ping';

function toDelivery(row: OutboxRow): Delivery {
  const { id, event, state, attempts, createdAt, lastStatus, lastReason, nextAt, settledAt } = row;
  // What has no subject has an order of its own, under its id.
  const subject = row.subject === id ? undefined : row.subject;
  const shown = { id, event, subject, attempts, createdAt, lastStatus, lastReason, nextAt, settledAt };
  return defined({ ...shown, state: state === 'announced' ? 'waiting' : state });
}

export type WebhookOperations = ReturnType<typeof createWebhookOperations>;

export function createWebhookOperations({
  outbox,
  changes,
  webhookSecrets,
  now,
}: {
  readonly outbox: Outbox;
  readonly changes: Pick<Changes, 'webhooks'>;
  readonly webhookSecrets: WebhookSecrets;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  return {
    /** Newest first. @param options.after `next` of the page before */
    async deliveries(
      { id: webhook }: Webhook,
      options: { readonly state?: DeliveryState; readonly after?: string; readonly limit: number },
    ): Promise<Page<Delivery>> {
      const { items, ...more } = await outbox.page({ webhook, ...options });
      return { ...more, items: items.map(toDelivery) };
    },

    /** Sends one again at once, also one that was delivered. Undefined: the webhook does not have it, or not any more. */
    async resend(webhook: Webhook, id: string): Promise<Delivery | undefined> {
      for (;;) {
        const row = await outbox.find(id);
        if (row?.webhook !== webhook.id || row.state === 'announced') return undefined;
        const replaced = await outbox.replace(sentAgain(row, now()));
        if (replaced) return toDelivery(replaced);
      }
    },

    /** Puts a test event in line. */
    async ping(webhook: Webhook): Promise<Delivery> {
      const { organization } = webhook;
      const at = now();
      const entry = { at, event: PING, outcome: 'allowed', organization } as const;
      const row = createRow(webhook, entry, { state: 'waiting', nextAt: at });
      return toDelivery((await outbox.insert(row)) ?? { ...row, position: 0, version: 1 });
    },

    /**
     * Makes a new secret, which is shown once.
     * @param overlapSeconds that those before sign beside it; 0: they end at once
     * @throws VersionConflict
     */
    async rotateSecret(webhook: Webhook, author: Author, overlapSeconds = OVERLAP_SECONDS) {
      const secret = createSecret();
      const made = webhookSecrets.seal(secret, webhook, now());
      const secrets = withNewSecret(webhook.secrets, made, overlapSeconds * 1000);
      return { webhook: await changes.webhooks.replace({ ...webhook, secrets }, author), secret };
    },
  };
}
