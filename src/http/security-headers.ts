/** Headers that keep browsers and caches from helping an attacker; for every answer, also errors. */
import type { Context, Middleware } from 'koa';
import { PATHS } from '../provider/paths.ts';
import { isLoginOrLogout } from './pages.ts';

/** The engine adds the hash of its one script (`response_mode=form_post`) to the list it finds here. */
const NO_SCRIPT = "script-src 'none'";

const POLICY = [
  "default-src 'none'",
  NO_SCRIPT,
  "style-src 'self'",
  "img-src 'self'",
  "object-src 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

const OWN_FORMS = "form-action 'self'";

/** For this host only: what runs on names below it is not ours to decide. */
const HSTS = 'max-age=31536000';

const EVERYWHERE = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
  'Cache-Control': 'no-store',
};

const INTERACTION = /^\/interaction(?:\/|$)/;

/**
 * For pages and redirects that a client sends a person through. Their forms end in redirects to any place that the
 * client chooses, and Chromium and WebKit check `form-action` against each of them. A client that opened a pop-up waits
 * for a message from it, which an opener policy on any answer would block.
 */
const BETWEEN_CLIENTS_HEADERS = { ...EVERYWHERE, 'Content-Security-Policy': POLICY };

const OTHER_HEADERS = {
  ...EVERYWHERE,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Content-Security-Policy': `${POLICY}; ${OWN_FORMS}`,
};

/** Browsers would report an error for 'none' beside the hash that the engine added. */
function settleScripts(ctx: Context): void {
  const policy = ctx.response.get('Content-Security-Policy');
  if (policy.includes(`${NO_SCRIPT} '`)) {
    ctx.set('Content-Security-Policy', policy.replace(`${NO_SCRIPT} '`, "script-src '"));
  }
}

const transportHeaders = (issuer: string) =>
  issuer.startsWith('https:') ? { 'Strict-Transport-Security': HSTS } : {};

/** RFC 6749 section 5.1 asks for it where tokens are given out, for caches that know HTTP/1.0 only. */
const TOKEN_ANSWERS = { Pragma: 'no-cache' };

/** Those of answers that no person is sent through. */
export function securityHeadersFor(issuer: string, path: string): Readonly<Record<string, string>> {
  return { ...OTHER_HEADERS, ...transportHeaders(issuer), ...(path === PATHS.token && TOKEN_ANSWERS) };
}

export function createSecurityHeaders({ issuer }: { issuer: string }): Middleware {
  const betweenClients = Object.entries({ ...BETWEEN_CLIENTS_HEADERS, ...transportHeaders(issuer) });
  const others = Object.entries(securityHeadersFor(issuer, ''));
  const token = Object.entries(securityHeadersFor(issuer, PATHS.token));
  return async function securityHeaders(ctx, next) {
    const isBetweenClients = isLoginOrLogout(ctx.path) || INTERACTION.test(ctx.path);
    const headers = ctx.path === PATHS.token ? token : isBetweenClients ? betweenClients : others;
    for (const [name, value] of headers) ctx.res.setHeader(name, value);
    await next();
    if (isBetweenClients && !ctx.headerSent) settleScripts(ctx);
  };
}
