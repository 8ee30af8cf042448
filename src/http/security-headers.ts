/** Headers that keep browsers and caches from helping an attacker; for every answer, also errors. */
import type { Context, Middleware } from 'koa';

const FORM_ACTION = "form-action 'self'";
/** The engine adds the hash of its one script (`response_mode=form_post`) to the list it finds here. */
const NO_SCRIPT = "script-src 'none'";

const POLICY = [
  "default-src 'none'",
  NO_SCRIPT,
  "style-src 'self'",
  "img-src 'self'",
  FORM_ACTION,
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** For this host only: what runs on names below it is not ours to decide. */
const HSTS = 'max-age=31536000';

/** The source of a URI in the policy; the scheme alone for apps' own schemes (RFC 8252 section 7.1). */
function toSource(uri: string): string | undefined {
  const url = URL.parse(uri);
  return url?.origin === 'null' ? url.protocol : url?.origin;
}

/**
 * Lets the forms of this answer's page end at `uri`: Chromium applies `form-action` to the redirects after a POST too.
 * Those who may not import this set `ctx.state.formAction` to a list of such URIs.
 *
 * @param uri absolute, checked to be one of the client's
 */
export function allowFormTarget(ctx: Context, uri: string): void {
  const uris: readonly string[] = ctx.state.formAction ?? [];
  ctx.state.formAction = [...uris, uri];
}

/** For the few answers that need more than the rest. */
function extendPolicy(ctx: Context): void {
  const { formAction } = ctx.state;
  let policy = ctx.response.get('Content-Security-Policy');
  if (policy === POLICY && formAction === undefined) return;
  if (Array.isArray(formAction)) {
    const sources = new Set(formAction.map(toSource).filter((source) => source !== undefined));
    policy = policy.replace(FORM_ACTION, () => [FORM_ACTION, ...sources].join(' '));
  }
  // Beside a source, 'none' would only make browsers complain.
  ctx.set('Content-Security-Policy', policy.replace(`${NO_SCRIPT} '`, "script-src '"));
}

export function createSecurityHeaders({ issuer }: { issuer: string }): Middleware {
  const headers = {
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
    'Content-Security-Policy': POLICY,
    'Cache-Control': 'no-store',
    ...(issuer.startsWith('https:') && { 'Strict-Transport-Security': HSTS }),
  };
  const pairs = Object.entries(headers);
  return async function securityHeaders(ctx, next) {
    for (const [name, value] of pairs) ctx.res.setHeader(name, value);
    await next();
    if (!ctx.headerSent) extendPolicy(ctx);
  };
}
