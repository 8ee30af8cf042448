/** One line per request: what, how it ended, how long it took, who asked. Never a query or a body. */
import type { Middleware } from 'koa';
import type { Logger } from './log.ts';

export function createAccessLog({ log, now }: { log: Logger; now: () => number }): Middleware {
  return async function accessLog(ctx, next) {
    const started = now();
    await next();
    const { requestId, address, reason } = ctx.state;
    log.info(
      {
        method: ctx.method,
        path: ctx.path,
        status: ctx.status,
        ms: now() - started,
        requestId,
        address,
        client: ctx.oidc?.client?.clientId,
        reason,
      },
      'request',
    );
  };
}
