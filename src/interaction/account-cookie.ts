/** The cookie that binds the forms below `/account` to one browser. */
import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { Refusal } from '../http/refusal.ts';
import type { PageDeps } from './deps.ts';

const COOKIE_MINUTES = 60;

function cookieName(issuer: string): string {
  return issuer.startsWith('https:') ? '__Host-account' : 'account';
}

/** @returns what the browser holds, if we signed it */
export function findBinding(ctx: Context, issuer: string): string | undefined {
  return ctx.cookies.get(cookieName(issuer), { signed: true });
}

/**
 * @param anew for a login: another person may have planted the value before; else a page in another tab must stay good
 * @returns what the browser holds, for the token of a form
 */
export function bindBrowser(ctx: Context, { issuer }: Pick<PageDeps, 'issuer'>, anew = false): string {
  const binding = (!anew && findBinding(ctx, issuer)) || randomBytes(16).toString('base64url');
  ctx.cookies.set(cookieName(issuer), binding, {
    httpOnly: true,
    sameSite: 'lax',
    secure: issuer.startsWith('https:'),
    signed: true,
    overwrite: true,
    path: '/',
    maxAge: COOKIE_MINUTES * 60_000,
  });
  return binding;
}

/** @throws Refusal 403 */
export function requireBinding(ctx: Context, { issuer }: Pick<PageDeps, 'issuer'>): string {
  const binding = findBinding(ctx, issuer);
  if (binding) return binding;
  throw new Refusal(403, 'This page is too old. Reload it and try again.', { error: 'access_denied' });
}
