/** Koa, with any router that registers routes as `@koa/router` does. */
import { type AccessAnswer, createGate, type ProtectionOptions } from './access.ts';
import { type NodeRequest, tokenRequestOf } from './node-request.ts';
import { type ProtectedRoutes, protectRoutes } from './protected-routes.ts';
import type { Rule } from './rules.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** The little of Koa that is needed. */
export interface KoaContext {
  readonly path: string;
  readonly method: string;
  readonly req: NodeRequest;
  status: number;
  body: unknown;
  state: Record<string, unknown>;
  set(headers: Record<string, string>): void;
}
/** Of whatever types its framework gives it. */
export type KoaHandler = (ctx: never, next: never) => unknown;
export type KoaMiddleware = (ctx: KoaContext, next: () => Promise<unknown>) => Promise<void>;

export interface KoaProtection {
  /** Routes of the router, each private unless one of its rules is `access.public()`. */
  protect(router: object): ProtectedRoutes<KoaHandler>;
  /**
   * The same for a single middleware. The token is in `ctx.state.token`; what handlers throw of `demand` is answered.
   */
  guard(...rules: Rule[]): KoaMiddleware;
  /** Serves the metadata of the resource (RFC 9728). */
  readonly metadata: KoaMiddleware;
}

export function createProtection(verifier: Verifier, options: ProtectionOptions = {}): KoaProtection {
  const gate = createGate(verifier, options);

  const guard =
    (...rules: Rule[]): KoaMiddleware =>
    async (ctx: KoaContext, next) => {
      try {
        ctx.state.token = await gate.authorize(rules, tokenRequestOf(ctx.req), ctx);
        await next();
      } catch (error) {
        const refusal = gate.refusal(error, ctx);
        if (!refusal) throw error;
        send(ctx, refusal);
      }
    };

  return {
    guard,
    protect: (router) => protectRoutes<KoaHandler>(router, guard),
    metadata: async (ctx: KoaContext, next) => {
      const answer = gate.metadata(ctx);
      if (answer) send(ctx, answer);
      else await next();
    },
  };
}

function send(ctx: KoaContext, { status, headers, body }: AccessAnswer): void {
  ctx.status = status;
  ctx.set({ ...headers });
  ctx.body = body;
}

/** The token of a request that a guard let through; undefined where a public route was called without one. */
export function tokenOf(ctx: { readonly state: Record<string, unknown> }): VerifiedToken | undefined {
  return ctx.state.token as VerifiedToken | undefined;
}
