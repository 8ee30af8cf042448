/** One line per request: what, how it ended, how long it took, who asked. Never a query or a body. */
import type { Middleware } from 'koa';
import { PATHS } from '../provider/paths.ts';
import { CLEAN, type Logger } from './log.ts';
import { isOperation } from './paths.ts';
import type { RequestState } from './request-state.ts';

const MAX_PATH = 200;
/** In a path, the id of a login that waits for a person follows these. */
const WAITING_LOGIN = new RegExp(`^(/interaction|${PATHS.authorization})/[^/]+`);

/** A request that has been answered: over HTTP, or to a program in this process. */
export interface Answered {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** What was noted of it on the way. */
  readonly state: RequestState;
}

/** Members that are undefined are not written. */
const lineOf = ({ state, status, method, path }: Answered) => ({
  [CLEAN]: true,
  requestId: state.requestId,
  method,
  path: (path.length > MAX_PATH ? path.slice(0, MAX_PATH) : path).replace(WAITING_LOGIN, '$1/…'),
  status,
  /** With one decimal. */
  ms: Math.round((performance.now() - state.started) * 10) / 10,
  address: state.address,
  clientId: state.clientId,
  authMethod: state.clientAuth?.used,
  registeredAuthMethod: state.clientAuth?.registered,
  reason: state.reason,
  note: state.note,
});

export function logAnswered(log: Logger, answered: Answered): void {
  const { status, path, state } = answered;
  const line = lineOf(answered);
  if (state.unforeseen !== undefined) {
    const { [CLEAN]: _, ...members } = line;
    log.error({ ...members, err: state.unforeseen }, 'request failed');
  } else if (status >= 500) log.warn(line, 'request failed');
  else if (isOperation(path)) log.debug(line, 'request');
  else log.info(line, 'request');
}

export function createAccessLog({ log }: { log: Logger }): Middleware {
  return async function accessLog(ctx, next) {
    const { method, path, state } = ctx;
    await next();
    logAnswered(log, { method, path, status: ctx.status, state });
  };
}
