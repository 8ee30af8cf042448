/**
 * Presented tokens: what clients send as tokens. `identify` says what kind a value is, by prefix, shape and signature,
 * without the store. The other functions then read its row: whether it lives, or lived until it expired. `registry`
 * decides whether a row lives; `connections` decides whether a connection token is right.
 */
import { parseConnectionToken } from '../connections/connection-tokens.ts';
import type { JwtVerifier } from '../keys/verify-jwt.ts';
import type { RefreshJwts } from '../registry/refresh-jwt.ts';
import { REFRESH_TOKEN, type RefreshTokens } from '../registry/refresh-tokens.ts';
import type { LivingToken, Registry } from '../registry/registry.ts';
import { OPAQUE_ACCESS_TOKEN } from '../registry/token-values.ts';
import type { LoginRow, LoginStore, TokenRow } from '../storage/contract.ts';

export type Presented =
  /** `handle` finds its row: the `jti` of a JWT that we signed and that has not expired, or the value itself. */
  | { readonly kind: 'access token'; readonly format: TokenRow['format']; readonly handle: string }
  /** `login` is the id of its login, and `token` is compared with it: for a JWT, the token inside. */
  | { readonly kind: 'refresh token'; readonly login: string; readonly token: string }
  /** `connection` is the id of the connection that it names. */
  | { readonly kind: 'connection token'; readonly connection: string }
  /** A JWT that this server signed as an access token. Whether any other token has expired is told by its row. */
  | { readonly kind: 'expired' }
  /** `resembles`: what it looks like, although this server did not make it. */
  | { readonly kind: 'unknown'; readonly resembles?: 'JWT' | 'refresh token' };

/** A living token with its current rights. */
export type Living =
  | ({ readonly kind: 'access token' } & LivingToken)
  /** `isCurrent`: no later one has taken its place. */
  | { readonly kind: 'refresh token'; readonly row: LoginRow; readonly isCurrent: boolean };

export type PresentedTokens = ReturnType<typeof createPresentedTokens>;

export interface PresentedTokensDeps {
  readonly registry: Pick<Registry, 'find' | 'findLiving' | 'findLogin' | 'hasExpired'>;
  readonly logins: Pick<LoginStore, 'find'>;
  readonly refreshTokens: Pick<RefreshTokens, 'loginOf' | 'hash'>;
  readonly refreshJwts: Pick<RefreshJwts, 'unwrap'>;
  readonly jwtVerifier: JwtVerifier;
  /** Milliseconds. */
  readonly now: () => number;
}

/** A JWS in compact form (RFC 7515) begins like this; our opaque tokens do not. */
export const looksLikeJwt = (value: string): boolean => value.startsWith('eyJ');

export function createPresentedTokens(deps: PresentedTokensDeps) {
  const { registry, logins, refreshTokens, refreshJwts, jwtVerifier, now } = deps;

  async function identify(value: string): Promise<Presented> {
    if (value.startsWith(OPAQUE_ACCESS_TOKEN))
      return { kind: 'access token', format: 'opaque', handle: value };
    const token = looksLikeJwt(value) ? await refreshJwts.unwrap(value) : value;
    if (looksLikeJwt(token)) {
      const verified = await jwtVerifier.verify(token);
      if (!verified) return { kind: 'unknown', resembles: 'JWT' };
      if (verified.hasExpired) return { kind: 'expired' };
      return { kind: 'access token', format: 'jwt', handle: verified.jti };
    }
    const login = refreshTokens.loginOf(token);
    if (login !== undefined) return { kind: 'refresh token', login, token };
    const connection = parseConnectionToken(token);
    if (connection !== undefined) return { kind: 'connection token', connection };
    return token.startsWith(REFRESH_TOKEN)
      ? { kind: 'unknown', resembles: 'refresh token' }
      : { kind: 'unknown' };
  }

  return {
    identify,
    /**
     * The living access token, or the living login of a refresh token; undefined for anything else.
     * @param marksVersion from before the call
     */
    async findLiving(value: string, marksVersion?: number): Promise<Living | undefined> {
      const presented = await identify(value);
      const { kind } = presented;
      if (kind === 'access token') {
        const living = await registry.findLiving(presented.format, presented.handle, marksVersion);
        return living && { kind, ...living };
      }
      if (kind !== 'refresh token') return undefined;
      const row = await registry.findLogin(presented.login);
      return row && { kind, row, isCurrent: row.current.equals(refreshTokens.hash(presented.token)) };
    },
    /** The living access token; undefined for anything else. */
    async findAccessToken(value: string): Promise<TokenRow | undefined> {
      const presented = await identify(value);
      return presented.kind === 'access token'
        ? registry.find(presented.format, presented.handle)
        : undefined;
    },
    /** Whether it was an access token of ours until it expired. */
    async hasExpired(value: string): Promise<boolean> {
      const presented = await identify(value);
      if (presented.kind === 'expired') return true;
      return presented.kind === 'access token' && registry.hasExpired(presented.handle);
    },
    /** Whether it was the refresh token of a login until that expired; false once the sweep has removed the login. */
    async hasLoginExpired(value: string): Promise<boolean> {
      const presented = await identify(value);
      if (presented.kind !== 'refresh token') return false;
      // At time 0 no token has expired.
      const login = await logins.find(presented.login, 0);
      const isLatest = login?.current.equals(refreshTokens.hash(presented.token));
      return login !== undefined && isLatest === true && login.expiresAt <= now();
    },
    /** Call it when the published keys changed. */
    keysChanged: () => jwtVerifier.forget(),
  };
}
