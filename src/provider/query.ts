import type { Context } from 'koa';

/**
 * What everything behind this reads as the parameters of the request. They are not written into the URL, which does not
 * hold those of a posted request either.
 */
export function replaceQuery(ctx: Context, query: Context['query']): void {
  Object.defineProperty(ctx, 'query', { value: query, configurable: true, writable: true });
}
