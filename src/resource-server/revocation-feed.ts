/**
 * Follows the revocation feed of the authorization server. Each answer is itself a JWT, and believed only if it is signed,
 * meant for us, and fresh. What is done with a page is the receiver's.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { ACCESS_TOKEN_ALG } from '../nouns/signing-algs.ts';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import { type Asker, basicAuthorization } from './introspection.ts';

const LONGEST_POLL_SECONDS = 10;
/** Answers to a client that may not ask: 400 is that of wrong credentials by RFC 6749 section 5.2 in some places. */
const REFUSED = new Set([400, 401, 403]);
const ANSWER_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** Milliseconds: the authorization server publishes a key at least as long before it signs with it. */
const KEYS_KEPT = 300_000;
/** Milliseconds: for a token whose key is not known. */
const KEYS_ASKED_EVERY = 1_000;

export interface FeedNode {
  readonly id: string;
  /** Milliseconds, as the two below. */
  readonly revoked_at?: number;
  readonly restored_at?: number;
  readonly narrowed_at?: number;
  /** Seconds. */
  readonly exp: number;
}

export interface FeedPage {
  readonly resources: readonly string[];
  readonly after: string;
  /** The cursor to ask with next. */
  readonly next: string;
  /** There is more at once. */
  readonly more: boolean;
  /** It starts again: nodes of earlier pages count for nothing. */
  readonly reset: boolean;
  readonly nodes: readonly FeedNode[];
}

/** What becomes of the pages. If a method rejects, the same page is asked for again. */
export interface FeedReceiver {
  /** @returns where the next page begins; undefined: with all that there is */
  cursor(): Promise<string | undefined>;
  take(page: FeedPage): Promise<void>;
  /** The client may not ask, or not about the resource. */
  refused(): void;
}

export interface FeedOptions extends Asker {
  readonly issuer: string;
  readonly keys: JWTVerifyGetKey;
  /** Seconds; the receiver gets a page at least three times in as long, if the feed is good. */
  readonly maxFeedSilence: number;
  /** Told when following fails: it names the feed, unless the receiver failed. It goes on by itself. */
  readonly onError: (error: unknown) => void;
  /** Waits between two questions, for milliseconds or until the signal; a timer, unless said otherwise. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The keys of an authorization server, asked for when needed. */
export function keysOf(server: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(`${server}/oauth/jwks`), {
    cacheMaxAge: KEYS_KEPT,
    cooldownDuration: KEYS_ASKED_EVERY,
  });
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  wait(ms, undefined, { signal }).catch(() => undefined);

/** Characters of what a server says of a refusal. */
const MOST_SAID = 200;

/** What an answer that is not the feed says of itself (RFC 6749 section 5.2). */
function reasonIn(answer: string): string {
  try {
    const { error_description: said } = JSON.parse(answer);
    return typeof said === 'string' ? `: ${said.slice(0, MOST_SAID)}` : '';
  } catch {
    return '';
  }
}

/**
 * @param signal ends it
 * @returns once it has ended
 */
export async function followFeed(
  options: FeedOptions,
  receiver: FeedReceiver,
  signal: AbortSignal,
): Promise<void> {
  const { issuer, server, resource, clientId, keys, maxFeedSilence, now, onError, pause = sleep } = options;
  const feed = `${server}/oauth/revocations`;
  const pollSeconds = Math.min(LONGEST_POLL_SECONDS, Math.max(1, Math.floor(maxFeedSilence / 3)));

  async function ask(cursor: string | undefined, seconds: number): Promise<FeedPage> {
    const url = new URL(feed);
    const nonce = randomUUID();
    url.searchParams.set('wait', String(seconds));
    url.searchParams.set('nonce', nonce);
    if (cursor !== undefined) url.searchParams.set('after', cursor);
    const patience = AbortSignal.timeout(seconds * 1000 + ANSWER_TIMEOUT_MS);
    const response = await fetch(url, {
      headers: { authorization: basicAuthorization(options) },
      signal: AbortSignal.any([signal, patience]),
    });
    const text = await response.text();
    // It gets no nodes, and there may be many to get.
    if (REFUSED.has(response.status)) receiver.refused();
    if (response.status !== 200) {
      throw new Error(`the feed was answered with ${response.status}${reasonIn(text)}`);
    }
    const { payload } = await jwtVerify(text, keys, {
      issuer,
      audience: clientId,
      typ: 'revocations+jwt',
      algorithms: [ACCESS_TOKEN_ALG],
      requiredClaims: ['nonce', 'resources', 'after', 'next', 'nodes'],
      currentDate: new Date(now()),
    });
    if (payload.nonce !== nonce) throw new Error('the feed gave an earlier answer');
    const page = payload as unknown as FeedPage;
    if (!page.resources.some((each) => isSameResource(each, resource))) {
      receiver.refused();
      throw new Error(`the feed does not speak of ${resource}: the application must list it in introspects`);
    }
    // One to another question would hide what lies between.
    if (page.after !== (cursor ?? '0')) throw new Error('the feed answered another question');
    if (!page.reset && Number(page.next) < Number(page.after)) throw new Error('the feed went back');
    return page;
  }

  const named = (error: Error): never => {
    throw new Error(`${feed}: ${error.message}`, { cause: error });
  };

  let pauseMs = FIRST_PAUSE_MS;
  const backOff = async (): Promise<void> => {
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  };
  let more = true;
  while (!signal.aborted) {
    try {
      const seconds: number = more ? 0 : pollSeconds;
      const askedAt = now();
      const cursor = await receiver.cursor();
      const page = await ask(cursor, seconds).catch(named);
      await receiver.take(page);
      more = page.more;
      // A server that stops answers long polls at once.
      const isEarly = page.nodes.length === 0 && !more && now() - askedAt < (seconds * 1000) / 2;
      if (isEarly) await backOff();
      else pauseMs = FIRST_PAUSE_MS;
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      // What was asked for with patience may have happened long ago by the time the server is back.
      more = true;
      await backOff();
    }
  }
}
