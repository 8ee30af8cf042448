/** Bodies in JSON, as AuthZEN and registration have them: an object. */
import type { Context } from 'koa';
import { MalformedRequest } from '../errors/domain.ts';
import { parseJsonBody } from '../http/json-body.ts';
import { isJsonObject, type JsonObject } from '../permissions/json.ts';

/** @throws MalformedRequest */
export function requireJsonType(ctx: Context): void {
  if (ctx.is('application/json')) return;
  throw new MalformedRequest({ description: 'Send the request as application/json.' });
}

/** @throws MalformedRequest */
export function requireObject(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new MalformedRequest({ description: `${what} must be a JSON object.` });
}

/** @throws MalformedRequest */
export const parseObjectBody = (text: string): JsonObject => requireObject(parseJsonBody(text), 'The body');
