/** What the authorization server ended, kept in memory, so that JWTs which are verified here are refused once they are dead there. */
import { type Standing, standingOf } from '../registry/nodes.ts';
import { defined } from '../storage/defined.ts';
import { AccessError } from './errors.ts';
import { type FeedOptions, type FeedReceiver, followFeed } from './revocation-feed.ts';

export function followRevocations(options: FeedOptions) {
  const { maxFeedSilence, now } = options;
  const closing = new AbortController();
  const records = new Map<string, Parameters<typeof standingOf>[0][number]>();
  let cursor: string | undefined;
  let lastHeard: number | undefined;
  let isWhole = false;

  const receiver: FeedReceiver = {
    cursor: async () => cursor,
    async take({ next, more, reset, nodes }) {
      if (reset) {
        records.clear();
        isWhole = false;
      }
      for (const { id, revoked_at, restored_at, narrowed_at, exp } of nodes) {
        records.set(
          id,
          defined({
            id,
            expiresAt: exp * 1000,
            change: 0,
            revokedAt: revoked_at,
            restoredAt: restored_at,
            narrowedAt: narrowed_at,
          }),
        );
      }
      for (const [id, { expiresAt }] of records) if (expiresAt <= now()) records.delete(id);
      cursor = next;
      if (more) return;
      isWhole = true;
      lastHeard = performance.now();
    },
    refused() {
      isWhole = false;
    },
  };
  void followFeed(options, receiver, closing.signal);

  return {
    /**
     * @param nodes ids: the token's own, and those above it
     * @param asOf milliseconds: when the rights of the token were read
     * @throws AccessError unavailable before all is known, and when the feed was silent for too long
     */
    async standingOf(nodes: readonly string[], asOf: number): Promise<Standing> {
      const silence = lastHeard === undefined ? Number.POSITIVE_INFINITY : performance.now() - lastHeard;
      if (!isWhole || silence > maxFeedSilence * 1000) {
        throw new AccessError(
          'unavailable',
          'It is not known whether the token was revoked. Try again later.',
        );
      }
      return standingOf(
        nodes.flatMap((id) => records.get(id) ?? []),
        asOf,
      );
    },
    close: (): void => closing.abort(),
  };
}
