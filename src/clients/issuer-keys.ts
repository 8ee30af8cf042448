/**
 * Public keys of issuers that organizations trust: those that the organization gave, or those at its `jwksUri`. Fetched
 * ones are kept in the memory of the process.
 */
import { LRUCache } from 'lru-cache';
import { Unavailable } from '../errors/domain.ts';
import type { IdentityIssuer } from '../nouns/index.ts';
import { readPublicKeys } from '../nouns/values.ts';
import type { PublicKeys } from './signed-assertions.ts';

const KEPT_MS = 300_000;
/** How soon keys are fetched again after a failure, or for a key that is not among them. */
const AGAIN_MS = 60_000;
const MOST_KEPT = 1_000;

export interface IssuerKeys {
  /**
   * @param kid of the key that is needed; absent: whichever fits
   * @throws Unavailable if they cannot be fetched at this moment
   */
  find(issuer: IdentityIssuer, kid: string | undefined): Promise<PublicKeys>;
}

export interface IssuerKeysDeps {
  /** The JSON document at an https URL. @throws when it cannot be had */
  readonly getKeys: (url: string) => Promise<unknown>;
  /** Milliseconds. */
  readonly now: () => number;
}

interface Kept {
  readonly keys?: PublicKeys;
  /** Milliseconds: when the keys were fetched. */
  readonly fetchedAt?: number;
  /** Milliseconds: of the latest attempt. */
  readonly triedAt: number;
}

const hasKey = ({ keys }: PublicKeys, kid: string | undefined): boolean =>
  kid === undefined || keys.some((key) => key.kid === kid);

export function createIssuerKeys({ getKeys, now }: IssuerKeysDeps): IssuerKeys {
  const kept = new LRUCache<string, Kept>({ max: MOST_KEPT });
  const fetching = new Map<string, Promise<Kept>>();

  /** Keys that are not old yet are good although one more attempt failed. */
  async function fetchKeys(url: string): Promise<Kept> {
    const triedAt = now();
    const keys = await getKeys(url)
      .then(readPublicKeys)
      .catch(() => undefined);
    const made = keys ? { keys, fetchedAt: triedAt, triedAt } : { ...kept.get(url), triedAt };
    kept.set(url, made);
    return made;
  }

  function fetchOnce(url: string): Promise<Kept> {
    const running = fetching.get(url) ?? fetchKeys(url).finally(() => fetching.delete(url));
    fetching.set(url, running);
    return running;
  }

  const goodKeys = ({ keys, fetchedAt = 0 }: Kept): PublicKeys | undefined =>
    now() - fetchedAt < KEPT_MS ? keys : undefined;

  async function findFetched(url: string, kid: string | undefined): Promise<PublicKeys | undefined> {
    const before = kept.get(url);
    const keys = before && goodKeys(before);
    const mayTry = !before || now() - before.triedAt >= AGAIN_MS;
    if ((keys && hasKey(keys, kid)) || !mayTry) return keys;
    return goodKeys(await fetchOnce(url));
  }

  return {
    async find({ issuer, jwks, jwksUri }, kid) {
      if (jwks || jwksUri === undefined) return jwks ?? { keys: [] };
      const keys = await findFetched(jwksUri, kid);
      if (keys) return keys;
      throw new Unavailable(AGAIN_MS / 1000, {
        description: 'The keys of the issuer of the assertion cannot be fetched. Try again later.',
        reason: `the keys of ${issuer} cannot be fetched from ${jwksUri}`,
      });
    },
  };
}
