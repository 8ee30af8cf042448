/** The `resource` parameter (RFC 8707) of authorization requests, as a single value in the spelling of the directory. */
import type { Context, Middleware } from 'koa';
import type { Directory } from '../directory/directory.ts';
import { spelledAsStored } from '../directory/resource-spelling.ts';

type Form = Record<string, unknown>;

export interface ResourceParameterDeps {
  readonly directory: Directory;
  /** The parsed form of a request, and how to hand it on changed. */
  readonly form: {
    read(ctx: Context): Form | undefined;
    replace(ctx: Context, form: Form): void;
  };
}

export function createResourceParameter({ directory, form }: ResourceParameterDeps): Middleware {
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
