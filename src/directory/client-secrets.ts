/**
 * Client secrets at rest. They are long and random, so a fast keyed hash is right: HMAC-SHA-256 under a server key,
 * because an operator may have chosen one himself.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sha256 } from '../registry/secrets.ts';

export interface SecretKeys {
  current(): { readonly id: string; readonly key: Buffer };
  byId(id: string): Buffer | undefined;
}

/** 256 random bits. */
export function createClientSecret(): string {
  return `gcs_${randomBytes(32).toString('base64url')}`;
}

/**
 * A secret that can be made again, for clients of older APIs that expect to read it again: no copy of the store holds
 * it.
 * @returns 64 hex digits
 */
function deriveSecret(key: Buffer, application: string, seed: string): string {
  return createHmac('sha256', key).update(`client secret\0${application}\0${seed}`).digest('hex');
}

/** One for the application, with what is to be stored of it. */
export function createDerivedSecret(
  keys: SecretKeys,
  application: string,
): { secret: string; secretSeed: string; secretHash: string } {
  const secretSeed = randomBytes(16).toString('base64url');
  const secret = deriveSecret(keys.current().key, application, secretSeed);
  return { secret, secretSeed, secretHash: hashClientSecret(keys, secret) };
}

/** @returns undefined if it was not derived, or from a key that is gone */
export function findDerivedSecret(
  keys: SecretKeys,
  { id, secretSeed, secretHash }: { id: string; secretSeed?: string; secretHash?: string },
): string | undefined {
  const key = secretHash === undefined ? undefined : keys.byId(secretHash.split('$')[1] ?? '');
  const secret = key && secretSeed !== undefined ? deriveSecret(key, id, secretSeed) : undefined;
  return secret !== undefined && isClientSecret(keys, secret, secretHash) ? secret : undefined;
}

const digest = (key: Buffer, secret: string): Buffer => createHmac('sha256', key).update(secret).digest();

/** @returns `hmac-sha256$<key id>$<base64url>` */
export function hashClientSecret(keys: SecretKeys, secret: string): string {
  const { id, key } = keys.current();
  return `hmac-sha256$${id}$${digest(key, secret).toString('base64url')}`;
}

const REMEMBERED_SECRETS = 10_000;

/**
 * A secret that was right once is recognised by a plain hash of what was compared, which costs a tenth of the keyed
 * one. What is kept is as little use as what is stored.
 */
const remembered = new LRUCache<string, Buffer>({ max: REMEMBERED_SECRETS });

/** Compares every spelling that a secret may have, also after one has matched. */
export function isAnyClientSecret(
  keys: SecretKeys,
  spellings: readonly string[],
  stored: string | undefined,
): boolean {
  if (spellings.length === 1) return isClientSecret(keys, spellings[0] as string, stored);
  const distinct = [...new Set(spellings)];
  return distinct.map((secret) => isClientSecret(keys, secret, stored)).includes(true);
}

/** Compares in constant time; false for a hash made under a key that is gone. */
export function isClientSecret(keys: SecretKeys, secret: string, stored: string | undefined): boolean {
  if (stored === undefined) return false;
  const given = sha256(`${stored}\0${secret}`);
  const known = remembered.get(stored);
  if (known && timingSafeEqual(given, known)) return true;
  const isRight = isDigestOf(keys, secret, stored);
  if (isRight) remembered.set(stored, given);
  return isRight;
}

function isDigestOf(keys: SecretKeys, secret: string, stored: string): boolean {
  const [scheme, id, expected] = stored.split('$');
  const key = scheme === 'hmac-sha256' && id ? keys.byId(id) : undefined;
  if (!key || !expected) return false;
  const given = digest(key, secret);
  const wanted = Buffer.from(expected, 'base64url');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
