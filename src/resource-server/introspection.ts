/** Asks the authorization server about a token (RFC 7662). */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import { notActive, uncheckable } from './errors.ts';

const ANSWERS_KEPT = 10_000;
const TIMEOUT_MS = 5_000;

/** Who asks the authorization server, and where. */
export interface Asker {
  /** Its base URL. */
  readonly server: string;
  /** Identifier of the resource that an answer must speak of. */
  readonly resource: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Answer {
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds: before it was asked for. */
  readonly at: number;
}

/** RFC 6749 section 2.3.1. */
export function basicAuthorization({ clientId, clientSecret }: Asker): string {
  const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/**
 * @param maxStaleness seconds that an answer may be used again; 0: never
 * @returns gives the answer for an active access token for the resource
 * @throws AccessError invalid_token; unavailable when there is no answer
 */
export function createIntrospect(asker: Asker, maxStaleness: number): (token: string) => Promise<Answer> {
  const { server, resource, now } = asker;
  /** Also those that are under way. */
  const asked = new LRUCache<string, { readonly answer: Promise<Answer>; readonly at: number }>({
    max: ANSWERS_KEPT,
  });

  async function ask(token: string): Promise<Answer> {
    const at = now();
    try {
      const response = await fetch(`${server}/oauth/introspect`, {
        method: 'POST',
        headers: { authorization: basicAuthorization(asker), accept: 'application/json' },
        body: new URLSearchParams({ token }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.status !== 200) throw new Error(`introspection was answered with ${response.status}`);
      const claims: unknown = await response.json();
      if (typeof claims !== 'object' || claims === null)
        throw new Error('introspection was not answered with an object');
      return { claims: claims as Answer['claims'], at };
    } catch (cause) {
      throw uncheckable(cause);
    }
  }

  /** Of all of the token: a part of one is another (RFC 8725). */
  function find(token: string): Promise<Answer> {
    if (maxStaleness === 0) return ask(token);
    const key = hash('sha256', token, 'base64url');
    const known = asked.get(key);
    if (known && now() - known.at < maxStaleness * 1000) return known.answer;
    const question = { answer: ask(token), at: now() };
    asked.set(key, question);
    question.answer.catch(() => {
      if (asked.peek(key) === question) asked.delete(key);
    });
    return question.answer;
  }

  return async (token) => {
    const answer = await find(token);
    const { claims } = answer;
    const isAlive = claims.active === true && typeof claims.exp === 'number' && claims.exp * 1000 > now();
    // A refresh token is alive too, and no access token (RFC 8725 section 3.12).
    if (!isAlive || !isSameResource(claims.aud, resource) || claims.token_type !== 'Bearer') {
      throw notActive();
    }
    return answer;
  };
}
