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

/** One event for one webhook. Times are in milliseconds. */
export interface Delivery {
  /** As the header `webhook-id` has it. */
  readonly id: string;
  /** Its name. */
  readonly event: string;
  /** What it is about. */
  readonly subject?: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly createdAt: number;
  /** HTTP status of the last attempt. */
  readonly lastStatus?: number;
  /** Why the last attempt failed, cut. */
  readonly lastReason?: string;
  /** Of one that waits. */
  readonly nextAt?: number;
  /** Of one that was delivered or given up. */
  readonly settledAt?: number;
}

export interface WebhookOperations {
  /** Newest first. @param options.after `next` of the page before */
  deliveries(
    webhook: Webhook,
    options: { readonly state?: DeliveryState; readonly after?: string; readonly limit: number },
  ): Promise<Page<Delivery>>;
  /** Sends one again at once, also one that was delivered. Undefined: the webhook does not have it, or not any more. */
  resend(webhook: Webhook, id: string): Promise<Delivery | undefined>;
  /** Puts a test event in line. */
  ping(webhook: Webhook): Promise<Delivery>;
  /**
   * Makes a new secret, which is shown once.
   * @param overlapSeconds that those before sign beside it; 0: they end at once
   * @throws VersionConflict
   */
  rotateSecret(
    webhook: Webhook,
    author: Author,
    overlapSeconds?: number,
  ): Promise<{ webhook: Webhook; secret: string }>;
  /** Ends all secrets but the newest. @throws VersionConflict */
  dropEarlierSecrets(webhook: Webhook, author: Author): Promise<Webhook>;
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
}): WebhookOperations {
  return {
    async deliveries({ id: webhook }, options) {
      const { items, ...more } = await outbox.page({ webhook, ...options });
      return { ...more, items: items.map(toDelivery) };
    },

    async resend(webhook, id) {
      for (;;) {
        const row = await outbox.find(id);
        if (row?.webhook !== webhook.id || row.state === 'announced') return undefined;
        const replaced = await outbox.replace(sentAgain(row, now()));
        if (replaced) return toDelivery(replaced);
      }
    },

    async ping(webhook) {
      const { organization } = webhook;
      const at = now();
      const entry = { at, event: PING, outcome: 'allowed', organization } as const;
      const row = createRow(webhook, entry, { state: 'waiting', nextAt: at });
      return toDelivery((await outbox.insert(row)) ?? { ...row, position: 0, version: 1 });
    },

    async rotateSecret(webhook, author, overlapSeconds = OVERLAP_SECONDS) {
      const secret = createSecret();
      const made = webhookSecrets.seal(secret, webhook, now());
      const secrets = withNewSecret(webhook.secrets, made, overlapSeconds * 1000);
      return { webhook: await changes.webhooks.replace({ ...webhook, secrets }, author), secret };
    },

    dropEarlierSecrets: (webhook, author) =>
      changes.webhooks.replace({ ...webhook, secrets: webhook.secrets.slice(0, 1) }, author),
  };
}
