/**
 * Public keys of issuers that organizations trust: those that the organization gave, or those at its `jwksUri`. Fetched
 * ones are kept in the memory of the process.
 */
import { LRUCache } from 'lru-cache';
import { Unavailable } from '../errors/domain.ts';
import type { IdentityIssuer } from '../nouns/index.ts';
import { readPublicKeys } from '../nouns/values.ts';
import type { GetJson } from '../outgoing/get-json.ts';
import type { PublicKeys } from './signed-assertions.ts';

/** Bytes of a key set. */
export const MAX_KEY_SET = 65_536;

const KEPT_MS = 300_000;
/** How soon keys are fetched again after a failure, or for a key that is not among them. */
const AGAIN_MS = 60_000;
const TIMEOUT_MS = 3_000;
const MOST_KEPT = 1_000;

export type IssuerKeys = ReturnType<typeof createIssuerKeys>;

interface Kept {
  readonly keys?: PublicKeys;
  /** Milliseconds: when the keys were fetched. */
  readonly fetchedAt?: number;
  /** Milliseconds: of the latest attempt. */
  readonly triedAt: number;
  /** Why that failed, for the log. */
  readonly problem?: string;
}

const hasKey = ({ keys }: PublicKeys, kid: string | undefined): boolean =>
  kid === undefined || keys.some((key) => key.kid === kid);

export function createIssuerKeys({
  getJson,
  now,
}: {
  readonly getJson: GetJson;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  const kept = new LRUCache<string, Kept>({ max: MOST_KEPT });
  const fetching = new Map<string, Promise<Kept>>();

  /** Keys that are not old yet are good although one more attempt failed. */
  async function attempt(url: string): Promise<Kept> {
    const triedAt = now();
    try {
      const { json } = await getJson(url, AbortSignal.timeout(TIMEOUT_MS));
      return { keys: readPublicKeys(json), fetchedAt: triedAt, triedAt };
    } catch (error) {
      return { ...kept.get(url), triedAt, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  async function fetchKeys(url: string): Promise<Kept> {
    const made = await attempt(url);
    kept.set(url, made);
    return made;
  }

  /** Parallel requests share one. */
  function fetchOnce(url: string): Promise<Kept> {
    const running = fetching.get(url) ?? fetchKeys(url).finally(() => fetching.delete(url));
    fetching.set(url, running);
    return running;
  }

  const goodKeys = ({ keys, fetchedAt = 0 }: Kept): PublicKeys | undefined =>
    now() - fetchedAt < KEPT_MS ? keys : undefined;

  async function findLatest(url: string, kid: string | undefined): Promise<Kept> {
    const before = kept.get(url);
    if (!before) return fetchOnce(url);
    const keys = goodKeys(before);
    const isTooEarly = now() - before.triedAt < AGAIN_MS;
    return isTooEarly || (keys && hasKey(keys, kid)) ? before : fetchOnce(url);
  }

  return {
    /**
     * @param kid of the key that is needed; absent: whichever fits
     * @throws Unavailable if they cannot be fetched at this moment
     */
    async find({ jwks, jwksUri }: IdentityIssuer, kid: string | undefined): Promise<PublicKeys> {
      if (jwks || jwksUri === undefined) return jwks ?? { keys: [] };
      const latest = await findLatest(jwksUri, kid);
      const keys = goodKeys(latest);
      if (keys) return keys;
      // The assertion may be good: its client shall not throw it away.
      throw new Unavailable((latest.triedAt + AGAIN_MS - now()) / 1000, {
        description: 'The keys of the issuer of the assertion cannot be fetched. Try again later.',
        reason: latest.problem ?? 'the keys of the issuer of the assertion are old',
      });
    },
  };
}
