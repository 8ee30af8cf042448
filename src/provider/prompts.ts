/** The values of `prompt` in an authorization request (OpenID Connect Core section 3.1.2.1). */
import type { Middleware } from 'koa';

export const PROMPT_VALUES = ['none', 'login', 'consent', 'select_account'] as const;

/**
 * A browser session has one account, so choosing another is logging in again: `select_account` reaches the engine, which
 * does not know it, as `login`.
 */
export function createPrompts(): Middleware {
  return function prompts(ctx, next) {
    const { query } = ctx;
    if (typeof query.prompt !== 'string' || !query.prompt.includes('select_account')) return next();
    const values = query.prompt.split(' ').map((value) => (value === 'select_account' ? 'login' : value));
    const prompt = [...new Set(values)].join(' ');
    // Not written into the URL, which does not hold the parameters of a posted request either.
    Object.defineProperty(ctx, 'query', { value: { ...query, prompt }, configurable: true, writable: true });
    return next();
  };
}
