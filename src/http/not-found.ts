/** Answers what no route has answered: is the path wrong, or only the method (RFC 9110 sections 15.5.5, 15.5.6)? */
import type { Middleware } from 'koa';
import { ENDPOINTS } from '../provider/paths.ts';
import { Refusal } from './refusal.ts';

/** For `Allow`, by path. */
const METHODS: ReadonlyMap<string, string> = new Map(
  ENDPOINTS.map(({ path, methods, callers }) => [
    path,
    [...methods, ...(callers === 'redirects' ? [] : ['OPTIONS'])].join(', '),
  ]),
);

export const notFound: Middleware = async (ctx, next) => {
  await next();
  if (ctx.status !== 404 || (ctx.body !== undefined && ctx.body !== null)) return;
  const allowed = METHODS.get(ctx.path);
  if (allowed === undefined || allowed.split(', ').includes(ctx.method)) {
    throw new Refusal(404, 'There is nothing at this path.', { error: 'not_found' });
  }
  throw new Refusal(405, `This method is not allowed here. Use ${allowed}.`, { headers: { Allow: allowed } });
};
