/**
 * Authorization requests without `openid`: the engine refuses the parameters of OpenID Connect there. `max_age` counts for
 * APIs too (RFC 9470 section 4), so it reaches the request behind the engine's own checks. The others are ignored (RFC 6749
 * section 3.1): they concern ID tokens, and libraries such as AppAuth always send a `nonce`.
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

const OF_ID_TOKENS = ['nonce', 'acr_values', 'claims', 'claims_locales'];

/** What the request repeats stays: the engine refuses it. */
export const parametersWithoutOpenid: Middleware = (ctx, next) => {
  if (scopesOf(ctx.query.scope).includes('openid')) return next();
  const query = { ...ctx.query };
  for (const name of OF_ID_TOKENS) if (typeof query[name] === 'string') delete query[name];
  if (typeof query.max_age === 'string' && query.max_age !== '') {
    ctx.state.maxAge = query.max_age;
    delete query.max_age;
  }
  replaceQuery(ctx, query);
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
