/** Prometheus metrics. Labels are route groups and statuses, never anything a caller wrote. */
import type { Context, Middleware } from 'koa';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  readonly middleware: Middleware;
  /** The text format of Prometheus. */
  text(): Promise<string>;
}

/** Paths that are counted by themselves; all others are one group. */
const COUNTED = new Set([
  '/oauth/authorize',
  '/oauth/token',
  '/oauth/introspect',
  '/oauth/revoke',
  '/oauth/userinfo',
  '/oauth/jwks',
  '/oauth/logout',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
  '/account/password',
]);

const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

function routeOf({ path }: Context): string {
  if (COUNTED.has(path)) return path;
  return path.startsWith('/interaction/') ? '/interaction' : 'other';
}

/** @param hashesWaiting length of the queue of password hashes */
export function createMetrics({ hashesWaiting }: { hashesWaiting: () => number }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const labelNames = ['route', 'method', 'status'] as const;
  const requests = new Counter({
    name: 'grantable_http_requests_total',
    help: 'Requests.',
    labelNames,
    registers,
  });
  const durations = new Histogram({
    name: 'grantable_http_request_seconds',
    help: 'How long requests took.',
    labelNames: ['route'] as const,
    buckets: SECONDS,
    registers,
  });
  const tokens = new Counter({
    name: 'grantable_tokens_issued_total',
    help: 'Access tokens given out.',
    labelNames: ['grant'] as const,
    registers,
  });
  new Gauge({
    name: 'grantable_password_hashes_waiting',
    help: 'Password hashes in the queue.',
    registers,
    collect() {
      this.set(hashesWaiting());
    },
  });
  return {
    async middleware(ctx, next) {
      const started = process.hrtime.bigint();
      await next();
      const route = routeOf(ctx);
      const method = ['GET', 'POST', 'OPTIONS', 'HEAD'].includes(ctx.method) ? ctx.method : 'other';
      requests.inc({ route, method, status: String(ctx.status) });
      durations.observe({ route }, Number(process.hrtime.bigint() - started) / 1e9);
      const grant = route === '/oauth/token' && ctx.status === 200 ? ctx.oidc?.params?.grant_type : undefined;
      if (typeof grant === 'string') tokens.inc({ grant });
    },
    text: () => registry.metrics(),
  };
}
