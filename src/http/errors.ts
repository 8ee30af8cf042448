/**
 * Answers the errors that routes throw, without a word about our insides. The engine answers its own errors; of those
 * only the unforeseen ones are answered again, so that they carry the request id.
 */

import { STATUS_CODES } from 'node:http';
import type { Context, Middleware } from 'koa';
import { DomainError } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { findStoreUnavailable, VersionConflict } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { Logger } from './log.ts';
import { wantsPage } from './pages.ts';
import { Refusal } from './refusal.ts';
import type { Views } from './views.ts';

export interface Failure {
  readonly status: number;
  readonly error: string;
  readonly description: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Seconds. */
const STORE_RETRY_AFTER = 2;

const UNFORESEEN: Failure = {
  status: 500,
  error: 'server_error',
  description: 'Something went wrong. Search the log for the request id.',
};

/** What Koa, its router and the engine throw at requests that are wrong; their texts are not ours to show. */
function fromForeignError(error: unknown): Failure | undefined {
  if (error instanceof URIError) {
    return { status: 400, error: 'invalid_request', description: 'The path is not encoded properly.' };
  }
  const { expose, status, statusCode } = error as Readonly<Record<string, unknown>>;
  const code = typeof status === 'number' ? status : statusCode;
  if (expose !== true || typeof code !== 'number' || code < 400 || code > 499) return undefined;
  return {
    status: code,
    error: 'invalid_request',
    description: `The server refused the request: ${STATUS_CODES[code] ?? code}.`,
  };
}

/** How an error is answered; undefined for one that was not foreseen. */
export function toFailure(error: unknown): Failure | undefined {
  if (findStoreUnavailable(error)) {
    return {
      status: 503,
      error: 'temporarily_unavailable',
      description: 'The store is away. Try again later.',
      retryAfter: STORE_RETRY_AFTER,
    };
  }
  if (error instanceof Refusal) return error;
  if (error instanceof DomainError) {
    const { status, error: code, told, retryAfter } = error;
    return { status, error: code, description: told, ...defined({ retryAfter }) };
  }
  if (error instanceof VersionConflict) {
    return { status: 409, error: 'conflict', description: 'It was changed meanwhile. Try again.' };
  }
  return error instanceof Error ? fromForeignError(error) : undefined;
}

/** What was said of the answer that is not sent: its body, where it led to, and cookies of what was not stored. */
const TAKEN_BACK = [
  'Content-Type',
  'Content-Length',
  'Content-Encoding',
  'ETag',
  'Last-Modified',
  'Location',
  'Set-Cookie',
];

export interface BoundaryDeps {
  readonly log: Logger;
  readonly views: Views;
  /** Whether a path belongs to an older token API, whose clients read JSON. */
  readonly isFacePath: (path: string) => boolean;
}

/** The status and headers of a failure, in place of the answer that is not sent. */
export function beginFailure(ctx: Context, { status, retryAfter, headers }: Failure): void {
  for (const name of TAKEN_BACK) ctx.remove(name);
  ctx.status = status;
  ctx.set('Cache-Control', 'no-store');
  if (headers) ctx.set(headers);
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
}

/** Leaves for the log, in `ctx.state`: `reason`, and `unforeseen` where the stack is needed to know what happened. */
export function noteFailure(ctx: Context, error: unknown): Failure {
  const failure = toFailure(error);
  ctx.state.reason ??= findStoreUnavailable(error)?.message ?? reasonOf(error);
  // `throw undefined` must leave a line in the log too.
  if (!failure) ctx.state.unforeseen = error ?? new Error('nothing was thrown');
  return failure ?? UNFORESEEN;
}

/** JSON for programs, a page for people. 5xx carry the request id, under which the log has the cause. */
function answer(ctx: Context, failure: Failure, { log, views, isFacePath }: BoundaryDeps): void {
  const { status, error, description } = failure;
  const requestId = status >= 500 ? ctx.state.requestId : undefined;
  beginFailure(ctx, failure);
  ctx.vary('Accept');
  if (isFacePath(ctx.path) || !wantsPage(ctx, status)) {
    ctx.body = { error, error_description: description, ...defined({ request_id: requestId }) };
    return;
  }
  try {
    ctx.body = views.render('error', { error, description, requestId });
    ctx.type = 'html';
  } catch (cause) {
    // The error that the page was for must not be hidden.
    log.error({ err: cause, requestId: ctx.state.requestId }, 'the page for an error could not be drawn');
    ctx.type = 'text';
    ctx.body = `${description}\n`;
  }
}

/** An error that the protocol names, of which the engine has told the client. */
function isAnswerOfEngine(failure: unknown): boolean {
  const { error, expose } = failure as { error?: unknown; expose?: unknown };
  return typeof error === 'string' && expose === true;
}

/** The engine's own errors have been answered by itself. */
function isUnforeseen(failure: unknown): boolean {
  return !isAnswerOfEngine(failure) && toFailure(failure) === undefined;
}

export function createErrorBoundary(deps: BoundaryDeps): Middleware {
  return async function errorBoundary(ctx, next) {
    try {
      await next();
      const { failure } = ctx.state;
      if (failure !== undefined && isUnforeseen(failure)) {
        ctx.state.unforeseen = failure;
        if (ctx.status >= 500) answer(ctx, UNFORESEEN, deps);
      }
    } catch (error) {
      answer(ctx, noteFailure(ctx, error), deps);
    }
    if (ctx.status >= 500) addRequestId(ctx);
  };
}

/** To the JSON of a 5xx that a route made. */
function addRequestId(ctx: Context): void {
  const { body } = ctx;
  if (typeof body !== 'object' || body === null) return;
  if (Object.getPrototypeOf(body) !== Object.prototype || !('error' in body) || 'request_id' in body) return;
  ctx.body = { ...body, request_id: ctx.state.requestId };
}
