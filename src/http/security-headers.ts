/** Headers that keep browsers from helping an attacker; for every answer, also errors. */
import type { Middleware } from 'koa';

/**
 * Chromium applies `form-action` to redirects after a POST too; a page whose form ends in a redirect to a client adds
 * that origin in `ctx.state.formAction`.
 */
function contentSecurityPolicy(formAction: readonly string[]): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    ["form-action 'self'", ...formAction].join(' '),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}

const HSTS = 'max-age=31536000; includeSubDomains';

export function createSecurityHeaders({ issuer }: { issuer: string }): Middleware {
  const isHttps = issuer.startsWith('https:');
  return async function securityHeaders(ctx, next) {
    ctx.set({
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
      'Cache-Control': 'no-store',
      ...(isHttps && { 'Strict-Transport-Security': HSTS }),
    });
    await next();
    const { formAction } = ctx.state;
    ctx.set('Content-Security-Policy', contentSecurityPolicy(Array.isArray(formAction) ? formAction : []));
  };
}
