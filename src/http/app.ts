/**
 * The shell around everything that answers: request ids, hosts, headers, bodies, errors, log, health, metrics. It
 * knows nothing of tokens. Routes of its own: `/healthz`, `/readyz`, `/metrics`, `/assets/*`.
 *
 * This file: the whole order of the middleware.
 */
import Koa, { type Middleware } from 'koa';
import { createAccessLog } from './access-log.ts';
import { createAssets } from './assets.ts';
import { createBodyReader } from './body.ts';
import { createDocuments, type DocumentsDeps } from './documents.ts';
import { createErrorBoundary } from './errors.ts';
import { createHealth, type HealthDeps } from './health.ts';
import { createHosts } from './hosts.ts';
import type { Logger } from './log.ts';
import { createRequestFacts, type TrustedPeers } from './request-facts.ts';
import { createSecurityHeaders } from './security-headers.ts';
import type { Views } from './views.ts';

export interface AppDeps {
  readonly issuer: string;
  readonly hosts: readonly string[];
  readonly trustedProxies: TrustedPeers;
  readonly cookieKeys: () => readonly string[];
  readonly log: Logger;
  readonly views: Views;
  readonly assetFolders: readonly string[];
  readonly health: HealthDeps;
  readonly documents: DocumentsDeps;
  /** What the server is for, in order. */
  readonly routes: readonly Middleware[];
  /** Milliseconds. */
  readonly now: () => number;
}

export function createApp(deps: AppDeps): Koa {
  const { issuer, hosts, trustedProxies, log, views, health, now } = deps;
  const app = new Koa();
  Object.defineProperty(app, 'keys', { get: () => [...deps.cookieKeys()] });
  // Koa would print; what reaches it has been answered or concerns a connection that is gone.
  app.silent = true;
  app.on('error', (error) => log.debug({ err: error }, 'connection'));
  const order: Middleware[] = [
    // First, so that every line of the log and every answer has the id and the address.
    createRequestFacts({ trustedProxies }),
    createAccessLog({ log, now }),
    health.metrics.middleware,
    // Outside the error boundary, so that errors have them too.
    createSecurityHeaders({ issuer }),
    createErrorBoundary({ log, views }),
    createHosts({ issuer, hosts }),
    createHealth(health),
    createAssets({ folders: deps.assetFolders }),
    createDocuments(deps.documents),
    createBodyReader(),
    ...deps.routes,
  ];
  for (const middleware of order) app.use(middleware);
  return app;
}
