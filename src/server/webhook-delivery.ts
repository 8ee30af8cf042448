/** The work in the background that sends events to webhooks. */
import { retryOnConflict } from '../changes/retry-on-conflict.ts';
import { createDelivery, type Delivery } from '../webhooks/delivery.ts';
import { createPost } from '../webhooks/post.ts';
import type { Foundations } from './foundations.ts';

/** Milliseconds that one attempt may take. */
const ATTEMPT_MS = 10_000;

const AUTHOR = { actor: 'webhooks' } as const;

/** @param attemptMs shorter in tests with receivers that do not answer */
export function createWebhookDelivery(
  foundations: Foundations,
  log: (error: unknown) => void,
  attemptMs = ATTEMPT_MS,
): Delivery {
  const { store, changes, webhookSecrets, webhookTargets, now } = foundations;
  return createDelivery({
    ...foundations,
    secrets: webhookSecrets,
    post: createPost({ targets: webhookTargets, timeoutMs: attemptMs, now }),
    switchOff: ({ id }) =>
      retryOnConflict(async () => {
        const current = await store.webhooks.get(id);
        if (current?.enabled) await changes.webhooks.replace({ ...current, enabled: false }, AUTHOR);
      }),
    log,
  });
}
