/**
 * Operations: `/healthz` (the process answers), `/readyz` (it can do its work, or says what is missing), `/metrics`.
 * Under any Host, and for those who send none (HTTP/1.0 checks).
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Context, Middleware } from 'koa';
import type { Metrics } from './metrics.ts';
import { OPERATIONS } from './paths.ts';

/** Any of these means that the request passed a proxy, so its peer says nothing about who asks. */
const FORWARDING =
  /^(?:x-forwarded(?:-.*)?|forwarded|via|(?:x-|cf-)?(?:real|client|connecting|cluster-client|original-forwarded)-(?:ip|for)|true-client-ip)$/;
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1)$/;
/**
 * Host headers of this machine. A page of another site that resolves to it sends its own host, and a proxy that names no
 * client often the issuer's.
 */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])?(?::\d{1,5})?$/i;
const BEARER = /^Bearer +(\S+)$/i;

/** Milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;
/** After this time each request checks again what is missing. */
const RETRY_AFTER_SECONDS = 1;
/** However often `/readyz` is asked, by whomever: the store is not. */
const CHECK_KEPT_MS = 500;

export interface HealthDeps {
  /** What is missing before requests can be served; empty when nothing is. */
  readonly findMissing: () => Promise<readonly string[]>;
  /** True from the moment on from which no more requests should come. */
  readonly isStopping?: () => boolean;
  readonly metrics: Metrics;
  /** Bearer of `/metrics` for those who do not ask from this machine. */
  readonly metricsToken: string | undefined;
  /** Milliseconds that a check may take. */
  readonly checkTimeout?: number;
}

const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer');

function maySeeMetrics(ctx: Context, token: string | undefined): boolean {
  const { headers } = ctx.req;
  const isDirect = !Object.keys(headers).some((name) => FORWARDING.test(name));
  if (isDirect && LOOPBACK_HOST.test(headers.host ?? '') && LOOPBACK.test(ctx.state.peer)) return true;
  const [, presented] = BEARER.exec(ctx.get('Authorization')) ?? [];
  if (token === undefined || presented === undefined) return false;
  return timingSafeEqual(sha256(presented), sha256(token));
}

/** One check at a time, whose answer holds for a moment; one that hangs is a failed one. */
function createCheck({ findMissing, checkTimeout = CHECK_TIMEOUT_MS }: HealthDeps) {
  let latest: Promise<readonly string[]> | undefined;
  const check = async (): Promise<readonly string[]> => {
    const timer = new AbortController();
    try {
      return await Promise.race([
        findMissing(),
        wait(checkTimeout, ['an answer in time'], { signal: timer.signal, ref: false }),
      ]);
    } catch {
      return ['an answer'];
    } finally {
      timer.abort();
    }
  };
  return (): Promise<readonly string[]> => {
    if (latest) return latest;
    latest = check();
    latest.then(() => {
      setTimeout(() => {
        latest = undefined;
      }, CHECK_KEPT_MS).unref();
    });
    return latest;
  };
}

export function createHealth(deps: HealthDeps): Middleware {
  const { isStopping, metrics, metricsToken } = deps;
  const check = createCheck(deps);
  return async function health(ctx, next) {
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return next();
    if (ctx.path === OPERATIONS.alive) {
      ctx.body = { status: 'ok' };
    } else if (ctx.path === OPERATIONS.ready) {
      const missing = isStopping?.() ? ['the server is stopping'] : await check();
      ctx.status = missing.length === 0 ? 200 : 503;
      ctx.body = missing.length === 0 ? { status: 'ready' } : { status: 'not ready', missing };
      if (missing.length > 0) ctx.set('Retry-After', String(RETRY_AFTER_SECONDS));
    } else if (ctx.path === OPERATIONS.metrics && maySeeMetrics(ctx, metricsToken)) {
      ctx.body = await metrics.text();
      ctx.type = metrics.contentType;
    } else {
      await next();
    }
  };
}
