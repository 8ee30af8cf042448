/**
 * What the shell cannot know about pages of other origins: which paths they may call, what they may send, and which
 * origins the client of a request lists.
 */
import type { Context, Middleware } from 'koa';
import type { Directory } from '../directory/directory.ts';
import { PATHS } from './configuration.ts';
import { REVOCATIONS_PATH } from './revocation-feed.ts';

const METHODS: Readonly<Record<string, readonly string[]>> = {
  [PATHS.token]: ['POST'],
  [PATHS.revocation]: ['POST'],
  [PATHS.userinfo]: ['GET', 'POST'],
};
const HEADERS = ['Authorization', 'Content-Type'];
/** For resource servers; the engine would answer preflights there too. */
const FOR_SERVERS: readonly string[] = [PATHS.introspection, REVOCATIONS_PATH];

/** Paths that pages may call. */
export const BROWSER_PATHS: readonly string[] = Object.keys(METHODS);

/** Leaves `readers` and `preflight` in `ctx.state`. */
export function createClientOrigins({ directory }: { directory: Directory }): Middleware {
  async function findOrigins({ oidc }: Context): Promise<readonly string[] | undefined> {
    const clientId = oidc?.client?.clientId;
    const active = clientId && (await (await directory.view()).findApplication(clientId));
    return active ? active.application.allowedOrigins : undefined;
  }

  return async function clientOrigins(ctx, next) {
    const methods = METHODS[ctx.path];
    if (ctx.method === 'OPTIONS' && (methods || FOR_SERVERS.includes(ctx.path))) {
      ctx.status = 204;
      if (methods) ctx.state.preflight = { methods, headers: HEADERS };
      return;
    }
    try {
      await next();
    } finally {
      if (methods && ctx.get('Origin') !== '') {
        ctx.state.readers = await findOrigins(ctx).catch(() => undefined);
      }
    }
  };
}
