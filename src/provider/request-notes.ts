/** What the shell cannot know of a request that the engine served: who asked, and where the form of its page may end. */
import type { Middleware } from 'koa';

/** Leaves `clientId` and `formAction` in `ctx.state`. */
export function createRequestNotes(): Middleware {
  return async function requestNotes(ctx, next) {
    try {
      await next();
    } finally {
      const { client, params, redirectUriCheckPerformed, route, session } = ctx.oidc ?? {};
      ctx.state.clientId ??= client?.clientId;
      // `response_mode=form_post` answers with a page whose form is the client's.
      if (redirectUriCheckPerformed && typeof params?.redirect_uri === 'string') {
        ctx.state.formAction = [...(ctx.state.formAction ?? []), params.redirect_uri];
      }
      // What the engine has found registered; the form of a logout ends there.
      const afterLogout = route === 'end_session' && session?.state?.postLogoutRedirectUri;
      if (typeof afterLogout === 'string') {
        ctx.state.formAction = [...(ctx.state.formAction ?? []), afterLogout];
      }
    }
  };
}
