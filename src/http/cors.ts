/**
 * Which pages of other origins may read an answer (Fetch Standard, CORS). The origins that a client lists may read
 * answers to that client. Every origin that any application lists may read a failure before the client is known;
 * otherwise a page could not tell it from a broken network. No answer depends on cookies, so credentials are never
 * allowed.
 *
 * Routes say in `ctx.state` who may read an answer (`readers`, `preflight`).
 */
import type { Context, Middleware } from 'koa';

export interface CorsDeps {
  /** Paths whose answers every page may read. */
  readonly publicPaths: readonly string[];
  /** Whether pages of listed origins may read answers at a path. */
  readonly isPagePath: (path: string) => boolean;
  /** Whether an application lists the origin. */
  readonly isListed: (origin: string) => Promise<boolean>;
}

const PREFLIGHT_SECONDS = 600;
const EXPOSED = 'WWW-Authenticate, Retry-After, ETag, Location, RateLimit, RateLimit-Policy';

function forgetOrigin(ctx: Context): void {
  for (const name of ctx.res.getHeaderNames()) {
    if (name.startsWith('access-control-')) ctx.remove(name);
  }
}

function tellReader(ctx: Context, reader: string): void {
  ctx.set('Access-Control-Allow-Origin', reader);
  const { preflight } = ctx.state;
  if (preflight) {
    ctx.set('Access-Control-Allow-Methods', preflight.methods.join(', '));
    ctx.set('Access-Control-Allow-Headers', preflight.headers.join(', '));
    ctx.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
  } else {
    ctx.set('Access-Control-Expose-Headers', EXPOSED);
  }
}

export function createCors({ publicPaths, isPagePath, isListed }: CorsDeps): Middleware {
  const forAll = new Set(publicPaths);

  async function findReader(ctx: Context, origin: string): Promise<string | undefined> {
    const { readers, preflight } = ctx.state;
    if (readers === '*') return readers;
    ctx.vary('Origin');
    if (origin === '') return undefined;
    // A preflight does not name a client.
    const isClientUnknown = preflight !== undefined || (readers === undefined && ctx.status >= 400);
    const isReader = isClientUnknown ? await isListed(origin) : readers?.includes(origin);
    return isReader ? origin : undefined;
  }

  return async function cors(ctx, next) {
    const { path } = ctx;
    await next();
    if (forAll.has(path)) {
      ctx.set('Access-Control-Allow-Origin', '*');
      return;
    }
    const reader = isPagePath(path) ? await findReader(ctx, ctx.get('Origin')) : undefined;
    // The engine allows every origin, also where the request names none.
    forgetOrigin(ctx);
    if (reader !== undefined) tellReader(ctx, reader);
  };
}
