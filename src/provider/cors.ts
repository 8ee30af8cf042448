/**
 * Browsers from other origins (Fetch Standard, CORS): only where an application lists the origin. The engine would
 * echo every origin before it knows the client, so its answer is corrected, and preflights are answered here.
 */
import type { Middleware } from 'koa';
import type { Directory, DirectoryView } from '../directory/directory.ts';
import { PATHS } from './configuration.ts';

const FOR_BROWSERS: readonly string[] = [PATHS.token, PATHS.revocation, PATHS.userinfo];
const PREFLIGHT_SECONDS = 600;

export function createCors({ directory }: { directory: Directory }): Middleware {
  const isListed = async (view: DirectoryView, origin: string): Promise<boolean> =>
    (await view.allowedOrigins()).has(origin);

  return async function cors(ctx, next) {
    const origin = ctx.get('Origin');
    const isPath = FOR_BROWSERS.includes(ctx.path);
    if (ctx.method === 'OPTIONS' && (isPath || ctx.path === PATHS.introspection)) {
      ctx.vary('Origin');
      ctx.status = 204;
      if (!isPath || !(await isListed(await directory.view(), origin))) return;
      ctx.set('Access-Control-Allow-Origin', origin);
      ctx.set('Access-Control-Allow-Methods', ctx.path === PATHS.userinfo ? 'GET,POST' : 'POST');
      ctx.set('Access-Control-Allow-Headers', 'Authorization, Content-Type');
      ctx.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
      return;
    }
    await next();
    // Metadata and keys are for everybody.
    if (!isPath && ctx.path !== PATHS.introspection) return;
    const clientId = ctx.oidc?.client?.clientId;
    const client =
      isPath && origin !== '' && clientId
        ? await (await directory.view()).findApplication(clientId)
        : undefined;
    if (client?.application.allowedOrigins.includes(origin)) return;
    for (const name of Object.keys(ctx.response.headers)) {
      if (name.toLowerCase().startsWith('access-control-')) ctx.remove(name);
    }
  };
}
