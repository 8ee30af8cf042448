/** Express, its application and its routers. */
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

/** The little of Express that is needed. */
export interface ExpressRequest {
  readonly path: string;
  readonly method: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
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

export function createProtection(
  verifier: Verifier,
  options: { readonly scopes?: readonly string[] } = {},
): ExpressProtection {
  function answer(error: AccessError, response: ExpressResponse): void {
    const { status, headers, body } = answerTo(error, verifier);
    response
      .status(status)
      .set({ ...headers })
      .json(body);
  }

  const guard =
    (...rules: Rule[]): ExpressMiddleware =>
    async (request, response, next) => {
      try {
        request.token = await authorize(verifier, rules, {
          authorization: authorizationOf(request.rawHeaders, request.headers),
          query: request.query,
        });
      } catch (error) {
        if (error instanceof AccessError) answer(error, response);
        else next(error);
        return;
      }
      next();
    };

  return {
    guard,
    onError(error, _request, response, next) {
      if (error instanceof AccessError) answer(error, response);
      else next(error);
    },
    protect: (router) => protectRoutes<ExpressHandler>(router, guard),
    metadata(request: ExpressRequest, response: ExpressResponse, next) {
      if (!asksForMetadata(verifier, request)) return next();
      response.set({ ...METADATA_HEADERS }).json(metadataOf(verifier, options.scopes));
    },
  };
}
