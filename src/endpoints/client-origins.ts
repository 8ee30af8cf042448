/**
 * What the shell cannot know about pages of other origins: which paths they may call, what they may send, and which
 * origins the client of a request lists.
 */
import type { Context, Middleware } from 'koa';
import type { Directory } from '../directory/directory.ts';
import { ENDPOINTS, pathsFor, REGISTERED_PREFIX } from '../provider/paths.ts';

/** Paths of endpoints that pages may call. */
export const BROWSER_PATHS: readonly string[] = [...pathsFor('pages'), ...pathsFor('strangers')];
export const PREFLIGHT_HEADERS = ['Authorization', 'Content-Type'];

/** Whether answers at the path may be read by pages, if only by some. */
export function isBrowserPath(path: string): boolean {
  return BROWSER_PATHS.includes(path) || path.startsWith(REGISTERED_PREFIX);
}

/** Preflights, by `OPTIONS` and path. Resource servers' endpoints have them too, where the engine would answer. */
export const PREFLIGHTS: ReadonlyMap<string, Middleware> = new Map(
  ENDPOINTS.filter(({ callers }) => callers !== 'redirects' && callers !== 'all').map(
    ({ path, methods, callers }) => [
      `OPTIONS ${path}`,
      (ctx) => {
        ctx.status = 204;
        if (callers !== 'servers') ctx.state.preflight = { methods, headers: PREFLIGHT_HEADERS };
        if (callers === 'strangers') ctx.state.readers = '*';
      },
    ],
  ),
);

/** @returns goes around an endpoint that pages may call, and leaves `readers` in `ctx.state` */
export function createClientOrigins({ directory }: { directory: Pick<Directory, 'viewFor'> }) {
  async function findOrigins({ state }: Context): Promise<readonly string[] | undefined> {
    if (state.clientId === undefined) return undefined;
    const { view } = await directory.viewFor(state);
    const client = state.client ?? (await view.findApplication(state.clientId, state.form?.resource));
    return client?.application.allowedOrigins;
  }

  return (endpoint: Middleware): Middleware =>
    async function clientOrigins(ctx, next) {
      try {
        await endpoint(ctx, next);
      } finally {
        // An origin that cannot be looked up is one that may not read: the answer, or its error, stays as it is.
        if (ctx.get('Origin') !== '') ctx.state.readers = await findOrigins(ctx).catch(() => undefined);
      }
    };
}
