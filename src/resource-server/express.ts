/** Express, its application and its routers. */
import { type AccessAnswer, createGate, type ProtectionOptions } from './access.ts';
import { type NodeRequest, tokenRequestOf } from './node-request.ts';
import { type ProtectedRoutes, protectRoutes } from './protected-routes.ts';
import type { Rule } from './rules.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** The little of Express that is needed. */
export interface ExpressRequest extends NodeRequest {
  readonly path: string;
  readonly method: string;
  token?: VerifiedToken | undefined;
}
export interface ExpressResponse {
  status(code: number): ExpressResponse;
  set(headers: Record<string, string>): ExpressResponse;
  json(body: unknown): unknown;
}
/** Of whatever types its framework gives it. */
export type ExpressHandler = (request: never, response: never, next: never) => unknown;
export type ExpressMiddleware = (
  request: ExpressRequest,
  response: ExpressResponse,
  next: (error?: unknown) => void,
) => unknown;

export interface ExpressProtection {
  /** Routes of the application or router, each private unless one of its rules is `access.public()`. */
  protect(router: object): ProtectedRoutes<ExpressHandler>;
  /** The same for a single handler. The token is in `request.token`. */
  guard(...rules: Rule[]): ExpressMiddleware;
  /** Answers what handlers throw of `demand`; to be used after the routes. */
  onError(
    error: unknown,
    request: ExpressRequest,
    response: ExpressResponse,
    next: (error?: unknown) => void,
  ): void;
  /** Serves the metadata of the resource (RFC 9728). */
  readonly metadata: ExpressMiddleware;
}

export function createProtection(verifier: Verifier, options: ProtectionOptions = {}): ExpressProtection {
  const gate = createGate(verifier, options);

  const onError: ExpressProtection['onError'] = (error, request, response, next) => {
    const refusal = gate.refusal(error, request);
    if (refusal) send(response, refusal);
    else next(error);
  };

  const guard =
    (...rules: Rule[]): ExpressMiddleware =>
    async (request, response, next) => {
      try {
        request.token = await gate.authorize(rules, tokenRequestOf(request), request);
      } catch (error) {
        onError(error, request, response, next);
        return;
      }
      next();
    };

  return {
    guard,
    onError,
    protect: (router) => protectRoutes<ExpressHandler>(router, guard),
    metadata(request: ExpressRequest, response: ExpressResponse, next) {
      const answer = gate.metadata(request);
      if (answer) send(response, answer);
      else next();
    },
  };
}

function send(response: ExpressResponse, { status, headers, body }: AccessAnswer): void {
  response
    .status(status)
    .set({ ...headers })
    .json(body);
}
