/** What the client is made with, and what it can do. */
import type { Ask } from './ask.ts';
import type { TokenSet } from './token-set.ts';

export interface ClientOptions {
  /** URL of the authorization server: https, or http on this machine (`localhost`, 127.0.0.0/8, `::1`). */
  readonly issuer: string;
  readonly clientId: string;
  /** Sent as `client_secret_basic`. Not in a browser, where everybody could read it: a public client has none. */
  readonly clientSecret?: string | undefined;
  /** Identifier of the resource that tokens are for (RFC 8707), if not what the application has as its own. */
  readonly resource?: string | undefined;
  /** Tokens of an earlier run, as `onToken` was told of them. */
  readonly tokens?: TokenSet | null | undefined;
  /**
   * Called with each new token set, and with `undefined` when the tokens are gone and the person has to log in. Called in
   * the order of the changes; a caller that waits for a token waits for this too, and gets what it throws, although the
   * change holds.
   */
  readonly onToken?: ((tokens: TokenSet | undefined) => unknown) | undefined;
  /**
   * Reads what `onToken` has kept. Needed where several clients, such as the tabs of a browser, share a login: it is
   * asked before a refresh token is used, because one that another client has used already would end the login.
   */
  readonly readTokens?:
    | (() => TokenSet | null | undefined | Promise<TokenSet | null | undefined>)
    | undefined;
  /** Seconds before its end from which a token is replaced, at most half of its life; 60 unless said otherwise. */
  readonly refreshBefore?: number | undefined;
  /** Origins of the APIs that `fetch` may send the token to, such as `https://api.example`. None unless said otherwise. */
  readonly origins?: readonly string[] | undefined;
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
}

/** A person who is a row of a registered table in a database of the operator. */
export interface DatabaseUser {
  /** Name of the datasource. */
  readonly instance: string;
  readonly database: string;
  /** A table, or a collection of MongoDB. */
  readonly collection: string;
  readonly usernameColumn: string;
  readonly passwordColumn: string;
  readonly username: string;
  readonly password: string;
}

/** What is traded, and how. */
export type Exchange = (
  | { /** An access token. */ readonly subjectToken: string; readonly connectionToken?: undefined }
  | { /** `gct_…` */ readonly connectionToken: string; readonly subjectToken?: undefined }
) & {
  /** Seconds that the new token lives, from 1 to 86,400; as long as it may if left out. */
  readonly expiresIn?: number | undefined;
  /** `sub` of the user that an administrator wants a token for. */
  readonly requestedSubject?: string | undefined;
};

/**
 * Everything that asks the server rejects with `GrantableError`. A login that is refused changes nothing of what is
 * held, one that succeeds takes its place without ending it. Of several at the same time, what the one gives that was
 * called last is held. One that `revoke()` overtook is ended and rejects with `revoked`.
 */
export interface Client {
  /** What is held, to show what it allows; `getToken()` is for using it. */
  readonly tokens: TokenSet | undefined;

  /**
   * A user's name and password (RFC 6749 section 4.3); the password is not kept.
   * @throws GrantableError `invalid_grant` when they are wrong; status 429 with `retryAfter` after too many tries
   */
  login(username: string, password: string, ask?: Ask): Promise<TokenSet>;

  /**
   * The application itself (RFC 6749 section 4.4). It is asked for again when it ends.
   * @throws GrantableError `invalid_client`, `invalid_scope`, `invalid_authorization_details`, `invalid_target`
   */
  clientCredentials(ask?: Ask): Promise<TokenSet>;

  /**
   * Logs in a person who is a row of a registered table (a grant of Grantable's own, RFC 6749 section 4.5); the password is not
   * kept.
   * @throws GrantableError `invalid_grant` when anything is wrong; status 429 with `retryAfter` after too many tries
   */
  databaseUser(user: DatabaseUser, ask?: Ask): Promise<TokenSet>;

  /**
   * Trades a token for one that may no more (RFC 8693); the client must have a secret. What a connection token gives is
   * held like a login, and traded for again when it ends. What an access token gives is for handing on: it is only
   * returned.
   * @throws GrantableError `invalid_request` when the token is not valid; `invalid_target` for another resource than its
   */
  exchange(exchange: Exchange, ask?: Ask): Promise<TokenSet>;

  /**
   * A valid access token. Shortly before its end it is replaced (RFC 6749 section 6), by one request
   * however many ask. While that fails the one at hand is given as long as it lives, and what would replace it is kept.
   * @throws GrantableError `login_required` when there is nothing to give; once the token at hand has ended, what stands
   *   in the way, such as `network_error`; `invalid_grant` when the server refuses the refresh token, `invalid_request`
   *   when it refuses the connection token: the login is over and the tokens are forgotten
   */
  getToken(): Promise<string>;

  /**
   * `fetch` with the token in the Authorization header (RFC 6750 section 2.1), to the listed `origins` only. A redirect
   * is an error unless `init.redirect` says otherwise, because the token could go along.
   * @throws TypeError for another origin, and whatever `fetch` throws; GrantableError as `getToken`
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

  /**
   * Ends the login, or the token if it has no refresh token (RFC 7009). The tokens are forgotten at once, whatever the
   * server says; without tokens it does nothing.
   * @throws GrantableError if the server cannot be told; calling it again tells it again, of everything that it has not
   *   been told of, also after another login
   */
  revoke(): Promise<void>;
}
