/**
 * `/oauth/revocations`: the revocation feed for resource servers that verify JWTs themselves. The answer is a JWT
 * signed with a key of the JWKS, so that it can be trusted wherever it was kept. GET with HTTP Basic, or POST with a
 * form where a client authenticates in another way; the engine authenticates it as it does for introspection.
 *
 * Parameters: `after`, the cursor `next` of the answer before (left out: everything there is); `wait`, seconds to wait
 * for something to tell; `nonce`, repeated in the answer, which shows that it is no earlier one. Claims: `iss`, `aud`
 * (the client), `iat`, `nonce`, `resources` that it speaks of, `after`, `next`, `more`, `reset`, and `nodes`, each with its
 * `id` as in the `anc` of tokens, `revoked_at`, `restored_at`, `narrowed_at` (milliseconds) and `exp` (seconds), after
 * which nothing below it can be alive.
 */
import type { Context, Middleware } from 'koa';
import { MalformedRequest } from '../errors/domain.ts';
import type { Feed, FeedPage } from '../registry/feed.ts';
import type { NodeRecord } from '../storage/contract.ts';
import type { Application } from '../storage/nouns.ts';
import { ACCESS_TOKEN_ALG } from '../storage/signing-algs.ts';
import { PATHS } from './configuration.ts';
import { authenticateClient, type InspectionDeps } from './inspection.ts';
import type { SignJwt } from './sign-jwt.ts';

export const REVOCATIONS_PATH = '/oauth/revocations';
/** Of the header of the JWT, and in `Content-Type` behind `application/`. */
export const REVOCATIONS_TYPE = 'revocations+jwt';

/** Seconds. */
const LONGEST_WAIT = 30;
const OWN_FIELDS = ['after', 'wait', 'nonce'];
const CREDENTIALS = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type'];

export interface RevocationFeedDeps {
  readonly inspection: InspectionDeps;
  readonly feed: Feed;
  readonly sign: SignJwt;
}

type Fields = Readonly<Record<string, unknown>>;

/** Credentials in a URL would stand in logs (RFC 6750 section 5.3), so GET takes none. */
function readFields(ctx: Context, { form }: InspectionDeps): Fields {
  const isGet = ctx.method === 'GET';
  const fields: Fields = isGet ? { ...ctx.query } : (form.read(ctx) ?? {});
  const known = isGet ? OWN_FIELDS : [...OWN_FIELDS, ...CREDENTIALS];
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new MalformedRequest({ description: 'unknown parameter' });
  return fields;
}

function readNumber(fields: Fields, name: string, most: number): number {
  const value = fields[name];
  if (value === undefined) return 0;
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value) || Number(value) > most) {
    throw new MalformedRequest({ description: `${name} must be a whole number of at most ${most}` });
  }
  return Number(value);
}

function readNonce({ nonce }: Fields): string | undefined {
  if (nonce === undefined) return undefined;
  if (typeof nonce !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(nonce)) {
    throw new MalformedRequest({ description: 'nonce must be 1 to 64 letters, digits, _ and -' });
  }
  return nonce;
}

function spell({ id, revokedAt, restoredAt, narrowedAt, expiresAt }: NodeRecord): Record<string, unknown> {
  return {
    id,
    ...(revokedAt !== undefined && { revoked_at: revokedAt }),
    ...(restoredAt !== undefined && { restored_at: restoredAt }),
    ...(narrowedAt !== undefined && { narrowed_at: narrowedAt }),
    exp: Math.ceil(expiresAt / 1000),
  };
}

/** Runs the engine's authentication of clients on what it takes for a request of its own. */
async function authenticate(
  ctx: Context,
  next: () => Promise<unknown>,
  fields: Fields,
  inspection: InspectionDeps,
): Promise<Application | undefined> {
  const { method, url } = ctx;
  const credentials = Object.fromEntries(
    Object.entries(fields).filter(([name]) => CREDENTIALS.includes(name)),
  );
  await inspection.form.give(ctx, credentials);
  ctx.url = PATHS.introspection;
  try {
    return await authenticateClient(ctx, next, credentials, inspection);
  } finally {
    Object.assign(ctx, { method, url });
  }
}

export function createRevocationFeed({ inspection, feed, sign }: RevocationFeedDeps): Middleware {
  const { issuer, now } = inspection;

  async function answer(
    client: Application,
    after: number,
    nonce: string | undefined,
    page: FeedPage,
  ): Promise<string> {
    // What it may hear of now, after a poll that may have been long.
    const current = await (await inspection.directory.view()).findApplication(client.clientId);
    const claims = {
      iss: issuer,
      aud: client.clientId,
      iat: Math.floor(now() / 1000),
      ...(nonce !== undefined && { nonce }),
      resources: current?.application.introspects ?? [],
      after: String(after),
      next: String(page.next),
      more: page.more,
      reset: page.reset,
      nodes: page.nodes.map(spell),
    };
    return sign(JSON.stringify(claims), [ACCESS_TOKEN_ALG], REVOCATIONS_TYPE);
  }

  return async function revocations(ctx, next) {
    if (ctx.method !== 'GET' && ctx.method !== 'POST') return;
    const fields = readFields(ctx, inspection);
    const after = readNumber(fields, 'after', Number.MAX_SAFE_INTEGER);
    const wait = readNumber(fields, 'wait', LONGEST_WAIT);
    const nonce = readNonce(fields);
    const client = await authenticate(ctx, next, fields, inspection);
    if (!client) return;
    ctx.set('Cache-Control', 'no-store');
    if (client.introspects.length === 0) {
      ctx.status = 403;
      ctx.body = { error: 'access_denied', error_description: 'the application answers for no resource' };
      return;
    }
    const gone = new AbortController();
    ctx.res.once('close', () => gone.abort());
    const audience = { organization: client.organization, resources: client.introspects };
    const page = await feed.read(after, audience, { ms: wait * 1000, signal: gone.signal });
    ctx.type = `application/${REVOCATIONS_TYPE}`;
    ctx.body = await answer(client, after, nonce, page);
  };
}
