/** What a face of an older API says of a request beside its form. */

import type { FaceName, User } from '../nouns/index.ts';
import type { TokenRow } from '../storage/contract.ts';

/** What a request that came through a face brings along; no parameter and no header can say so. */
export interface Through {
  readonly face: FaceName;
  /** Whether strangers may register. */
  readonly registration: boolean;
  /** Further nodes that what is made hangs below. */
  readonly nodes: readonly string[];
  readonly token?: FaceTokens;
  /** Scopes that the face's own routes ask for: good on those, and for every user of its application. */
  readonly scopes?: readonly string[];
  /** Which of the allowed scopes a request means; without it one that asks for more is refused. */
  readonly pickScopes?: (asked: readonly string[], allowed: readonly string[]) => readonly string[];
  /** Answers with a refresh token although the grant has none. */
  readonly startsLogin?: boolean;
  /** Whether its tokens speak of devices. */
  readonly devices?: boolean;
}

/** What a face's clients expect of tokens, instead of what the resource says of them. */
export interface FaceTokens {
  readonly format?: 'jwt';
  /** Seconds. */
  readonly ttl: number;
  /** Seconds that a login lasts; the server's own if absent. */
  readonly loginTtl?: number;
  /** Seconds that a refresh token is good, counted anew at each refresh; as long as the login if absent. */
  readonly refreshAge?: number;
  /** Whether a refresh leaves the refresh token as it is. */
  readonly keepsRefreshToken?: boolean;
  /** Whether a refresh ends the access tokens that the login had before. */
  readonly endsEarlier?: boolean;
  /** Of an access token that is a JWT, beside those that every token has. */
  readonly claims?: (row: TokenRow, user: User | undefined) => Readonly<Record<string, unknown>>;
  /** Makes a new refresh token a JWT around ours, with these claims; nothing secret. */
  readonly refreshClaims?: (
    row: TokenRow,
    user: User | undefined,
    login: { readonly expiresAt: number },
  ) => Readonly<Record<string, unknown>>;
}
