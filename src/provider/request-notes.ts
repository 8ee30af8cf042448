/** What the shell cannot know of a request that the engine served: who asked. */
import type { Middleware } from 'koa';

/** Leaves `clientId` in `ctx.state`. */
export function createRequestNotes(): Middleware {
  return async function requestNotes(ctx, next) {
    try {
      await next();
    } finally {
      ctx.state.clientId ??= ctx.oidc?.client?.clientId;
    }
  };
}
