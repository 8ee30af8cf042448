/** Says of what nobody answered whether the path or only the method is wrong (RFC 9110 sections 15.5.5, 15.5.6). */
import type { Middleware } from 'koa';
import { Refusal } from './refusal.ts';

/** Of the paths that do not answer every method. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['/oauth/authorize', 'GET, POST'],
  ['/oauth/token', 'POST, OPTIONS'],
  ['/oauth/introspect', 'POST, OPTIONS'],
  ['/oauth/revoke', 'POST, OPTIONS'],
  ['/oauth/revocations', 'GET, POST, OPTIONS'],
  ['/oauth/userinfo', 'GET, POST, OPTIONS'],
  ['/oauth/logout', 'GET, POST'],
  ['/oauth/jwks', 'GET, HEAD, OPTIONS'],
  ['/.well-known/openid-configuration', 'GET, HEAD, OPTIONS'],
  ['/.well-known/oauth-authorization-server', 'GET, HEAD, OPTIONS'],
]);

export function createNotFound(): Middleware {
  return async function notFound(ctx, next) {
    await next();
    if (ctx.status !== 404 || (ctx.body !== undefined && ctx.body !== null)) return;
    const allowed = METHODS.get(ctx.path);
    if (allowed === undefined || allowed.split(', ').includes(ctx.method)) {
      throw new Refusal(404, 'there is nothing here', { error: 'not_found' });
    }
    throw new Refusal(405, `only these methods are answered here: ${allowed}`, {
      headers: { Allow: allowed },
    });
  };
}
