/** Pages that the engine asks for by itself: errors, and the two of a logout. */
import { isForProgram } from '../http/pages.ts';
import type { Views } from '../http/views.ts';
import type { EnginePages } from '../provider/deps.ts';

const TEXTS: Readonly<Record<string, string>> = {
  invalid_redirect_uri: 'The redirect URI is not registered for this application.',
  invalid_client: 'The application is unknown.',
  access_denied: 'Access was not allowed.',
};

export function createPages({ views }: { views: Views }): EnginePages {
  return {
    interactionUrl: (uid) => `/interaction/${uid}`,
    async renderError(ctx, answer) {
      // The engine calls this only if the request accepts a page.
      if (isForProgram(ctx.path, ctx.status)) {
        ctx.body = answer;
        return;
      }
      const { error, error_description } = answer;
      ctx.type = 'html';
      ctx.body = views.render('error', {
        error,
        description: TEXTS[error] ?? error_description ?? 'The server cannot answer this request.',
        requestId: ctx.status >= 500 ? ctx.state.requestId : undefined,
      });
    },
    async confirmLogout(ctx, form) {
      ctx.type = 'html';
      // The engine's own form carries its token; the buttons stand outside and point at it.
      ctx.body = views.render('logout', { form, application: ctx.oidc.client?.clientName });
    },
    async loggedOut(ctx) {
      ctx.type = 'html';
      ctx.body = views.render('logged-out', { application: ctx.oidc.client?.clientName });
    },
  };
}
