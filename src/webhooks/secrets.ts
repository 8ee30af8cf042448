/**
 * Secrets of webhooks: each is sealed for one webhook of one organization, and copied to another row it does not open. And
 * signatures with them, as https://www.standardwebhooks.com has them.
 */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { Webhook, WebhookSecret } from '../nouns/index.ts';
import { keyOfSecret, toSecret } from '../nouns/webhook.ts';
import type { Vault } from '../storage/vault.ts';

type Owner = Pick<Webhook, 'id' | 'organization'>;

export type WebhookSecrets = ReturnType<typeof createWebhookSecrets>;

const KEY_BYTES = 32;

/** Earlier secrets that are kept, at most: all of them sign. */
const MOST_EARLIER = 4;

const aadOf = ({ id, organization }: Owner): string => `webhook/${organization}/${id}`;

export const createSecret = (): string => toSecret(randomBytes(KEY_BYTES));

const isLiving = ({ expiresAt = Number.POSITIVE_INFINITY }: WebhookSecret, now: number): boolean =>
  expiresAt > now;

/**
 * The secrets with a new one. Those before go on signing beside it, so that the receiver can be given the new one in its own time.
 * @param overlapMs for which they do; 0: they end
 */
export function withNewSecret(
  secrets: readonly WebhookSecret[],
  made: WebhookSecret,
  overlapMs: number,
): WebhookSecret[] {
  const now = made.createdAt;
  const earlier = overlapMs === 0 ? [] : secrets.filter((secret) => isLiving(secret, now));
  return [
    made,
    ...earlier.slice(0, MOST_EARLIER).map((secret) => ({
      ...secret,
      expiresAt: Math.min(secret.expiresAt ?? Number.POSITIVE_INFINITY, now + overlapMs),
    })),
  ];
}

export function createWebhookSecrets(vault: Pick<Vault, 'seal' | 'open'>) {
  /** @returns `whsec_…` @throws BrokenSeal */
  const open = ({ sealed }: WebhookSecret, owner: Owner): string =>
    vault.open(sealed, aadOf(owner)).toString();
  return {
    /** @param secret `whsec_…` @param now milliseconds */
    seal: (secret: string, owner: Owner, now: number): WebhookSecret => ({
      id: randomUUID(),
      sealed: vault.seal(secret, aadOf(owner)),
      createdAt: now,
    }),
    open,
    /** The keys that sign at this moment, the newest first. @param now milliseconds @throws BrokenSeal */
    signingKeys: (webhook: Webhook, now: number): Buffer[] =>
      webhook.secrets
        .filter((secret) => isLiving(secret, now))
        .flatMap((secret) => keyOfSecret(open(secret, webhook)) ?? []),
  };
}

/**
 * @param keys the receiver accepts a signature of any of them
 * @param at seconds since the epoch
 * @returns headers
 */
export function sign(
  { id, body }: { readonly id: string; readonly body: string },
  keys: readonly Buffer[],
  at: number,
): Record<string, string> {
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': signatures.join(' ') };
}
