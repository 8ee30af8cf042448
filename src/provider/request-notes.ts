/** What the shell cannot know about a request that the engine served: its client. */
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
