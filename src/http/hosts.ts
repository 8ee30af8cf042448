/**
 * Under which names the server answers. Every URL that it makes comes from the issuer, never from a header; a request
 * for another host is refused before anybody sees it (RFC 9110 section 15.5.20).
 */
import type { Context, Middleware } from 'koa';

/** Where other names are allowed: what servers call, never what people see. */
const BACK_CHANNEL = [
  '/oauth/token',
  '/oauth/introspect',
  '/oauth/revoke',
  '/oauth/jwks',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];
const UNDER_ANY_HOST = ['/healthz', '/readyz', '/metrics'];

/** The downstream sees the issuer's host and scheme only, whatever was sent. */
function pin(ctx: Context, issuer: URL): void {
  ctx.req.headers.host = issuer.host;
  const { request } = ctx;
  Object.defineProperties(request, {
    protocol: { value: issuer.protocol.slice(0, -1), configurable: true },
    secure: { value: issuer.protocol === 'https:', configurable: true },
    host: { value: issuer.host, configurable: true },
    href: { get: () => issuer.origin + request.originalUrl, configurable: true },
  });
}

/** A second Host header, or a request line that names a host, is an attempt to be taken for another. */
function namesOneHost(ctx: Context): boolean {
  const hosts = ctx.req.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  return hosts.length === 1 && (ctx.req.url ?? '').startsWith('/');
}

export function createHosts({ issuer, hosts }: { issuer: string; hosts: readonly string[] }): Middleware {
  const url = new URL(issuer);
  const authority = url.host;
  return async function hostCheck(ctx, next) {
    const host = (ctx.req.headers.host ?? '').toLowerCase();
    const isOurs =
      host === authority ||
      UNDER_ANY_HOST.includes(ctx.path) ||
      (hosts.includes(host) && BACK_CHANNEL.includes(ctx.path));
    if (!namesOneHost(ctx) || !isOurs) {
      ctx.status = namesOneHost(ctx) ? 421 : 400;
      ctx.body = { error: 'invalid_request', error_description: 'this server does not answer for that host' };
      return;
    }
    pin(ctx, url);
    await next();
  };
}
