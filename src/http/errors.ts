/** Whatever is thrown past everybody else becomes an answer here, without a word about our insides. */
import type { Context, Middleware } from 'koa';
import {
  DomainError,
  GrantNotAllowed,
  MalformedRequest,
  PermissionsNotAllowed,
  ProofRejected,
  ScopeNotAllowed,
  TooManyAttempts,
  Unavailable,
  UnknownResource,
} from '../errors/domain.ts';
import { StoreUnavailable } from '../storage/contract.ts';
import { BodyRefused } from './body.ts';
import type { Logger } from './log.ts';
import type { Views } from './views.ts';

export interface Failure {
  readonly status: number;
  readonly error: string;
  readonly description: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** Seconds. */
const STORE_RETRY_AFTER = 2;

const CODES: readonly (readonly [new (...args: never[]) => DomainError, string])[] = [
  [MalformedRequest, 'invalid_request'],
  [ProofRejected, 'invalid_grant'],
  [GrantNotAllowed, 'unauthorized_client'],
  [ScopeNotAllowed, 'invalid_scope'],
  [PermissionsNotAllowed, 'invalid_authorization_details'],
  [UnknownResource, 'invalid_target'],
];

/** How an error is answered; undefined for one that nobody foresaw. */
export function toFailure(error: unknown): Failure | undefined {
  if (error instanceof BodyRefused) {
    return { status: error.status, error: 'invalid_request', description: error.message };
  }
  if (error instanceof StoreUnavailable) {
    return {
      status: 503,
      error: 'temporarily_unavailable',
      description: 'the store is away, try again later',
      retryAfter: STORE_RETRY_AFTER,
    };
  }
  if (!(error instanceof DomainError)) return undefined;
  if (error instanceof TooManyAttempts) {
    const description = error.description ?? 'too many attempts, try again later';
    return { status: 429, error: 'invalid_request', description, retryAfter: error.retryAfter };
  }
  if (error instanceof Unavailable) {
    const description = error.description ?? 'try again later';
    return { status: 503, error: 'temporarily_unavailable', description, retryAfter: error.retryAfter };
  }
  const code = CODES.find(([type]) => error instanceof type)?.[1] ?? 'invalid_request';
  return { status: 400, error: code, description: error.description ?? 'the request is refused' };
}

/** JSON for programs, a page for people. 5xx carry the request id, under which the log has the cause. */
export function answerFailure(ctx: Context, failure: Failure, views: Views): void {
  const { status, error, description, retryAfter } = failure;
  const requestId = status >= 500 ? String(ctx.state.requestId ?? '') : undefined;
  ctx.status = status;
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  if (ctx.accepts('json', 'html') === 'html') {
    ctx.type = 'html';
    ctx.body = views.render('error', { error, description, requestId });
    return;
  }
  ctx.body = {
    error,
    error_description: description,
    ...(requestId !== undefined && { request_id: requestId }),
  };
}

const UNFORESEEN: Failure = {
  status: 500,
  error: 'server_error',
  description: 'something went wrong; the request id finds it in the log',
};

export function createErrorBoundary({ log, views }: { log: Logger; views: Views }): Middleware {
  return async function errorBoundary(ctx, next) {
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) {
        answerFailure(ctx, { status: 404, error: 'not_found', description: 'there is nothing here' }, views);
      }
    } catch (error) {
      const failure = toFailure(error);
      ctx.state.reason ??= error instanceof DomainError ? (error.reason ?? error.description) : undefined;
      if (!failure || failure.status >= 500) {
        log.error({ err: error, requestId: ctx.state.requestId }, 'request failed');
      }
      answerFailure(ctx, failure ?? UNFORESEEN, views);
    }
  };
}
