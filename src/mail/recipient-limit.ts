/** How many mails that strangers ask for one person gets: nobody's mailbox is filled from many source addresses. */
import { hash } from 'node:crypto';
import { CountersLimiter, RateLimiterRes } from '../http/throttle-store.ts';
import type { Counters } from '../storage/contract.ts';

const MAILS = 3;
/** Seconds, from the first of them. */
const WINDOW = 3_600;

/**
 * Takes one mail, whether or not there is anybody to get it: what is counted must tell nobody who is there.
 * @param kind mails of one kind use up none of another
 * @returns whether it may be sent
 */
export type TakeMail = (kind: string, recipient: string) => Promise<boolean>;

export function createRecipientLimit({
  counters,
  now,
}: {
  readonly counters: Counters;
  /** Milliseconds. */
  readonly now: () => number;
}): TakeMail {
  const limiter = new CountersLimiter({ counters, now, keyPrefix: 'mail', points: MAILS, duration: WINDOW });
  return async (kind, recipient) => {
    // Recipients are what strangers typed, at any length; 128 bits of their hash do.
    const key = hash('sha256', JSON.stringify([kind, recipient]), 'base64url').slice(0, 22);
    try {
      await limiter.consume(key);
      return true;
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return false;
      throw refusal;
    }
  };
}
