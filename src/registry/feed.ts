/**
 * The revocation feed: what happened to nodes since a cursor, for resource servers that verify tokens themselves. It
 * grows with what was ended, not with tokens: one record speaks for everything below a node.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { NodeRecord, NodeStore } from '../storage/contract.ts';

/** Records read at once. */
const PAGE = 1_000;
/** Milliseconds between two looks, while a caller waits: the store does not announce changes. */
const LOOK_EVERY = 200;

/** Whose tokens a follower of the feed wants to hear about. */
export interface Audience {
  readonly organization: string;
  /** Identifiers. */
  readonly resources: readonly string[];
}

export interface FeedPage {
  readonly nodes: readonly NodeRecord[];
  /** The cursor to ask with next. */
  readonly next: number;
  /** There is more at once. */
  readonly more: boolean;
  /** The cursor is not from this store: the feed starts again, and the follower discards what it knew. */
  readonly reset: boolean;
}

export type Feed = ReturnType<typeof createFeed>;

function concerns({ organization, resource }: NodeRecord, audience: Audience): boolean {
  if (organization !== undefined && organization !== audience.organization) return false;
  return resource === undefined || audience.resources.includes(resource);
}

export function createFeed({
  nodes,
  longestLifetime,
  now,
}: {
  readonly nodes: Pick<NodeStore, 'changesSince' | 'latestChange'>;
  /** Seconds: the longest life of a token that resource servers verify without asking. */
  readonly longestLifetime: number;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  /** What lives longest was made before the last that happened to the node: afterwards the record is not needed. */
  function untilNeeded(record: NodeRecord): NodeRecord {
    const { revokedAt = 0, restoredAt = 0, narrowedAt = 0, expiresAt } = record;
    const last = Math.max(revokedAt, restoredAt, narrowedAt) + longestLifetime * 1000;
    return { ...record, expiresAt: Math.min(expiresAt, last) };
  }

  const closing = new AbortController();
  /** One look for all who wait. */
  let looking: Promise<number> | undefined;
  const look = (): Promise<number> => {
    looking ??= wait(LOOK_EVERY, undefined, { signal: closing.signal })
      .catch(() => undefined)
      .then(() => nodes.latestChange())
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };

  async function page(after: number, audience: Audience): Promise<Omit<FeedPage, 'reset'>> {
    const { records, until } = await nodes.changesSince(after, PAGE);
    const found = records
      .filter((record) => concerns(record, audience))
      .map(untilNeeded)
      .filter(({ expiresAt }) => expiresAt > now());
    return { nodes: found, next: until, more: records.length === PAGE && until > after };
  }

  return {
    /**
     * What concerns the audience, as soon as there is anything.
     * @param after the cursor of the page before; 0 for everything there is
     * @param wait.ms how long to wait for something at most
     * @param wait.signal ends the waiting
     */
    async read(
      after: number,
      audience: Audience,
      { ms, signal }: { readonly ms: number; readonly signal: AbortSignal },
    ): Promise<FeedPage> {
      const deadline = performance.now() + ms;
      const ended = AbortSignal.any([signal, closing.signal]);
      let latest = await nodes.latestChange();
      // A store that was put back to an earlier state gives numbers anew that its followers are past already.
      const reset = after > latest;
      let cursor = reset ? 0 : after;
      for (;;) {
        const found = await page(cursor, audience);
        // The feed repeats records that the cursor may not pass yet, until the process that holds it up is done.
        if (found.nodes.length > 0 && found.next === cursor) await look();
        cursor = found.next;
        const isOver = (): boolean => ended.aborted || performance.now() >= deadline;
        if (reset || found.more || found.nodes.length > 0 || isOver()) return { ...found, reset };
        for (let seen = latest; seen === latest && !isOver(); ) seen = await look();
        latest = await nodes.latestChange();
      }
    },
    /** Answers all waiting callers. */
    close: () => closing.abort(),
  };
}
