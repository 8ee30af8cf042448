/** Koa, with any router that registers routes as `@koa/router` does. */
import {
  answerTo,
  asksForMetadata,
  authorizationOf,
  authorize,
  METADATA_HEADERS,
  metadataOf,
  type ProtectedRoutes,
  protectRoutes,
  type Rule,
} from './access.ts';
import { AccessError } from './errors.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** The little of Koa that is needed. */
export interface KoaContext {
  readonly path: string;
  readonly method: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly req: { readonly rawHeaders: readonly string[] };
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

export function createProtection(
  verifier: Verifier,
  options: { readonly scopes?: readonly string[] } = {},
): KoaProtection {
  const guard =
    (...rules: Rule[]): KoaMiddleware =>
    async (ctx: KoaContext, next) => {
      try {
        ctx.state.token = await authorize(verifier, rules, {
          authorization: authorizationOf(ctx.req.rawHeaders, ctx.headers),
          query: ctx.query,
        });
        await next();
      } catch (error) {
        if (!(error instanceof AccessError)) throw error;
        const { status, headers, body } = answerTo(error, verifier);
        ctx.status = status;
        ctx.set({ ...headers });
        ctx.body = body;
      }
    };

  return {
    guard,
    protect: (router) => protectRoutes<KoaHandler>(router, guard),
    metadata: async (ctx: KoaContext, next) => {
      if (!asksForMetadata(verifier, ctx)) {
        await next();
        return;
      }
      ctx.set({ ...METADATA_HEADERS });
      ctx.body = metadataOf(verifier, options.scopes);
    },
  };
}

/** The token of a request that a guard let through; undefined where a public route was called without one. */
export function tokenOf(ctx: { readonly state: Record<string, unknown> }): VerifiedToken | undefined {
  return ctx.state.token as VerifiedToken | undefined;
}
