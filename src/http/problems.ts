/** Problem details (RFC 9457): how an API answers its failures. */

import { STATUS_CODES } from 'node:http';
import type { Context, Middleware } from 'koa';
import { FieldsRefused } from '../errors/domain.ts';
import { defined } from '../storage/defined.ts';
import { beginFailure, type Failure, noteFailure } from './errors.ts';

/** Followed by the code. */
const TYPE = 'urn:grantable:problem:';

/** Codes of the statuses whose errors have the general one of OAuth. */
const CODES: Readonly<Record<number, string>> = {
  404: 'not_found',
  405: 'method_not_allowed',
  406: 'not_acceptable',
  413: 'content_too_large',
  415: 'unsupported_media_type',
  422: 'invalid_fields',
  429: 'too_many_requests',
};
const GENERAL = 'invalid_request';

function codeOf({ status, error }: Failure): string {
  return error === GENERAL ? (CODES[status] ?? error) : error;
}

function answerProblem(ctx: Context, error: unknown): void {
  const failure = noteFailure(ctx, error);
  const { status, description } = failure;
  const code = codeOf(failure);
  beginFailure(ctx, failure);
  ctx.body = defined({
    type: TYPE + code,
    title: STATUS_CODES[status],
    status,
    detail: description,
    code,
    errors: error instanceof FieldsRefused ? error.errors : undefined,
    request_id: status >= 500 ? ctx.state.requestId : undefined,
  });
  ctx.set('Content-Type', 'application/problem+json');
}

/** Around routes whose failures are problem details. 5xx carry the request id, under which the log has the cause. */
export const answerWithProblems: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    answerProblem(ctx, error);
  }
};
