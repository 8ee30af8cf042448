/**
 * Refresh tokens: prefix, login id, secret, tag. The tag is a MAC over all before it, so that the server tells a forged token
 * with a known login id from a used one (whose reuse ends the login) without a read.
 *
 * A token's successor is derived from it, so that every process can hand the same one to an honest retry although
 * only hashes are stored.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { randomText } from './random-pool.ts';
import { sha256 } from './token-values.ts';

/** The prefix tells people and secret scanners what they found. */
export const REFRESH_TOKEN = 'grt_';

const LOGIN_ID_LENGTH = 22;
const SECRET_BYTES = 32;
const SECRET_LENGTH = 43;
const TAG_LENGTH = 16;
const REFRESH_TOKEN_PATTERN = new RegExp(
  `^${REFRESH_TOKEN}([A-Za-z0-9_-]{${LOGIN_ID_LENGTH}})([A-Za-z0-9_-]{${SECRET_LENGTH}})([A-Za-z0-9_-]{${TAG_LENGTH}})$`,
);

export type RefreshTokens = ReturnType<typeof createRefreshTokens>;

/** @param keys current server key of purpose `refresh` first; older ones still recognise their tokens */
export function createRefreshTokens(keys: () => readonly Buffer[]) {
  // With raw bytes, each MAC would create a key object, which costs several times the MAC.
  const keyObjects = new WeakMap<Buffer, KeyObject>();
  const toKeyObject = (key: Buffer): KeyObject => {
    const known = keyObjects.get(key);
    if (known) return known;
    const made = createSecretKey(key);
    keyObjects.set(key, made);
    return made;
  };
  const mac = (key: Buffer, text: string): string =>
    createHmac('sha256', toKeyObject(key)).update(text).digest('base64url');
  const currentKey = (): Buffer => {
    const [key] = keys();
    if (!key) throw new Error('the vault has no key for refresh tokens');
    return key;
  };
  const tagOf = (key: Buffer, head: string): string => mac(key, `tag\0${head}`).slice(0, TAG_LENGTH);
  const tagged = (key: Buffer, head: string): string => head + tagOf(key, head);
  /** Finds the key by the tag: after a key rotation, a retry must get the same successor as the first try. */
  const parse = (token: string): { key: Buffer; login: string } | undefined => {
    const login = REFRESH_TOKEN_PATTERN.exec(token)?.[1];
    if (login === undefined) return undefined;
    const head = token.slice(0, -TAG_LENGTH);
    const tag = Buffer.from(token.slice(-TAG_LENGTH));
    const key = keys().find((candidate) => timingSafeEqual(Buffer.from(tagOf(candidate, head)), tag));
    return key && { key, login };
  };

  return {
    /** The first token of a login. */
    create: (login: string): string => tagged(currentKey(), REFRESH_TOKEN + login + randomText(SECRET_BYTES)),
    /** The one that follows `token`. */
    successor(token: string): string {
      const made = parse(token);
      if (!made) throw new Error('this server did not make this refresh token');
      return tagged(made.key, REFRESH_TOKEN + made.login + mac(made.key, `successor\0${token}`));
    },
    /** The login it belongs to; undefined for a token that this server did not make. */
    loginOf: (token: string): string | undefined => parse(token)?.login,
    hash: sha256,
  };
}
