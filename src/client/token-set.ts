/** What a token request is answered with (RFC 6749 section 5.1). */
import type { Action, AuthorizationDetail } from './ask.ts';
import type { Answer } from './endpoint.ts';
import { GrantableError } from './errors.ts';

/**
 * Plain JSON, to be kept as it is wherever secrets may be kept: who has it is the user. Its rights are those of when it
 * was made; they may have shrunk since.
 */
export interface TokenSet {
  readonly accessToken: string;
  /** Absent for client credentials, exchanges, and where the application may not refresh. */
  readonly refreshToken?: string;
  /** When it was asked for; milliseconds since the epoch, on the clock of the client. */
  readonly issuedAt: number;
  /** From when the access token is dead; milliseconds since the epoch, on the clock of the client. */
  readonly expiresAt: number;
  /** Scopes beside the permissions, separated by spaces; empty without any. */
  readonly scope: string;
  readonly permissions: {
    readonly isAdmin: boolean;
    /** By table id. */
    readonly tables: Readonly<Record<string, Readonly<Record<Action, boolean>>>>;
  };
  /** The permissions as RFC 9396 section 7 spells them. */
  readonly authorizationDetails: readonly AuthorizationDetail[];
}

/** @throws GrantableError unexpected_answer */
export function toTokenSet({ status, json, askedAt }: Answer): TokenSet {
  const { access_token: accessToken, token_type: type, expires_in: lifetime } = json;
  const isBearer = typeof type === 'string' && type.toLowerCase() === 'bearer';
  const isToken = typeof accessToken === 'string' && accessToken !== '';
  if (!isToken || !isBearer || typeof lifetime !== 'number' || !(lifetime > 0)) {
    throw new GrantableError('unexpected_answer', {
      status,
      description: 'The answer has no Bearer token.',
    });
  }
  return {
    accessToken,
    ...(typeof json.refresh_token === 'string' && { refreshToken: json.refresh_token }),
    issuedAt: askedAt,
    expiresAt: askedAt + lifetime * 1000,
    scope: typeof json.scope === 'string' ? json.scope : '',
    permissions: (json.permissions as TokenSet['permissions']) ?? { isAdmin: false, tables: {} },
    authorizationDetails: (json.authorization_details as TokenSet['authorizationDetails']) ?? [],
  };
}
