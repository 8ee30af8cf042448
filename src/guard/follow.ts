/** Follows the revocation feed for a guarded database: its tables get each page, over a connection that is made anew when it broke. */
import pg from 'pg';
import {
  type FeedNode,
  type FeedOptions,
  type FeedReceiver,
  followFeed,
} from '../resource-server/revocation-feed.ts';
import { connect, DatabaseFailed, toRefusal } from './connect.ts';
import { readCursor, takeStep } from './feed-tables.ts';

/** Milliseconds until a statement of which nothing is heard is given up. */
const QUERY_TIMEOUT_MS = 15_000;

/** Codes of PostgreSQL for a schema, function and table that are not there. */
const NOT_THERE = ['3F000', '42883', '42P01'];
const NOT_PERMITTED = '42501';

export interface FollowOptions extends FeedOptions {
  readonly database: pg.ClientConfig;
  /** Told each time when the database knows all that ended. */
  readonly onHeard: () => void;
}

/** @returns once the signal has ended it */
export async function followForDatabase(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { database, maxFeedSilence, onHeard } = options;
  let client: pg.Client | undefined;
  /** Whether `stored` says what the database has. */
  let isKnown = false;
  let stored: string | undefined;
  /** A list that began at its beginning: the database gets it when it is whole, so that it never has half of one. */
  let gathered: { readonly nodes: Map<string, FeedNode>; next: string | undefined } | undefined;

  const disconnect = (): void => {
    client?.connection.stream.destroy();
    client = undefined;
    isKnown = false;
    gathered = undefined;
  };

  async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      client ??= await connect({ ...database, query_timeout: QUERY_TIMEOUT_MS, keepAlive: true }, signal);
      if (signal.aborted) throw signal.reason;
      return await work(client);
    } catch (error) {
      disconnect();
      throw explain(error);
    }
  }

  const receiver: FeedReceiver = {
    async cursor() {
      if (!isKnown) {
        stored = await withClient((client) => readCursor(client, options));
        isKnown = true;
      }
      return gathered ? gathered.next : stored;
    },
    async take({ nodes, next, more, reset }) {
      const at = performance.now();
      if (reset || (stored === undefined && !gathered)) gathered = { nodes: new Map(), next: undefined };
      if (gathered) {
        for (const node of nodes) gathered.nodes.set(node.id, node);
        gathered.next = next;
        if (more) return;
      }
      const step = {
        from: stored,
        to: next,
        nodes: gathered ? [...gathered.nodes.values()] : nodes,
        replaces: gathered !== undefined,
        ...(!more && { heard: { at, maxSilence: maxFeedSilence } }),
      };
      stored = await withClient((client) => takeStep(client, options, step));
      gathered = undefined;
      if (!more && stored === next) onHeard();
    },
    // The database goes by the silence that follows.
    refused: () => undefined,
  };
  signal.addEventListener('abort', disconnect, { once: true });
  try {
    await followFeed(options, receiver, signal);
  } finally {
    disconnect();
  }
}

function explain(error: unknown): unknown {
  const code = error instanceof pg.DatabaseError ? error.code : undefined;
  if (code !== undefined && NOT_THERE.includes(code)) {
    const says = 'The database has no guard: run the migration of grantable guard postgres first.';
    return new DatabaseFailed(says, { cause: error });
  }
  if (code === NOT_PERMITTED) {
    const says = `The role of the database needs SELECT, INSERT, UPDATE and DELETE on grantable.ended and grantable.feed: ${(error as Error).message}.`;
    return new DatabaseFailed(says, { cause: error });
  }
  return toRefusal(error);
}
