/**
 * The `resource` parameter (RFC 8707) of requests for tokens. After this step it is a single value in the spelling of
 * the directory, so that it can be compared as a string; several different ones stay as they are and are refused.
 */
import type { Middleware } from 'koa';
import type { DirectoryView } from '../directory/directory.ts';
import { canonicalIdentifier } from '../permissions/resource-identifiers.ts';
import type { InspectionDeps } from './inspection.ts';

async function spelledAsStored(view: DirectoryView, given: unknown): Promise<unknown> {
  const identifiers: unknown[] = [given].flat();
  const [identifier] = identifiers;
  if (typeof identifier !== 'string') return given;
  const areSame = identifiers.every(
    (each) => typeof each === 'string' && canonicalIdentifier(each) === canonicalIdentifier(identifier),
  );
  return areSame ? ((await view.findResource(identifier))?.identifier ?? identifier) : given;
}

export function createResourceParameter({
  directory,
  form,
}: Pick<InspectionDeps, 'directory' | 'form'>): Middleware {
  return async function resourceParameter(ctx, next) {
    const fields = form.read(ctx);
    const given = fields?.resource ?? ctx.query.resource;
    if (given === undefined || given === '') return next();
    const { view } = await directory.viewFor(ctx.req);
    const resource = await spelledAsStored(view, given);
    if (resource === given) return next();
    if (fields?.resource !== undefined) form.replace(ctx, { ...fields, resource });
    else ctx.query = { ...ctx.query, resource: resource as string };
    return next();
  };
}
