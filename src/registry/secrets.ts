/**
 * The registry: every token's row, the nodes above it, and what ending one of them means. It answers "is this token
 * alive, and what may it do" and leaves to others how tokens are signed (`provider`), what rights somebody has
 * (`directory`) and where rows are kept (`storage`). It serves no routes.
 *
 * This file: how our opaque secrets look and under which keys their rows are found.
 */
import { createHmac, hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';

/** Prefixes tell people and secret scanners what they found. */
export const OPAQUE_ACCESS_TOKEN = 'gat_';
export const REFRESH_TOKEN = 'grt_';

/** What a row is found under; one kind's value is never found as another's. */
export type HandleKind = 'access-token' | 'jwt' | 'refresh-token' | (string & {});

/**
 * The storage key of a secret: 16 bytes of SHA-256 over kind and value. 128 bits keep collisions out of reach, and
 * the value cannot be told from it.
 */
export function handleKey(kind: HandleKind, value: string): Buffer {
  return hash('sha256', `${kind}\0${value}`, 'buffer').subarray(0, 16);
}

/** 256 random bits behind the prefix. */
export function createOpaqueAccessToken(): string {
  return OPAQUE_ACCESS_TOKEN + randomBytes(32).toString('base64url');
}

/** 122 random bits of a UUID, shorter: ids of tokens and logins, which name nodes and are no secrets. */
export function createNodeId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
}

const LOGIN_ID_LENGTH = 22;
const SECRET_LENGTH = 43;
const TAG_LENGTH = 16;
const REFRESH_TOKEN_PATTERN = new RegExp(
  `^${REFRESH_TOKEN}([A-Za-z0-9_-]{${LOGIN_ID_LENGTH}})([A-Za-z0-9_-]{${SECRET_LENGTH}})([A-Za-z0-9_-]{${TAG_LENGTH}})$`,
);

/**
 * Refresh tokens: prefix, login id, secret, tag. The tag is a MAC over all before it, so that a made-up token with a
 * known login id is told from a used one (whose reuse ends the login) without a read.
 *
 * A token's successor is derived from it, so that every process can hand the same one to an honest retry although
 * only hashes are stored.
 */
export interface RefreshTokens {
  /** The first token of a login. */
  create(login: string): string;
  /** The one that follows `token`. */
  successor(token: string): string;
  /** The login it belongs to; undefined if we never made it. */
  loginOf(token: string): string | undefined;
  hash(token: string): Buffer;
}

/** @param keys current server key of purpose `refresh` first; older ones still recognise their tokens */
export function createRefreshTokens(keys: () => readonly Buffer[]): RefreshTokens {
  const currentKey = (): Buffer => {
    const [key] = keys();
    if (!key) throw new Error('no refresh key');
    return key;
  };
  const tagOf = (key: Buffer, head: string): string =>
    createHmac('sha256', key).update('tag\0').update(head).digest('base64url').slice(0, TAG_LENGTH);
  const tagged = (key: Buffer, head: string): string => head + tagOf(key, head);
  /** A key rotation in the middle of a family must not give a retry another successor than the first try got. */
  const keyThatMade = (token: string): Buffer | undefined => {
    const head = token.slice(0, -TAG_LENGTH);
    const tag = Buffer.from(token.slice(-TAG_LENGTH));
    return keys().find((key) => timingSafeEqual(Buffer.from(tagOf(key, head)), tag));
  };

  return {
    create: (login) => tagged(currentKey(), REFRESH_TOKEN + login + randomBytes(32).toString('base64url')),
    successor(token) {
      const key = keyThatMade(token);
      const login = this.loginOf(token);
      if (!key || !login) throw new Error('not a refresh token of ours');
      const secret = createHmac('sha256', key).update('successor\0').update(token).digest('base64url');
      return tagged(key, REFRESH_TOKEN + login + secret);
    },
    loginOf(token) {
      const match = REFRESH_TOKEN_PATTERN.exec(token);
      return match && keyThatMade(token) ? match[1] : undefined;
    },
    hash: (token) => hash('sha256', token, 'buffer'),
  };
}
