/**
 * When a signing key signs and is published, and which steps the keys need when the directory names other algorithms.
 * This file does not read or write the store.
 */

import { ACCESS_TOKEN_ALG, type AlgChoice, SIGNING_ALGS, type SigningAlg } from '../nouns/signing-algs.ts';
import type { StoredKey } from '../storage/contract.ts';

/** Seconds that others may cache the JWKS: a new key is published at least this long before it signs. */
export const JWKS_CACHE_SECONDS = 300;

/** Times in milliseconds. */
export type KeyTimes = Pick<StoredKey, 'alg' | 'activeFrom' | 'retiredAt' | 'expiresAt'>;

export function isPublished({ expiresAt }: KeyTimes, now: number): boolean {
  return expiresAt === undefined || expiresAt > now;
}

/** The keys of an algorithm that sign at some time, oldest first: not one whose successor signed before its own time. */
function signersOf<K extends KeyTimes>(keys: readonly K[], alg: SigningAlg): K[] {
  return keys
    .filter((key) => key.alg === alg && (key.retiredAt === undefined || key.retiredAt > key.activeFrom))
    .sort((a, b) => a.activeFrom - b.activeFrom);
}

function publishedSignersOf<K extends KeyTimes>(keys: readonly K[], alg: SigningAlg, now: number): K[] {
  return signersOf(keys, alg).filter((key) => isPublished(key, now));
}

/** The key of an algorithm that signs at this moment. */
export function findSigner<K extends KeyTimes>(
  keys: readonly K[],
  alg: SigningAlg,
  now: number,
): K | undefined {
  return publishedSignersOf(keys, alg, now).findLast(({ activeFrom }) => activeFrom <= now);
}

/**
 * The key that signs for a choice at this moment. If the clock was set back to before the first key, the oldest key
 * signs, so that the server still works.
 */
export function chooseSigner<K extends KeyTimes>(
  keys: readonly K[],
  choice: AlgChoice,
  now: number,
): K | undefined {
  const active = choice.map((alg) => findSigner(keys, alg, now));
  const oldest = choice.map((alg) => publishedSignersOf(keys, alg, now)[0]);
  return [...active, ...oldest].find((key) => key !== undefined);
}

/** All keys that verifiers may have, per algorithm the active one first. */
export function publishedOf<K extends KeyTimes>(keys: readonly K[], now: number): K[] {
  const first = SIGNING_ALGS.flatMap((alg) => chooseSigner(keys, [alg], now) ?? []);
  return [...first, ...keys.filter((key) => isPublished(key, now) && !first.includes(key))];
}

export type KeyState = 'next' | 'active' | 'retired';

/** @param key one of `keys` */
export function keyStateOf<K extends KeyTimes>(keys: readonly K[], key: K, now: number): KeyState {
  if (key.activeFrom > now) return 'next';
  const isRetired = key.retiredAt !== undefined && key.retiredAt <= now;
  return !isRetired && findSigner(keys, key.alg as SigningAlg, now) === key ? 'active' : 'retired';
}

/** Until when the same keys sign as at this moment, if the store stays as it is. Milliseconds; may be infinite. */
export function signersHoldUntil(keys: readonly KeyTimes[], now: number): number {
  const changes = keys.flatMap(({ activeFrom, expiresAt = Number.POSITIVE_INFINITY }) => [
    activeFrom,
    expiresAt,
  ]);
  return Math.min(...changes.filter((time) => time > now), Number.POSITIVE_INFINITY);
}

export type KeyStep =
  /** `after`: the last key that was made for the algorithm. Two processes that plan the same make one key. */
  | {
      readonly kind: 'make';
      readonly alg: SigningAlg;
      readonly activeFrom: number;
      readonly after?: string | undefined;
    }
  | { readonly kind: 'replace'; readonly key: StoredKey };

/**
 * The named algorithms, and those that sign until the new keys may. The algorithm of the revocation feed comes last.
 */
function neededAlgs(stored: readonly StoredKey[], choices: readonly AlgChoice[], now: number): SigningAlg[] {
  const needed = new Set<SigningAlg>();
  for (const choice of choices) {
    if (choice[0]) needed.add(choice[0]);
    const signer = chooseSigner(stored, choice, now);
    if (signer) needed.add(signer.alg as SigningAlg);
  }
  needed.delete(ACCESS_TOKEN_ALG);
  return [...needed, ACCESS_TOKEN_ALG];
}

function retire(key: StoredKey, now: number, longestLifetime: number): StoredKey {
  const hasSigned = key.activeFrom <= now;
  return { ...key, retiredAt: now, expiresAt: hasSigned ? now + longestLifetime * 1000 : now };
}

/**
 * A key for each named algorithm that has none; keys of algorithms that are not named are retired, and used again if
 * their algorithm is named while they are published. In a new store, whose keys have never been published, keys sign at
 * once: the key of the revocation feed is made last, so after an interrupted start the store still counts as new.
 *
 * @param stored all signing keys
 * @param longestLifetime seconds that a token may live
 */
export function planKeys(
  stored: readonly StoredKey[],
  choices: readonly AlgChoice[],
  { now, longestLifetime }: { now: number; longestLifetime: number },
): KeyStep[] {
  const isNew = !stored.some(({ alg }) => alg === ACCESS_TOKEN_ALG);
  const needed = neededAlgs(stored, choices, now);
  const made = needed.flatMap((alg): KeyStep[] => {
    const own = stored.filter((key) => key.alg === alg);
    if (own.some(({ retiredAt }) => retiredAt === undefined)) return [];
    const last = signersOf(own, alg).at(-1);
    if (last && isPublished(last, now + JWKS_CACHE_SECONDS * 1000)) {
      const { retiredAt: _retired, expiresAt: _expires, ...key } = last;
      return [{ kind: 'replace', key }];
    }
    const latest = own.sort((a, b) => a.createdAt - b.createdAt || a.activeFrom - b.activeFrom).at(-1);
    const activeFrom = isNew ? now : now + JWKS_CACHE_SECONDS * 1000;
    return [{ kind: 'make', alg, activeFrom, after: latest?.id }];
  });
  const retired = stored
    .filter(({ alg, retiredAt }) => retiredAt === undefined && !needed.includes(alg as SigningAlg))
    .map((key): KeyStep => ({ kind: 'replace', key: retire(key, now, longestLifetime) }));
  return [...made, ...retired];
}
