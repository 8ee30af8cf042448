/**
 * The OAuth endpoints that Grantable answers itself, over the token service: token, introspection, revocation and the
 * revocation feed. They read a request, authenticate its client and call the service; errors are answered by the error
 * boundary of `http`. Routes: `/oauth/token`, `/oauth/introspect`, `/oauth/revoke`, `/oauth/revocations`.
 */
import type { Context, Middleware } from 'koa';
import compose from 'koa-compose';
import { PATHS } from '../provider/paths.ts';
import type { Introspect } from '../tokens/introspection.ts';
import type { IssueToken } from '../tokens/issue.ts';
import type { Revoke } from '../tokens/revocation.ts';
import { createClientOrigins } from './client-origins.ts';
import { createIntrospectionEndpoint, createRevocationEndpoint } from './presented-tokens.ts';
import { createRequests, type Requests, type RequestsDeps } from './requests.ts';
import { createRevocationFeed, type RevocationFeedDeps } from './revocation-feed.ts';
import { createTokenEndpoint } from './token.ts';

export type Handler = (ctx: Context) => Promise<void>;

export interface EndpointsDeps extends RequestsDeps, Omit<RevocationFeedDeps, 'requests'> {
  readonly directory: RequestsDeps['directory'] & RevocationFeedDeps['directory'];
  readonly issueToken: IssueToken;
  readonly introspect: Introspect;
  readonly revoke: Revoke;
  /** Instead of the token endpoint. */
  readonly tokenEndpoint?: ((requests: Requests) => Handler) | undefined;
}

export function createEndpoints(deps: EndpointsDeps): Middleware {
  const requests = createRequests(deps);
  const recording = requests.recordingRefusals;
  const feed = recording(createRevocationFeed({ ...deps, requests }));
  const handlers = new Map<string, Handler>([
    [
      `POST ${PATHS.token}`,
      recording(deps.tokenEndpoint?.(requests) ?? createTokenEndpoint({ ...deps, requests })),
    ],
    [`POST ${PATHS.introspection}`, recording(createIntrospectionEndpoint(requests, deps.introspect))],
    [`POST ${PATHS.revocation}`, recording(createRevocationEndpoint(requests, deps.revoke))],
    [`POST ${PATHS.revocations}`, feed],
    [`GET ${PATHS.revocations}`, feed],
  ]);
  const answer: Middleware = (ctx, next) => {
    const handle = handlers.get(`${ctx.method} ${ctx.path}`);
    return handle ? handle(ctx) : next();
  };
  return compose([createClientOrigins(deps), answer]);
}
