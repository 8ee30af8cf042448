import type { Middleware } from 'koa';
export const REQUIRED_VIEWS: string[] = [];
export function createInteractionRoutes(_deps: unknown): Middleware[] {
  return [];
}
export function createPages(_deps: unknown): any {
  return {
    interactionUrl: (u: string) => `/interaction/${u}`,
    renderError: async (ctx: any, out: any) => {
      ctx.body = out;
    },
    confirmLogout: async () => {},
    loggedOut: async () => {},
  };
}
