/**
 * Follows what the authorization server ends, so that JWTs which are verified here are refused as soon as they are dead
 * there. Each answer of the feed is itself a JWT, and believed only if it is signed, meant for us, and fresh.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type JWTVerifyGetKey, jwtVerify } from 'jose';
import { ACCESS_TOKEN_ALG } from '../nouns/signing-algs.ts';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import { type Standing, standingOf } from '../registry/nodes.ts';
import { defined } from '../storage/defined.ts';
import { AccessError } from './errors.ts';
import { type Asker, basicAuthorization } from './introspection.ts';

const LONG_POLL_SECONDS = 10;
/** Answers to a client that may not ask: 400 is that of wrong credentials by RFC 6749 section 5.2 in some places. */
const REFUSED = new Set([400, 401, 403]);
const ANSWER_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;

export interface RevocationsOptions extends Asker {
  readonly issuer: string;
  readonly keys: JWTVerifyGetKey;
  /** Seconds without a good answer after which nothing is said any more. */
  readonly maxFeedSilence: number;
  /** FeedNode when following fails, with the URL of the feed; it goes on by itself. */
  readonly onError: (error: unknown) => void;
  /** Waits between two questions, for milliseconds or until the signal; a timer, unless said otherwise. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Revocations {
  /**
   * @param nodes ids: the token's own, and those above it
   * @param asOf milliseconds: when the rights of the token were read
   * @throws AccessError unavailable before all is known, and when the feed was silent for too long
   */
  standingOf(nodes: readonly string[], asOf: number): Promise<Standing>;
  close(): void;
}

interface FeedNode {
  readonly id: string;
  readonly revoked_at?: number;
  readonly restored_at?: number;
  readonly narrowed_at?: number;
  /** Seconds. */
  readonly exp: number;
}

interface FeedPage {
  readonly resources: readonly string[];
  readonly after: string;
  readonly next: string;
  readonly more: boolean;
  readonly reset: boolean;
  readonly nodes: readonly FeedNode[];
}

type Records = Map<string, Parameters<typeof standingOf>[0][number]>;

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  wait(ms, undefined, { signal }).catch(() => undefined);

export function followRevocations(options: RevocationsOptions): Revocations {
  const { issuer, server, resource, clientId, keys, maxFeedSilence, now, onError, pause = sleep } = options;
  const feed = `${server}/oauth/revocations`;
  const closing = new AbortController();
  const records: Records = new Map();
  let cursor: string | undefined;
  let lastHeard: number | undefined;
  let isWhole = false;

  async function ask(seconds: number): Promise<FeedPage> {
    const url = new URL(feed);
    const nonce = randomUUID();
    url.searchParams.set('wait', String(seconds));
    url.searchParams.set('nonce', nonce);
    if (cursor !== undefined) url.searchParams.set('after', cursor);
    const patience = AbortSignal.timeout(seconds * 1000 + ANSWER_TIMEOUT_MS);
    const response = await fetch(url, {
      headers: { authorization: basicAuthorization(options) },
      signal: AbortSignal.any([closing.signal, patience]),
    });
    const text = await response.text();
    if (REFUSED.has(response.status)) {
      // A client that may not ask gets no nodes, and there may be many to get.
      isWhole = false;
    }
    if (response.status !== 200) throw new Error(`the feed was answered with ${response.status}`);
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
      isWhole = false;
      throw new Error(`the feed does not speak of ${resource}: the application must list it in introspects`);
    }
    // One to another question would hide what lies between.
    if (page.after !== (cursor ?? '0')) throw new Error('the feed answered another question');
    if (!page.reset && Number(page.next) < Number(page.after)) throw new Error('the feed went back');
    return page;
  }

  function take({ next, more, reset, nodes }: FeedPage): void {
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
    isWhole ||= !more;
    lastHeard = performance.now();
  }

  async function follow(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    const backOff = async (): Promise<void> => {
      await pause(pauseMs, closing.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    };
    let more = true;
    while (!closing.signal.aborted) {
      try {
        const seconds = more ? 0 : Math.min(LONG_POLL_SECONDS, Math.ceil(maxFeedSilence / 2));
        const askedAt = now();
        const page = await ask(seconds);
        take(page);
        more = page.more;
        // A server that stops answers long polls at once.
        const isEarly = page.nodes.length === 0 && !more && now() - askedAt < (seconds * 1000) / 2;
        if (isEarly) await backOff();
        else pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        if (closing.signal.aborted) return;
        onError(new Error(`${feed}: ${(error as Error).message}`, { cause: error }));
        // What was asked for with patience may have happened long ago by the time the server is back.
        more = true;
        await backOff();
      }
    }
  }
  void follow();

  return {
    async standingOf(nodes, asOf) {
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
    close: () => closing.abort(),
  };
}
