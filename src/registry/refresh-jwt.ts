/**
 * Refresh tokens for clients that expect a JWT. Inside is one of ours, which decides; the signature only protects the
 * claims beside it.
 */
import { jwtVerify, SignJWT } from 'jose';
import type { SecretRing } from '../storage/vault.ts';
import { isCompactJws } from './compact-jws.ts';

export type RefreshJwts = ReturnType<typeof createRefreshJwts>;

type Claims = Readonly<Record<string, unknown>>;

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
}) {
  /** @returns undefined for what this server did not sign */
  async function open(jwt: string): Promise<{ refreshToken: string; claims: Claims } | undefined> {
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
  }

  return {
    open,
    /** @param claims beside the token; nothing secret, because the holder can read them */
    sign(refreshToken: string, claims: Claims): Promise<string> {
      const [current] = keys.all();
      if (!current) throw new Error('there is no key to sign refresh tokens with');
      return new SignJWT({ ...claims, jti: refreshToken })
        .setProtectedHeader(HEADER)
        .setIssuer(issuer)
        .setIssuedAt(Math.floor(now() / 1000))
        .sign(current.key);
    },
    /** The refresh token inside, if it is one of these; anything else as it is. */
    async unwrap(value: string): Promise<string> {
      return value.startsWith(START) ? ((await open(value))?.refreshToken ?? value) : value;
    },
  };
}
