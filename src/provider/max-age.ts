/**
 * `max_age` of an authorization request without `openid`: the login must be recent enough for an API (RFC 9470 section 4).
 * The engine refuses the parameter there, so it reaches the request only behind the engine's own checks.
 */
import type { Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { MalformedRequest } from '../errors/domain.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { replaceQuery } from './query.ts';

declare module 'koa' {
  interface DefaultState {
    /** As it was sent, without `openid`. */
    maxAge?: string;
  }
}

export const holdMaxAge: Middleware = (ctx, next) => {
  const { max_age: maxAge, ...rest } = ctx.query;
  if (typeof maxAge !== 'string' || maxAge === '' || scopesOf(rest.scope).includes('openid')) return next();
  ctx.state.maxAge = maxAge;
  replaceQuery(ctx, rest);
  return next();
};

/** What the engine does with the one of OpenID Connect. @throws MalformedRequest */
export function applyMaxAge({ state, oidc: { params, prompts } }: KoaContextWithOIDC): void {
  const { maxAge } = state;
  if (maxAge === undefined || !params) return;
  if (!/^\d{1,15}$/.test(maxAge)) {
    throw new MalformedRequest({ description: 'The parameter max_age must be a whole number of seconds.' });
  }
  if (Number(maxAge) > 0) {
    params.max_age = maxAge;
    return;
  }
  // A login of this very second is too old.
  prompts.add('login');
  params.prompt = [...prompts].join(' ');
}
