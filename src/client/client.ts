/**
 * The client: it holds one token set and how the next one is had. Whatever answers late finds out whether what it was
 * asked for is still what is wanted, so that no refresh undoes a login or a `revoke()`.
 */
import { type Form, toForm } from './ask.ts';
import type { Client, ClientOptions } from './contract.ts';
import { createEndpoint } from './endpoint.ts';
import { GrantableError } from './errors.ts';
import { type TokenSet, toTokenSet } from './token-set.ts';

const TOKEN_PATH = '/oauth/token';
const REVOCATION_PATH = '/oauth/revoke';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const DATABASE_USER = 'urn:grantable:grant-type:database-user';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const CONNECTION = 'urn:grantable:token-type:connection';

const REFRESH_BEFORE_SECONDS = 60;
/** Seconds, while the token at hand is good and the server does not say how long. */
const PAUSE = 1;

interface Held {
  readonly tokens: TokenSet;
  /** What to ask again where there is no refresh token. */
  readonly again?: Form | undefined;
}

const loginRequired = (description: string): GrantableError =>
  new GrantableError('login_required', { description });

function renewalOf({ tokens, again }: Held): Form | undefined {
  if (tokens.refreshToken === undefined) return again;
  return { grant_type: 'refresh_token', refresh_token: tokens.refreshToken };
}

/** Whether nothing can follow: RFC 6749 section 5.2, and RFC 8693 section 2.2.2 for a connection that has ended. */
function isOver(error: unknown, { tokens, again }: Held): boolean {
  if (!(error instanceof GrantableError)) return false;
  if (error.error === 'login_required') return true;
  if (error.status !== 400) return false;
  if (tokens.refreshToken !== undefined) return error.error === 'invalid_grant';
  return again?.grant_type === EXCHANGE && error.error === 'invalid_request';
}

/** @throws TypeError */
function toOrigin(text: string): string {
  const { protocol, origin } = new URL(text);
  if (!/^https?:$/.test(protocol)) throw new TypeError('origins must be http or https.');
  return origin;
}

/** @throws TypeError for an issuer that is not a URL, or an origin that is not one */
export function createClient(options: ClientOptions): Client {
  const { resource, onToken, readTokens, now = Date.now } = options;
  const send: typeof globalThis.fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
  const endpoint = createEndpoint({ ...options, fetch: send, now });
  const refreshBefore = (options.refreshBefore ?? REFRESH_BEFORE_SECONDS) * 1000;
  const origins = new Set(options.origins?.map(toOrigin));

  let held: Held | undefined = options.tokens ? { tokens: options.tokens } : undefined;
  let renewing: Promise<void> | undefined;
  let pause: { readonly until: number; readonly error: unknown } | undefined;
  /** Ended, and the server does not know: they live there, also after another login. */
  const unrevoked = new Set<TokenSet>();
  /** Logins and revocations are counted when they are called: what was called earlier and ends later is not wanted. */
  let turns = 0;
  let heldTurn = 0;
  let revokedTurn = 0;

  async function hold(next: Held | undefined): Promise<void> {
    held = next;
    renewing = undefined;
    pause = undefined;
    await onToken?.(next?.tokens);
  }

  /** What fails stays to be ended. */
  async function end(tokens: TokenSet): Promise<void> {
    const { refreshToken, accessToken } = tokens;
    unrevoked.add(tokens);
    await endpoint.postTwice(REVOCATION_PATH, {
      token: refreshToken ?? accessToken,
      token_type_hint: refreshToken === undefined ? 'access_token' : 'refresh_token',
    });
    unrevoked.delete(tokens);
  }

  /** @throws the first of what failed, when all have been tried */
  async function endAll(): Promise<void> {
    const ends = await Promise.allSettled([...unrevoked].map(end));
    const failed = ends.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async function obtain(form: Form, isRepeatable = false): Promise<TokenSet> {
    turns += 1;
    const turn = turns;
    const tokens = toTokenSet(await endpoint.post(TOKEN_PATH, form));
    if (turn < revokedTurn) {
      await end(tokens).catch(() => undefined);
      throw new GrantableError('revoked', { description: 'The login was revoked meanwhile. Log in again.' });
    }
    if (turn > heldTurn) {
      heldTurn = turn;
      await hold({ tokens, again: isRepeatable ? form : undefined });
    }
    return tokens;
  }

  const isFresh = ({ issuedAt, expiresAt }: TokenSet): boolean =>
    now() < expiresAt - Math.min(refreshBefore, (expiresAt - issuedAt) / 2);

  /** With what another client has got meanwhile. */
  async function readLatest(from: Held): Promise<Held> {
    if (!readTokens || from.tokens.refreshToken === undefined) return from;
    const tokens = await readTokens();
    if (!tokens) throw loginRequired('The login was ended elsewhere. Log in again.');
    return tokens.issuedAt > from.tokens.issuedAt ? { tokens } : from;
  }

  async function findNext(from: Held): Promise<Held> {
    const latest = await readLatest(from);
    if (latest !== from && isFresh(latest.tokens)) return latest;
    const form = renewalOf(latest);
    if (!form) throw loginRequired('The token has ended and cannot be refreshed. Log in again.');
    const tokens = toTokenSet(await endpoint.postTwice(TOKEN_PATH, form));
    // RFC 6749 section 6: without a new refresh token the old one stays.
    const { refreshToken = latest.tokens.refreshToken } = tokens;
    return { ...latest, tokens: { ...tokens, ...(refreshToken !== undefined && { refreshToken }) } };
  }

  async function renew(from: Held): Promise<void> {
    let next: Held | undefined;
    let failure: unknown;
    try {
      next = await findNext(from);
    } catch (error) {
      failure = error;
    }
    if (held !== from) {
      // What follows a refresh token ends with the login. This would live on without a holder.
      if (next?.again) await end(next.tokens).catch(() => undefined);
      return;
    }
    if (next || isOver(failure, from)) await hold(next);
    else {
      const wanted = failure instanceof GrantableError ? failure.retryAfter : undefined;
      const seconds = wanted ?? (now() < from.tokens.expiresAt ? PAUSE : 0);
      pause = { until: now() + seconds * 1000, error: failure };
    }
    if (!next) throw failure;
  }

  function renewOnce(from: Held): Promise<void> {
    if (pause && now() < pause.until) return Promise.reject(pause.error);
    if (renewing) return renewing;
    const running = renew(from).finally(() => {
      if (renewing === running) renewing = undefined;
    });
    renewing = running;
    return running;
  }

  async function getToken(): Promise<string> {
    const from = held;
    if (!from) throw loginRequired('There is no token. Log in first.');
    const { accessToken, expiresAt } = from.tokens;
    if (isFresh(from.tokens) || (!renewalOf(from) && now() < expiresAt)) return accessToken;
    try {
      await renewOnce(from);
    } catch (error) {
      if (held !== from || now() >= expiresAt) throw error;
      return accessToken;
    }
    if (!held) throw loginRequired('The login was ended meanwhile. Log in again.');
    return held.tokens.accessToken;
  }

  return {
    get tokens() {
      return held?.tokens;
    },
    login: async (username, password, ask = {}) =>
      obtain({ ...toForm(ask, resource), grant_type: 'password', username, password }),
    clientCredentials: async (ask = {}) =>
      obtain({ ...toForm(ask, resource), grant_type: 'client_credentials' }, true),
    databaseUser: async (user, ask = {}) =>
      obtain({
        ...toForm(ask, resource),
        grant_type: DATABASE_USER,
        instance: user.instance,
        database: user.database,
        collection: user.collection,
        username_column: user.usernameColumn,
        password_column: user.passwordColumn,
        username: user.username,
        password: user.password,
      }),
    async exchange({ subjectToken, connectionToken, expiresIn, requestedSubject }, ask = {}) {
      const form: Form = {
        ...toForm(ask, resource),
        grant_type: EXCHANGE,
        subject_token: connectionToken ?? subjectToken,
        subject_token_type: connectionToken === undefined ? ACCESS_TOKEN : CONNECTION,
        requested_subject: requestedSubject,
        expires_in: expiresIn === undefined ? undefined : String(expiresIn),
      };
      if (connectionToken !== undefined) return obtain(form, true);
      return toTokenSet(await endpoint.post(TOKEN_PATH, form));
    },
    getToken,
    async fetch(input, init) {
      const request = new Request(input, { ...init, redirect: init?.redirect ?? 'error' });
      const { origin } = new URL(request.url);
      if (!origins.has(origin)) throw new TypeError(`${origin} is not among the origins that get the token.`);
      request.headers.set('authorization', `Bearer ${await getToken()}`);
      return send(request);
    },
    async revoke() {
      turns += 1;
      revokedTurn = turns;
      if (held) unrevoked.add(held.tokens);
      try {
        if (held) await hold(undefined);
      } finally {
        await endAll();
      }
    },
  };
}
