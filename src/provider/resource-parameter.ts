/** The `resource` parameter (RFC 8707) of authorization requests, as a single value in the spelling of the directory. */
import type { Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { spelledAsStored } from '../directory/resource-spelling.ts';
import type { ProviderDeps } from './deps.ts';

/** The resource that a request is about, as far as it has been read; at userinfo that of the token. */
export function resourceOf({ oidc, query, state }: KoaContextWithOIDC): unknown {
  return state.resourceOfToken ?? oidc?.params?.resource ?? query.resource;
}

export function createResourceParameter({ directory }: Pick<ProviderDeps, 'directory'>): Middleware {
  return async function resourceParameter(ctx, next) {
    const given = ctx.query.resource;
    if (given === undefined || given === '') return next();
    const { view } = await directory.viewFor(ctx.state);
    const resource = await spelledAsStored(view, given);
    if (resource !== given) ctx.query = { ...ctx.query, resource: resource as string };
    return next();
  };
}
