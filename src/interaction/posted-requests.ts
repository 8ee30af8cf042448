/**
 * Authorization and logout requests that come by POST (OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2). A browser
 * that posts a form of another site does not send `SameSite=Lax` cookies, so it has no session; the GET after a 303
 * sends them. So the store keeps the parameters for that GET, which reaches the engine as if it carried them.
 *
 * Each request, by GET or POST, makes the store keep a row, so the requests of one address are limited. The GET after a
 * 303 is not counted again.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import { Refusal } from '../http/refusal.ts';
import { pathsFor } from '../provider/paths.ts';
import type { ArtifactStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { decrypt, encrypt } from '../storage/sealing.ts';

export interface PostedRequestsDeps {
  readonly issuer: string;
  readonly artifacts: Pick<ArtifactStore, 'insert' | 'find' | 'consume'>;
  /** Takes one request from an address. @throws TooManyAttempts */
  readonly limit: (address: string) => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

type Parameters = Record<string, unknown>;

const ENDPOINTS: readonly string[] = pathsFor('redirects');
const MODEL = 'PostedRequest';
/** The query parameter that holds the id. */
const ID = 'posted_request';
const SECRET_BYTES = 16;
const SECRET = /^[\w-]{22}$/;
const LIFETIME_MS = 60_000;
/** About as much as a GET can carry. */
const MAX_BYTES = 16_384;

const START_AGAIN = 'Go back to the application and start again.';

function refuse(description: string, reason?: string): never {
  throw new Refusal(400, description, defined({ reason }));
}

/** Made from the id in the URL and the secret in the cookie: only both together open the request. */
function keysOf(path: string, id: string, secret: string): { handle: Buffer; seal: Buffer } {
  const keyFor = (use: string): Buffer => hash('sha256', [use, path, id, secret].join('\0'), 'buffer');
  return { handle: keyFor('posted request').subarray(0, 16), seal: keyFor('posted request, sealed') };
}

function queryOf(id: string, { client_id: clientId }: Parameters): string {
  return new URLSearchParams({
    ...(typeof clientId === 'string' && { client_id: clientId }),
    [ID]: id,
  }).toString();
}

/** To be called before the engine's routes. */
export function createPostedRequests({ issuer, artifacts, limit, now }: PostedRequestsDeps): Middleware {
  const isSecure = issuer.startsWith('https:');
  // Tabs that post at once rarely share one of the 64 names; a hostile page cannot create more cookies than that.
  const cookieName = (id: string): string => `${isSecure ? '__Host-' : ''}posted-${id.slice(0, 1)}`;
  const cookie = { httpOnly: true, sameSite: 'lax', secure: isSecure, signed: false, path: '/' } as const;

  async function keep(ctx: Context): Promise<void> {
    if (ctx.querystring !== '')
      refuse('A POST takes no parameters in the query. Send all of them in the body.');
    const parameters = ctx.state.form;
    if (!parameters) throw new Refusal(415, 'Send the parameters as application/x-www-form-urlencoded.');
    const text = Buffer.from(JSON.stringify(parameters));
    if (text.length > MAX_BYTES) throw new Refusal(413, `The parameters are larger than ${MAX_BYTES} bytes.`);
    await limit(ctx.state.address);
    const id = randomBytes(SECRET_BYTES).toString('base64url');
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const { handle, seal } = keysOf(ctx.path, id, secret);
    const payload = { sealed: encrypt(seal, text, MODEL) };
    await artifacts.insert(MODEL, handle, { payload, expiresAt: now() + LIFETIME_MS }, now());
    ctx.cookies.set(cookieName(id), secret, { ...cookie, maxAge: LIFETIME_MS });
    ctx.status = 303;
    ctx.redirect(`${ctx.path}?${queryOf(id, parameters)}`);
  }

  /** Returns the posted parameters, once. @throws Refusal */
  async function take(ctx: Context, id: string): Promise<Parameters> {
    // Koa keeps every cookie name that was looked up for ever, so strangers must not choose it.
    const secret = SECRET.test(id) ? ctx.cookies.get(cookieName(id), { signed: false }) : undefined;
    const { handle, seal } = keysOf(ctx.path, id, secret ?? '');
    const kept = secret && (await artifacts.find(MODEL, handle, now()));
    const text = kept && decrypt(seal, String(kept.payload.sealed), MODEL);
    if (!text) {
      const reason = 'no posted request for this id and cookie';
      refuse(`This request has expired or was begun in another browser. ${START_AGAIN}`, reason);
    }
    const parameters: Parameters = JSON.parse(text.toString());
    if (ctx.querystring !== queryOf(id, parameters)) {
      refuse('The query was changed. Open the address that the server answered the POST with.');
    }
    if (!(await artifacts.consume(MODEL, handle, now())))
      refuse(`This request was used already. ${START_AGAIN}`);
    ctx.cookies.set(cookieName(id), null, cookie);
    return parameters;
  }

  return async function postedRequests(ctx, next) {
    if (!ENDPOINTS.includes(ctx.path)) return next();
    if (ctx.method === 'POST') return keep(ctx);
    const id = ctx.query[ID];
    if (id === undefined || ctx.method === 'HEAD') {
      // The engine keeps an interaction or a session for each, as for a GET.
      if (ctx.method === 'GET' || ctx.method === 'HEAD') await limit(ctx.state.address);
      return next();
    }
    if (ctx.method !== 'GET') return next();
    const parameters = await take(ctx, String(id));
    // Koa's own setter would write them into the URL, where an ID token must never stand.
    Object.defineProperty(ctx, 'query', { value: parameters, configurable: true, writable: true });
    return next();
  };
}
