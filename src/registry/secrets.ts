/**
 * The form of opaque access tokens, refresh tokens and node ids, and the keys under which the store finds their rows.
 * Connection tokens have theirs in `connections/connection-tokens.ts`.
 */
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { randomText } from './random-pool.ts';

/** Prefixes tell people and secret scanners what they found. */
export const OPAQUE_ACCESS_TOKEN = 'gat_';
export const REFRESH_TOKEN = 'grt_';

/** The kind is part of the key, so a value of one kind never finds a row of another. */
export type HandleKind = 'access-token' | 'jwt' | 'refresh-token' | (string & {});

/** Bytes of the time in milliseconds, as at the head of a UUIDv7 (RFC 9562 section 5.7), and its base64url digits. */
const TIME_BYTES = 6;
const TIME_DIGITS = 8;
/** Digits that spell 16 bytes; of the last one, four bits are left over. */
const HASH_DIGITS = 22;

/** Spelled once for all that is made in one millisecond. */
let latest = { time: Number.NaN, digits: '' };

/** Uses the machine's clock: the time only orders keys, and no decision depends on it. */
function timeDigits(): string {
  const time = Date.now();
  if (time !== latest.time) {
    const bytes = Buffer.alloc(TIME_BYTES);
    bytes.writeUIntBE(time, 0, TIME_BYTES);
    latest = { time, digits: bytes.toString('base64url') };
  }
  return latest.digits;
}

/**
 * The storage key of a secret: the time at its head, then 16 bytes of SHA-256 over kind and value. Keys made
 * at about the same time are neighbours, so a commit touches few pages of an index of any size. 128 bits rule out
 * collisions, and do not reveal the value.
 *
 * @param value from `createNodeId` or `createOpaqueAccessToken`; for any other value no row has the key
 */
export function handleKey(kind: HandleKind, value: string): Buffer {
  const from = kind === 'access-token' ? OPAQUE_ACCESS_TOKEN.length : 0;
  const time = value.slice(from, from + TIME_DIGITS);
  const digest = hash('sha256', `${kind}\0${value}`, 'base64url').slice(0, HASH_DIGITS);
  return Buffer.from(time + digest, 'base64url');
}

/** Milliseconds between drawing the id of a token and its value, at most. */
const DRAWN_WITHIN_MS = 2_000;

/** Between which keys the row of an opaque token is that has this id: its value was drawn right after the id. */
export function keysNear(id: string): { readonly from: Buffer; readonly to: Buffer } {
  const from = Buffer.from(id.slice(0, TIME_DIGITS).padEnd(TIME_DIGITS, 'A'), 'base64url');
  const to = Buffer.alloc(TIME_BYTES);
  to.writeUIntBE(Math.min(from.readUIntBE(0, TIME_BYTES) + DRAWN_WITHIN_MS, 2 ** 48 - 1), 0, TIME_BYTES);
  return { from, to };
}

/** The prefix, the time, and 256 random bits. */
export function createOpaqueAccessToken(): string {
  return OPAQUE_ACCESS_TOKEN + timeDigits() + randomText(32);
}

/** The time and 80 random bits: ids of tokens and logins, which name nodes and are not secret. */
export function createNodeId(): string {
  return timeDigits() + randomText(10);
}

/** By way of text: a buffer that `hash` makes takes twice as long. */
export function sha256(text: string): Buffer {
  return Buffer.from(hash('sha256', text, 'base64url'), 'base64url');
}

const LOGIN_ID_LENGTH = 22;
const SECRET_BYTES = 32;
const SECRET_LENGTH = 43;
const TAG_LENGTH = 16;
const REFRESH_TOKEN_PATTERN = new RegExp(
  `^${REFRESH_TOKEN}([A-Za-z0-9_-]{${LOGIN_ID_LENGTH}})([A-Za-z0-9_-]{${SECRET_LENGTH}})([A-Za-z0-9_-]{${TAG_LENGTH}})$`,
);

/**
 * Refresh tokens: prefix, login id, secret, tag. The tag is a MAC over all before it, so that the server tells a forged token
 * with a known login id from a used one (whose reuse ends the login) without a read.
 *
 * A token's successor is derived from it, so that every process can hand the same one to an honest retry although
 * only hashes are stored.
 */
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
