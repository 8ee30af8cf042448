/**
 * Recognising access tokens that we signed (RFC 9068 section 4, RFC 8725). A token verified once is remembered under
 * the hash of all of it; whether it still lives is asked of the registry each time.
 */
import { hash } from 'node:crypto';
import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { isCompactJws } from '../registry/compact-jws.ts';
import { SIGNING_ALGS } from '../storage/signing-algs.ts';
import type { SigningKeys } from './signing-keys.ts';

const REMEMBERED_TOKENS = 10_000;
/** Larger than any token that we make. */
const MAX_LENGTH = 16_384;

export interface VerifiedAccessToken {
  readonly jti: string;
}

export interface JwtVerifier {
  /** The token's facts if we signed it as an access token and it has not expired; undefined otherwise. */
  verify(value: string): Promise<VerifiedAccessToken | undefined>;
  /** Whether we signed it as an access token, and only its time is over. */
  hasExpired(value: string): Promise<boolean>;
  /** To be called when the key set changed: what a removed key signed is dead. */
  forget(): void;
}

/** Whether a value looks like a JWS in compact form, which none of our opaque tokens does. */
export function looksLikeJwt(value: string): boolean {
  return value.startsWith('eyJ');
}

export function createJwtVerifier({
  issuer,
  signingKeys,
  now,
}: {
  issuer: string;
  signingKeys: SigningKeys;
  /** Milliseconds. */
  now: () => number;
}): JwtVerifier {
  const remembered = new LRUCache<string, { jti: string; exp: number }>({ max: REMEMBERED_TOKENS });
  let keySet: ReturnType<typeof createLocalJWKSet> | undefined;

  const currentKeySet = () => {
    keySet ??= createLocalJWKSet({
      keys: signingKeys
        .published()
        .map(({ kid, alg, publicJwk }) => ({ ...publicJwk, kid, alg, use: 'sig' }) as never),
    });
    return keySet;
  };

  async function check(value: string): Promise<JWTPayload> {
    const { payload } = await jwtVerify(value, currentKeySet(), {
      issuer,
      typ: 'at+jwt',
      algorithms: [...SIGNING_ALGS],
      requiredClaims: ['sub', 'aud', 'exp', 'iat', 'jti', 'client_id'],
      currentDate: new Date(now()),
    });
    return payload;
  }

  /** Whatever is wrong with it, it is not a token of ours. */
  async function verifySignature(value: string): Promise<JWTPayload | undefined> {
    return check(value).catch(() => undefined);
  }

  return {
    async verify(value) {
      if (value.length > MAX_LENGTH || !isCompactJws(value)) return undefined;
      const key = hash('sha256', value, 'base64url');
      const known = remembered.get(key);
      if (known) return known.exp * 1000 > now() ? known : undefined;
      const payload = await verifySignature(value);
      if (typeof payload?.jti !== 'string' || typeof payload.exp !== 'number') return undefined;
      const facts = { jti: payload.jti, exp: payload.exp };
      remembered.set(key, facts);
      return facts;
    },
    async hasExpired(value) {
      if (value.length > MAX_LENGTH || !isCompactJws(value)) return false;
      return check(value).then(
        () => false,
        // Said only once the signature is found to be right.
        (error: unknown) => error instanceof errors.JWTExpired,
      );
    },
    forget() {
      keySet = undefined;
      remembered.clear();
    },
  };
}
