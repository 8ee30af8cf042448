/**
 * Client secrets at rest. They are long and random, so a fast keyed hash is right: HMAC-SHA-256 under a server key,
 * because an operator may have chosen one himself.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export interface SecretKeys {
  current(): { readonly id: string; readonly key: Buffer };
  byId(id: string): Buffer | undefined;
}

/** 256 random bits. */
export function createClientSecret(): string {
  return `gcs_${randomBytes(32).toString('base64url')}`;
}

const digest = (key: Buffer, secret: string): Buffer => createHmac('sha256', key).update(secret).digest();

/** @returns `hmac-sha256$<key id>$<base64url>` */
export function hashClientSecret(keys: SecretKeys, secret: string): string {
  const { id, key } = keys.current();
  return `hmac-sha256$${id}$${digest(key, secret).toString('base64url')}`;
}

/** Compares in constant time; false for a hash made under a key that is gone. */
export function isClientSecret(keys: SecretKeys, secret: string, stored: string | undefined): boolean {
  const [scheme, id, expected] = stored?.split('$') ?? [];
  const key = scheme === 'hmac-sha256' && id ? keys.byId(id) : undefined;
  if (!key || !expected) return false;
  const given = digest(key, secret);
  const wanted = Buffer.from(expected, 'base64url');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
