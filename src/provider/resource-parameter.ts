/** The `resource` parameter (RFC 8707) of authorization requests, as a single value in the spelling of the directory. */
import type { Middleware } from 'koa';
import { spelledAsStored } from '../directory/resource-spelling.ts';
import type { ProviderDeps } from './deps.ts';

export function createResourceParameter({
  directory,
  form,
}: Pick<ProviderDeps, 'directory' | 'form'>): Middleware {
  return async function resourceParameter(ctx, next) {
    const fields = form.read(ctx);
    const given = fields?.resource ?? ctx.query.resource;
    if (given === undefined || given === '') return next();
    const { view } = await directory.viewFor(ctx.state);
    const resource = await spelledAsStored(view, given);
    if (resource === given) return next();
    if (fields?.resource !== undefined) form.replace(ctx, { ...fields, resource });
    else ctx.query = { ...ctx.query, resource: resource as string };
    return next();
  };
}
