/** Hono, its application and its routers. */
import type { Context, Env, Handler, Hono, MiddlewareHandler } from 'hono';
import { createGate, type ProtectionOptions, type TokenUnder } from './access.ts';
import { tokenRequestOf, toResponse } from './fetch.ts';
import { type ProtectedRoutes, protectRoutes } from './protected-routes.ts';
import type { Rule } from './rules.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** `c.get('token')`, beside the variables of the application. */
export interface TokenEnv<Token extends VerifiedToken | undefined = VerifiedToken | undefined> {
  Variables: { token: Token };
}

/** The methods of a router, each taking rules beside handlers. Hono answers HEAD with the routes of GET. */
export type HonoRoutes<E extends Env> = {
  readonly [M in Exclude<keyof ProtectedRoutes<unknown>, 'head'>]: <Path extends string>(
    path: Path,
    ...rulesAndHandlers: (Rule | Handler<E & TokenEnv, Path>)[]
  ) => void;
};

export interface HonoProtection {
  /** Routes of the application or router, each private unless one of its rules is `access.public()`. */
  protect<E extends Env>(router: Hono<E>): HonoRoutes<E>;
  /** The same as a middleware. The token is in `c.get('token')`. */
  guard<const Rules extends readonly Rule[]>(...rules: Rules): MiddlewareHandler<TokenEnv<TokenUnder<Rules>>>;
  /** Answers what handlers throw of `demand`, for `app.onError`. Other errors get the answers that Hono gives them. */
  onError(error: Error, c: Context): Response;
  /** Serves the metadata of the resource (RFC 9728). */
  readonly metadata: MiddlewareHandler;
}

export function createProtection(verifier: Verifier, options: ProtectionOptions = {}): HonoProtection {
  const gate = createGate(verifier, options);

  const guard: HonoProtection['guard'] =
    <const Rules extends readonly Rule[]>(...rules: Rules): MiddlewareHandler<TokenEnv<TokenUnder<Rules>>> =>
    async (c, next) => {
      try {
        const token = await gate.authorize(rules, tokenRequestOf(c.req.raw), c);
        c.set('token', token as TokenUnder<Rules>);
      } catch (error) {
        const refusal = gate.refusal(error, c);
        if (!refusal) throw error;
        return toResponse(refusal, c.req.raw);
      }
      await next();
    };

  return {
    guard,
    protect: (router) => protectRoutes<MiddlewareHandler>(router, guard),
    onError(error, c) {
      const refusal = gate.refusal(error, c);
      if (refusal) return toResponse(refusal, c.req.raw);
      if ('getResponse' in error) {
        const response = (error as { getResponse(): Response }).getResponse();
        return c.newResponse(response.body, response);
      }
      console.error(error);
      return c.text('Internal Server Error', 500);
    },
    metadata: async (c, next) => {
      const { method, url } = c.req.raw;
      const answer = gate.metadata({ method, path: new URL(url).pathname });
      if (answer) return toResponse(answer, c.req.raw);
      await next();
    },
  };
}
