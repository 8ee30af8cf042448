/**
 * Whether an answer is a page for a person or JSON for a program. `Accept` alone does not tell: Java's
 * HttpURLConnection prefers html by default, and reads JSON.
 */
import type { Context } from 'koa';
import { pathsFor } from '../provider/paths.ts';

/** The server's own endpoints for programs, and the paths below `/oauth` to which clients send browsers. */
const PROGRAMS_ONLY = /^\/(?:oauth|\.well-known|healthz|readyz|metrics)(?:\/|$)/i;
const LOGIN_AND_LOGOUT = pathsFor('redirects');
/** A browser on its way to a login or logout does not cause these; a program under development does. */
const CAUSED_BY_PROGRAMS = new Set([404, 405, 413, 415]);

export function isLoginOrLogout(path: string): boolean {
  return LOGIN_AND_LOGOUT.some(
    (own) => path.startsWith(own) && (path.length === own.length || path[own.length] === '/'),
  );
}

/** Whether only a program can have sent the request; `Accept` does not matter. @param status of the answer */
export function isForProgram(path: string, status: number): boolean {
  return PROGRAMS_ONLY.test(path) && (!isLoginOrLogout(path) || CAUSED_BY_PROGRAMS.has(status));
}

/** @param status of the answer */
export function wantsPage(ctx: Context, status: number): boolean {
  return !isForProgram(ctx.path, status) && ctx.accepts('json', 'html') === 'html';
}
