/** One line per request: what, how it ended, how long it took, who asked. Never a query or a body. */
import type { Middleware } from 'koa';
import { PATHS } from '../provider/paths.ts';
import { CleanMembers, type Logger } from './log.ts';
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

class RequestLine extends CleanMembers {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** With one decimal. */
  readonly ms: number;
  readonly address: string;
  readonly clientId: string | undefined;
  /** The authentication method that the client used and the one it is registered with, if they differ. */
  readonly authMethod: string | undefined;
  readonly registeredAuthMethod: string | undefined;
  readonly reason: string | undefined;
  /** Where the answer differs from the request without being an error. */
  readonly note: string | undefined;

  constructor({ state, status, method, path }: Answered) {
    super();
    this.requestId = state.requestId;
    this.method = method;
    this.path = (path.length > MAX_PATH ? path.slice(0, MAX_PATH) : path).replace(WAITING_LOGIN, '$1/…');
    this.status = status;
    this.ms = Math.round((performance.now() - state.started) * 10) / 10;
    this.address = state.address;
    this.clientId = state.clientId;
    this.authMethod = state.clientAuth?.used;
    this.registeredAuthMethod = state.clientAuth?.registered;
    this.reason = state.reason;
    this.note = state.note;
  }
}

export function logAnswered(log: Logger, answered: Answered): void {
  const line = new RequestLine(answered);
  const { unforeseen } = answered.state;
  if (unforeseen !== undefined) log.error({ ...line, err: unforeseen }, 'request failed');
  else if (line.status >= 500) log.warn(line, 'request failed');
  else if (isOperation(answered.path)) log.debug(line, 'request');
  else log.info(line, 'request');
}

export function createAccessLog({ log }: { log: Logger }): Middleware {
  return async function accessLog(ctx, next) {
    const { method, path, state } = ctx;
    await next();
    logAnswered(log, { method, path, status: ctx.status, state });
  };
}
