/** One line per request: what, how it ended, how long it took, who asked. Never a query or a body. */
import type { Middleware } from 'koa';
import type { Logger } from './log.ts';

const MAX_PATH = 200;
/** Asked every few seconds by machines. */
const OPERATIONS = new Set(['/healthz', '/readyz', '/metrics']);

export function createAccessLog({ log }: { log: Logger }): Middleware {
  return async function accessLog(ctx, next) {
    const started = performance.now();
    const { method, path } = ctx;
    await next();
    const { status } = ctx;
    const { requestId, address, clientId, reason, unforeseen } = ctx.state;
    const line = {
      requestId,
      method,
      path: path.slice(0, MAX_PATH),
      status,
      ms: Math.round((performance.now() - started) * 10) / 10,
      address,
      clientId,
      reason,
    };
    if (unforeseen !== undefined) log.error({ ...line, err: unforeseen }, 'request failed');
    else if (status >= 500) log.warn(line, 'request failed');
    else if (OPERATIONS.has(path)) log.debug(line, 'request');
    else log.info(line, 'request');
  };
}
