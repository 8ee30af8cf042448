/** Operations: `/healthz` (the process answers), `/readyz` (it can do its work), `/metrics`. Under any Host. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { Metrics } from './metrics.ts';

/** Any of these means that the request passed a proxy, so its peer says nothing about who asks. */
const FORWARDING = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'via',
  'x-real-ip',
];
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1)$/;

export interface HealthDeps {
  /** What is missing before requests can be served; empty when nothing is. */
  readonly findMissing: () => Promise<readonly string[]>;
  readonly metrics: Metrics;
  /** Bearer of `/metrics` for those who do not ask from this machine. */
  readonly metricsToken: string | undefined;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

function maySeeMetrics(ctx: Context, token: string | undefined): boolean {
  const isDirect = FORWARDING.every((name) => ctx.req.headers[name] === undefined);
  if (isDirect && LOOPBACK.test(String(ctx.state.peer))) return true;
  return token !== undefined && timingSafeEqual(sha256(ctx.get('Authorization')), sha256(`Bearer ${token}`));
}

export function createHealth({ findMissing, metrics, metricsToken }: HealthDeps): Middleware {
  return async function health(ctx, next) {
    if (ctx.path === '/healthz') {
      ctx.body = { status: 'ok' };
    } else if (ctx.path === '/readyz') {
      const missing = await findMissing();
      ctx.status = missing.length === 0 ? 200 : 503;
      ctx.body = missing.length === 0 ? { status: 'ready' } : { status: 'not ready', missing };
    } else if (ctx.path === '/metrics' && maySeeMetrics(ctx, metricsToken)) {
      ctx.type = 'text/plain; version=0.0.4';
      ctx.body = await metrics.text();
    } else {
      await next();
    }
  };
}
