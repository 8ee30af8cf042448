/**
 * What the shell cannot know about pages of other origins: which paths they may call, what they may send, and which
 * origins the client of a request lists.
 */
import type { Context, Middleware } from 'koa';
import type { Directory } from '../directory/directory.ts';
import { ENDPOINTS, pathsFor } from '../provider/paths.ts';

/** Paths that pages may call. */
export const BROWSER_PATHS: readonly string[] = pathsFor('pages');
const HEADERS = ['Authorization', 'Content-Type'];
/** For resource servers; the engine would answer preflights there too. */
const FOR_SERVERS: readonly string[] = pathsFor('servers');
const METHODS: ReadonlyMap<string, readonly string[]> = new Map(
  ENDPOINTS.filter(({ callers }) => callers === 'pages').map(({ path, methods }) => [path, methods]),
);

/** Leaves `readers` and `preflight` in `ctx.state`. */
export function createClientOrigins({ directory }: { directory: Pick<Directory, 'viewFor'> }): Middleware {
  async function findOrigins({ state }: Context): Promise<readonly string[] | undefined> {
    if (state.clientId === undefined) return undefined;
    const { view } = await directory.viewFor(state);
    return (await view.findApplication(state.clientId))?.application.allowedOrigins;
  }

  return async function clientOrigins(ctx, next) {
    const methods = METHODS.get(ctx.path);
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
