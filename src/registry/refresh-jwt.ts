/**
 * Refresh tokens for clients that expect a JWT. Inside is one of ours, which decides; the signature only protects the
 * claims beside it.
 */
import { jwtVerify, SignJWT } from 'jose';
import type { SecretRing } from '../storage/vault.ts';
import { isCompactJws } from './compact-jws.ts';

export interface RefreshJwts {
  /** @param claims beside the token; nothing secret, because the holder can read them */
  sign(refreshToken: string, claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** @returns undefined for what this server did not sign */
  open(jwt: string): Promise<{ refreshToken: string; claims: Readonly<Record<string, unknown>> } | undefined>;
  /** The refresh token inside, if it is one of these; anything else as it is. */
  unwrap(value: string): Promise<string>;
}

const TYPE = 'refresh+jwt';
const HEADER = { alg: 'HS256', typ: TYPE } as const;
/** All of them begin with this, so other values are recognized without a check of their signature. */
const START = `${Buffer.from(JSON.stringify(HEADER)).toString('base64url')}.`;

export function createRefreshJwts({
  issuer,
  keys,
  now,
}: {
  issuer: string;
  keys: Pick<SecretRing, 'all'>;
  /** Milliseconds. */
  now: () => number;
}): RefreshJwts {
  const jwts: RefreshJwts = {
    sign(refreshToken, claims) {
      const [current] = keys.all();
      if (!current) throw new Error('there is no key to sign refresh tokens with');
      return new SignJWT({ ...claims, jti: refreshToken })
        .setProtectedHeader(HEADER)
        .setIssuer(issuer)
        .setIssuedAt(Math.floor(now() / 1000))
        .sign(current.key);
    },
    async open(jwt) {
      if (!isCompactJws(jwt)) return undefined;
      for (const { key } of keys.all()) {
        const verified = await jwtVerify(jwt, key, {
          issuer,
          typ: TYPE,
          algorithms: ['HS256'],
          // The login decides whether it has expired, and the client learns it from there.
          currentDate: new Date(0),
        }).catch(() => undefined);
        const { jti, ...claims } = verified?.payload ?? {};
        if (jti !== undefined) return { refreshToken: jti, claims };
      }
      return undefined;
    },
    async unwrap(value) {
      return value.startsWith(START) ? ((await jwts.open(value))?.refreshToken ?? value) : value;
    },
  };
  return jwts;
}
