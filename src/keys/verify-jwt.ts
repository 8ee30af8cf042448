/**
 * Recognizes access tokens that this server signed (RFC 9068 section 4, RFC 8725). It caches a verified token under the
 * hash of its whole text; the registry says at each use whether the token is alive.
 */
import { hash } from 'node:crypto';
import { createLocalJWKSet, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Directory } from '../directory/directory.ts';
import { SIGNING_ALGS } from '../nouns/signing-algs.ts';
import { isCompactJws } from '../registry/compact-jws.ts';
import type { SigningKeys } from './signing-keys.ts';

const REMEMBERED_TOKENS = 10_000;
/** Larger than any token that this server makes. */
const MAX_LENGTH = 16_384;

/** The cached facts of a token with a valid signature. */
interface Facts {
  readonly jti: string;
  /** Seconds. */
  readonly exp: number;
  readonly typ: 'at+jwt' | 'JWT';
  readonly aud: unknown;
}

export type JwtVerifier = ReturnType<typeof createJwtVerifier>;

/** These errors say that a value is not one of our tokens. @throws any other error */
function refuseForeign(error: unknown): undefined {
  if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
}

export function createJwtVerifier({
  issuer,
  signingKeys,
  directory,
  now,
}: {
  issuer: string;
  signingKeys: SigningKeys;
  /** Says which resources have access tokens of the type `JWT`. */
  directory: Pick<Directory, 'view'>;
  /** Milliseconds. */
  now: () => number;
}) {
  /** The published keys, and what was found with them. */
  function useKeys() {
    const published = signingKeys.published();
    const keys = published.map(({ kid, alg, publicJwk }) => ({ ...publicJwk, kid, alg, use: 'sig' }));
    return {
      keySet: createLocalJWKSet({ keys }),
      facts: new LRUCache<string, Facts>({ max: REMEMBERED_TOKENS }),
    };
  }
  let known: ReturnType<typeof useKeys> | undefined;

  /** A token of the type `JWT` is ours only while its resource has that type. */
  async function hasItsType({ typ, aud }: Pick<Facts, 'typ' | 'aud'>): Promise<boolean> {
    if (typ === 'at+jwt') return true;
    const resource = await (await directory.view()).findResource(String(aud));
    return resource?.token.typ === 'JWT';
  }

  /** @throws errors of the library */
  async function check(value: string, keySet: ReturnType<typeof createLocalJWKSet>): Promise<Facts> {
    if (!isCompactJws(value)) throw new errors.JWTInvalid('another spelling of a token');
    const { typ } = decodeProtectedHeader(value);
    if (typ !== 'at+jwt' && typ !== 'JWT') throw new errors.JWTInvalid('not the type of an access token');
    const { payload } = await jwtVerify(value, keySet, {
      issuer,
      typ,
      algorithms: [...SIGNING_ALGS],
      requiredClaims: ['sub', 'aud', 'exp', 'iat', 'jti', 'client_id'],
      // Expired tokens are ours too: `verify` says whether they have.
      currentDate: new Date(0),
    });
    const { jti, exp, aud } = payload;
    if (typeof jti !== 'string' || typeof exp !== 'number') throw new errors.JWTInvalid('strange claims');
    return { jti, exp, typ, aud };
  }

  async function findFacts(value: string): Promise<Facts | undefined> {
    const key = hash('sha256', value, 'base64url');
    // The keys may change while a signature is checked: what was found with the keys before goes with them.
    known ??= useKeys();
    const { keySet, facts } = known;
    const remembered = facts.get(key);
    if (remembered) return remembered;
    const found = await check(value, keySet).catch(refuseForeign);
    if (found) facts.set(key, found);
    return found;
  }

  return {
    /** @returns undefined if this server did not sign it as an access token */
    async verify(value: string): Promise<{ jti: string; hasExpired: boolean } | undefined> {
      if (value.length > MAX_LENGTH) return undefined;
      const facts = await findFacts(value);
      if (!facts || !(await hasItsType(facts))) return undefined;
      return { jti: facts.jti, hasExpired: facts.exp * 1000 <= now() };
    },
    /** Call it when the key set changed: tokens that a removed key signed are rejected. */
    forget(): void {
      known = undefined;
    },
  };
}
