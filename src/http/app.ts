/**
 * The shell around everything that answers: request ids, hosts, headers, bodies, errors, log, health, metrics. It
 * knows nothing of tokens. Routes of its own: `/healthz`, `/readyz`, `/metrics`, `/assets/*`.
 *
 * This file: the whole order of the middleware.
 */
import Koa, { type Middleware } from 'koa';
import { createAccessLog } from './access-log.ts';
import { createAssets } from './assets.ts';
import { createFormReader } from './body.ts';
import { type CorsDeps, createCors } from './cors.ts';
import { createDocuments, type DocumentsDeps } from './documents.ts';
import { type BoundaryDeps, createErrorBoundary } from './errors.ts';
import { createHealth, type HealthDeps } from './health.ts';
import { createHosts, type HostsDeps, pinOrigin } from './hosts.ts';
import type { Logger } from './log.ts';
import { notFound } from './not-found.ts';
import { answerWithProblems } from './problems.ts';
import { type createReadFacts, createRequestFacts } from './request-facts.ts';
import { createSecurityHeaders } from './security-headers.ts';

export interface AppDeps extends HostsDeps, BoundaryDeps {
  readonly readFacts: ReturnType<typeof createReadFacts>;
  readonly cookieKeys: () => readonly string[];
  readonly assetFolders: readonly string[];
  readonly health: HealthDeps;
  readonly documents: DocumentsDeps;
  /** Which paths of endpoints pages of other origins may call, and the listed origins. */
  readonly cors: Pick<CorsDeps, 'isPagePath' | 'isListed'>;
  /** What answers all requests below a path of its own, with problem details where it fails. */
  readonly api: { readonly hasPath: (path: string) => boolean; readonly routes: Middleware };
  /** What answers exactly one method and path, by both: `POST /oauth/token`. */
  readonly endpoints: ReadonlyMap<string, Middleware>;
  /** What answers all other requests, in order. */
  readonly routes: readonly Middleware[];
}

/** Clients that hang up while they are answered. */
const GONE = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE']);
/** Of Node's parser: what came behind the head is not HTTP, and Node ends the connection. */
const NOT_HTTP = 'HPE_';

/** The error boundary has answered everything that a request can cause; here comes what broke after that. */
function logBroken(app: Koa, log: Logger): void {
  app.silent = true;
  app.on('error', (error: NodeJS.ErrnoException, ctx?: Koa.Context) => {
    const requestId = ctx?.state.requestId;
    const { code = '' } = error;
    if (GONE.has(code) || code.startsWith(NOT_HTTP))
      log.debug({ err: error, requestId }, 'the client went away');
    else log.error({ err: error, requestId }, 'an answer broke off');
  });
}

function callEndpoint(endpoints: AppDeps['endpoints']): Middleware {
  return (ctx, next) => {
    const endpoint = endpoints.get(`${ctx.method} ${ctx.path}`);
    return endpoint ? endpoint(ctx, next) : next();
  };
}

function onlyBelow(hasPath: (path: string) => boolean, middleware: Middleware): Middleware {
  return (ctx, next) => (hasPath(ctx.path) ? middleware(ctx, next) : next());
}

/**
 * What `routes` find of a request, and may leave for the log, the metrics and pages of other origins, stands in
 * `request-state.ts`. Koa's own origin, host and protocol are the issuer's.
 */
export function createApp(deps: AppDeps): Koa {
  const { issuer, isFacePath, readFacts, log, health, api } = deps;
  const app = new Koa();
  Object.defineProperty(app, 'keys', { get: () => [...deps.cookieKeys()] });
  pinOrigin(app, issuer);
  logBroken(app, log);
  const order: Middleware[] = [
    // First, so that every line of the log and every answer has the id and the address.
    createRequestFacts(readFacts),
    // Outside the error boundary: they see the status that was really sent.
    createAccessLog(deps),
    health.metrics.middleware,
    // Outside the error boundary, so that errors have them too.
    createSecurityHeaders(deps),
    createCors({
      ...deps.cors,
      publicPaths: deps.documents.paths,
      isPagePath: (path) => deps.cors.isPagePath(path) || isFacePath(path) || api.hasPath(path),
    }),
    createErrorBoundary(deps),
    // Inside, for a face answers in its own words and this API in problem details.
    onlyBelow(api.hasPath, answerWithProblems),
    // Before the hosts are checked: load balancers ask by address.
    createHealth(health),
    // Before anything that could make a URL, set a cookie or keep an answer.
    createHosts(deps),
    // Requests for an endpoint pass nothing below; it reads its form itself.
    callEndpoint(deps.endpoints),
    onlyBelow(api.hasPath, api.routes),
    // What no route below has answered.
    notFound,
    createAssets({ folders: deps.assetFolders }),
    createDocuments(deps.documents),
    // Last of the shell: who is refused above costs no reading.
    createFormReader(deps),
    ...deps.routes,
  ];
  for (const middleware of order) app.use(middleware);
  return app;
}
