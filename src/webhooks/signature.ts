/** Signatures as https://www.standardwebhooks.com has them. */
import { createHmac } from 'node:crypto';

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
