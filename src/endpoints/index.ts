/**
 * The endpoints that Grantable answers itself: token, introspection, revocation, the revocation feed and decisions
 * (AuthZEN), over the token service; and the registration of agents. They read a request, authenticate its client and call
 * the service; errors are answered by the error boundary of `http`. Routes: `/oauth/token`, `/oauth/introspect`,
 * `/oauth/revoke`, `/oauth/revocations`, `/access/v1/evaluation`, `/access/v1/evaluations`, `/oauth/register`,
 * `/oauth/register/<client_id>`.
 */
import type { Context, Middleware } from 'koa';
import { readForm } from '../http/body.ts';
import type { Endpoint } from '../http/direct.ts';
import { PATHS } from '../provider/paths.ts';
import type { TokenService } from '../tokens/service.ts';
import { createAuthzenEndpoints } from './authzen.ts';
import { createClientOrigins, PREFLIGHTS } from './client-origins.ts';
import { createIntrospectionEndpoint } from './introspection.ts';
import { createRegistrationEndpoints, type RegistrationEndpointDeps } from './registration.ts';
import { createRequests, onDirectLane, onKoa, type Requests, type RequestsDeps } from './requests.ts';
import { createRevocationEndpoint } from './revocation.ts';
import { createRevocationFeed, type RevocationFeedDeps } from './revocation-feed.ts';
import { createTokenEndpoint } from './token.ts';

export type Handler = (ctx: Context) => Promise<void>;

export interface EndpointsDeps
  extends RequestsDeps,
    Omit<RevocationFeedDeps, 'requests'>,
    Pick<RegistrationEndpointDeps, 'registrations'> {
  readonly directory: RequestsDeps['directory'] & RevocationFeedDeps['directory'];
  readonly tokenService: Pick<TokenService, 'issue' | 'introspect' | 'findTokenRights' | 'revoke'>;
  /** Instead of the token endpoint. */
  readonly tokenEndpoint?: ((requests: Requests) => Handler) | undefined;
  /** The engine's. Pages may call it, like the token endpoint. */
  readonly userinfo: Middleware;
}

export function createEndpoints(deps: EndpointsDeps) {
  const requests = createRequests(deps);
  const recording = requests.recordingRefusals;
  const forPages = createClientOrigins(deps);
  const token = createTokenEndpoint({ ...deps, requests });
  const introspection = createIntrospectionEndpoint(requests, deps.tokenService.introspect);
  const revocation = createRevocationEndpoint(requests, deps.tokenService.revoke);
  const feed = recording(createRevocationFeed({ ...deps, requests }));
  const registration = createRegistrationEndpoints({ ...deps, requests });
  const authzen = createAuthzenEndpoints({ ...deps.tokenService, requests });
  const userinfo = forPages(async (ctx, next) => {
    if (ctx.method === 'POST') await readForm(ctx);
    // Credentials of another scheme count as none (RFC 6750 section 3.1). The engine calls them malformed.
    if (!/^Bearer\b/i.test(ctx.get('Authorization'))) delete ctx.headers.authorization;
    await deps.userinfo(ctx, next);
  });
  /** What answers on Koa, by method and path: `POST /oauth/token`. */
  const endpoints: ReadonlyMap<string, Middleware> = new Map([
    ...PREFLIGHTS,
    [`POST ${PATHS.token}`, forPages(recording(deps.tokenEndpoint?.(requests) ?? onKoa(token)))],
    [`POST ${PATHS.introspection}`, recording(onKoa(introspection))],
    [`POST ${PATHS.revocation}`, forPages(recording(onKoa(revocation)))],
    [`GET ${PATHS.userinfo}`, userinfo],
    [`POST ${PATHS.userinfo}`, userinfo],
    [`POST ${PATHS.revocations}`, feed],
    [`GET ${PATHS.revocations}`, feed],
    [`POST ${PATHS.registration}`, registration.register],
    [`POST ${PATHS.access_evaluation}`, recording(authzen.evaluation)],
    [`POST ${PATHS.access_evaluations}`, recording(authzen.evaluations)],
  ]);
  /** What answers POST requests in the direct lane, by path. */
  const directEndpoints: ReadonlyMap<string, Endpoint> = new Map([
    [PATHS.token, onDirectLane(token)],
    [PATHS.introspection, onDirectLane(introspection)],
    [PATHS.revocation, onDirectLane(revocation)],
  ]);
  // What answers below `/oauth/register/`.
  return { endpoints, directEndpoints, registered: registration.manage };
}
