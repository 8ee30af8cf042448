/** When a token ends: of its own accord, or with what it was made from. */
import { toSeconds } from '../storage/rows.ts';

/**
 * Seconds that an access token lives at most. Rotation of a key must leave the last JWT of the longest-lived resource
 * verifiable, and node records are kept as long.
 */
export const LONGEST_TOKEN = 86_400 * 30;

/** Seconds that a login lasts at most, whatever is configured for the server or for an older API. */
export const LONGEST_LOGIN = 86_400 * 365;

/** Seconds that a token from an exchange lives at most. */
export const LONGEST_EXCHANGE = 86_400;

/** Seconds: the shortest of all limits that there are. */
export function exchangeTtl(limits: readonly (number | undefined)[]): number {
  return Math.min(LONGEST_EXCHANGE, ...limits.filter((seconds) => seconds !== undefined));
}

/** Seconds. */
export interface LoginLifetimes {
  readonly login: number;
  /** How long an unused browser session lasts. */
  readonly session: number;
}

/** Whether a login in the browser lasts only while the person is present: it has `openid` and not `offline_access`. */
export function lastsWithSession(scopes: readonly string[]): boolean {
  return scopes.includes('openid') && !scopes.includes('offline_access');
}

/** Seconds that the application can refresh a login in the browser. */
export function browserLoginTtl(scopes: readonly string[], { login, session }: LoginLifetimes): number {
  return lastsWithSession(scopes) ? Math.min(login, session) : login;
}

/** Whether something that lives for a second at least can be made from it. */
export function isAboutToExpire(expiresAt: number | undefined, now: number): boolean {
  return expiresAt !== undefined && expiresAt - now < 1000;
}

/**
 * When it ends, in milliseconds: a whole second, because claims have no smaller unit.
 * @param ttl seconds
 * @param parentExpiresAt milliseconds; undefined if nothing above it ends by itself
 * @param now milliseconds
 */
export function expiryOf(ttl: number, parentExpiresAt: number | undefined, now: number): number {
  const own = toSeconds(now) + ttl;
  return 1000 * (parentExpiresAt === undefined ? own : Math.min(own, toSeconds(parentExpiresAt)));
}
