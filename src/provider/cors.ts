/**
 * Browsers from other origins (Fetch Standard, CORS): only where an application lists the origin. The engine would
 * echo every origin before it knows the client, so its answer is corrected, and preflights are answered here.
 */
import type { Context, Middleware } from 'koa';
import type { Directory, DirectoryView } from '../directory/directory.ts';
import { PATHS } from './configuration.ts';
import { REVOCATIONS_PATH } from './revocation-feed.ts';

const FOR_BROWSERS: readonly string[] = [PATHS.token, PATHS.revocation, PATHS.userinfo];
/** For resource servers; the engine would answer every origin there too. */
const FOR_SERVERS: readonly string[] = [PATHS.introspection, REVOCATIONS_PATH];
const PREFLIGHT_SECONDS = 600;

function forgetOrigin(ctx: Context): void {
  for (const name of Object.keys(ctx.response.headers)) {
    if (name.toLowerCase().startsWith('access-control-')) ctx.remove(name);
  }
}

export function createCors({ directory }: { directory: Directory }): Middleware {
  const isListed = async (view: DirectoryView, origin: string): Promise<boolean> =>
    (await view.allowedOrigins()).has(origin);
  const isListedFor = async (clientId: string | undefined, origin: string): Promise<boolean> => {
    if (origin === '' || !clientId) return false;
    const client = await (await directory.view()).findApplication(clientId);
    return client?.application.allowedOrigins.includes(origin) === true;
  };

  return async function cors(ctx, next) {
    const origin = ctx.get('Origin');
    const isPath = FOR_BROWSERS.includes(ctx.path);
    if (ctx.method === 'OPTIONS' && (isPath || FOR_SERVERS.includes(ctx.path))) {
      ctx.vary('Origin');
      ctx.status = 204;
      if (!isPath || !(await isListed(await directory.view(), origin))) return;
      ctx.set('Access-Control-Allow-Origin', origin);
      ctx.set('Access-Control-Allow-Methods', ctx.path === PATHS.userinfo ? 'GET,POST' : 'POST');
      ctx.set('Access-Control-Allow-Headers', 'Authorization, Content-Type');
      ctx.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
      return;
    }
    try {
      await next();
    } finally {
      // Metadata and keys are for everybody.
      if (isPath || FOR_SERVERS.includes(ctx.path)) {
        const isAllowed =
          isPath && (await isListedFor(ctx.oidc?.client?.clientId, origin).catch(() => false));
        if (!isAllowed) forgetOrigin(ctx);
        else ctx.append('Access-Control-Expose-Headers', 'Retry-After');
      }
    }
  };
}
