/**
 * Client secrets at rest. They are long and random, so a fast keyed hash is right: HMAC-SHA-256 under a server key,
 * because an operator may have chosen one himself.
 */
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Application, type ApplicationSecret, DEFAULT_SECRET } from '../nouns/index.ts';
import { sha256 } from '../registry/token-values.ts';
import type { SecretRing } from '../storage/vault.ts';

export type SecretKeys = Pick<SecretRing, 'current' | 'byId'>;

const PREFIX = 'gcs_';

/** 256 random bits. */
export function createClientSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

/** The same from the same seed. @param seed 32 random bytes */
export function deriveClientSecret(seed: Buffer): string {
  return PREFIX + digest(seed, 'client secret').toString('base64url');
}

/** A secret as it is stored: its hash is `hmac-sha256$<key id>$<base64url>`. */
export function toStoredSecret(
  keys: SecretKeys,
  secret: string,
  {
    id = randomUUID(),
    name = DEFAULT_SECRET,
    ...rest
  }: Pick<ApplicationSecret, 'createdAt'> &
    Partial<Pick<ApplicationSecret, 'id' | 'name' | 'seed' | 'expiresAt'>>,
): ApplicationSecret {
  const { id: keyId, key } = keys.current();
  return { id, name, hash: `hmac-sha256$${keyId}$${digest(key, secret).toString('base64url')}`, ...rest };
}

/** The secret that an apply file says, or that is generated instead. */
export function defaultSecretOf({ secrets }: Pick<Application, 'secrets'>): ApplicationSecret | undefined {
  return secrets.find(({ name }) => name === DEFAULT_SECRET);
}

/** The secrets with another one of that name in its place, or as the last one. */
export function withSecret(
  secrets: readonly ApplicationSecret[],
  secret: ApplicationSecret,
): readonly ApplicationSecret[] {
  const isThere = secrets.some(({ name }) => name === secret.name);
  return isThere
    ? secrets.map((each) => (each.name === secret.name ? secret : each))
    : secrets.concat(secret);
}

/**
 * A secret that can be made again, for clients of older APIs that expect to read it again: no copy of the store holds
 * it.
 * @returns 64 hex digits
 */
function deriveSecret(key: Buffer, application: string, seed: string): string {
  return createHmac('sha256', key).update(`client secret\0${application}\0${seed}`).digest('hex');
}

/**
 * A default secret for the application, with what is to be stored of it.
 * @param createdAt milliseconds
 */
export function createDerivedSecret(
  keys: SecretKeys,
  application: string,
  createdAt: number,
): { secret: string; stored: ApplicationSecret } {
  const seed = randomBytes(16).toString('base64url');
  // One key for both: the hash names the key that the secret is derived from.
  const current = keys.current();
  const secret = deriveSecret(current.key, application, seed);
  const stored = toStoredSecret({ ...keys, current: () => current }, secret, { seed, createdAt });
  return { secret, stored };
}

/** @returns undefined if the default secret was not derived, or from a key that is gone */
export function findDerivedSecret(
  keys: SecretKeys,
  application: Pick<Application, 'id' | 'secrets'>,
): string | undefined {
  const { seed, hash = '' } = defaultSecretOf(application) ?? {};
  const key = keys.byId(hash.split('$')[1] ?? '');
  const secret = key && seed !== undefined ? deriveSecret(key, application.id, seed) : undefined;
  return secret !== undefined && isClientSecret(keys, secret, hash) ? secret : undefined;
}

const digest = (key: Buffer, secret: string): Buffer => createHmac('sha256', key).update(secret).digest();

const REMEMBERED_SECRETS = 10_000;

/**
 * A secret that was right once is recognised by a plain hash of what was compared, which costs a tenth of the keyed
 * one. What is kept is as little use as what is stored.
 */
const remembered = new LRUCache<string, Buffer>({ max: REMEMBERED_SECRETS });

/**
 * The secret of an application that one of the spellings is. Compares each spelling with each secret, also after a match.
 * @param now milliseconds
 * @returns one that has not expired, if there is one
 */
export function findClientSecret(
  keys: SecretKeys,
  spellings: readonly string[],
  secrets: readonly ApplicationSecret[],
  now: number,
): ApplicationSecret | undefined {
  const isLiving = (secret: ApplicationSecret) => !hasExpired(secret, now);
  const known = matching(secrets, spellings, isRemembered).find(isLiving);
  if (known) return known;
  const right = matching(secrets, spellings, (secret, hash) => isClientSecret(keys, secret, hash));
  return right.find(isLiving) ?? right[0];
}

function matching(
  secrets: readonly ApplicationSecret[],
  spellings: readonly string[],
  isRight: (spelling: string, hash: string) => boolean,
): readonly ApplicationSecret[] {
  return secrets.filter(({ hash }) => spellings.filter((each) => isRight(each, hash)).length > 0);
}

/** @param now milliseconds */
export function hasExpired({ expiresAt }: Pick<ApplicationSecret, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

/** Compares in constant time; false for a hash made under a key that is gone. */
export function isClientSecret(keys: SecretKeys, secret: string, stored: string | undefined): boolean {
  if (stored === undefined) return false;
  if (isRemembered(secret, stored)) return true;
  const isRight = isDigestOf(keys, secret, stored);
  if (isRight) remembered.set(stored, mixed(secret, stored));
  return isRight;
}

const mixed = (secret: string, stored: string): Buffer => sha256(`${stored}\0${secret}`);

function isRemembered(secret: string, stored: string): boolean {
  const known = remembered.get(stored);
  return known !== undefined && timingSafeEqual(mixed(secret, stored), known);
}

function isDigestOf(keys: SecretKeys, secret: string, stored: string): boolean {
  const [scheme, id, expected] = stored.split('$');
  const key = scheme === 'hmac-sha256' && id ? keys.byId(id) : undefined;
  if (!key || !expected) return false;
  const given = digest(key, secret);
  const wanted = Buffer.from(expected, 'base64url');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
