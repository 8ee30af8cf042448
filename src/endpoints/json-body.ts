/** Bodies in JSON, as AuthZEN and registration have them. */
import type { Context } from 'koa';
import { MalformedRequest } from '../errors/domain.ts';
import { PermissionsError } from '../permissions/errors.ts';
import { type JsonObject, parseJsonText } from '../permissions/json.ts';

/** Levels of objects and arrays: six around a row of AuthZEN, and some for JSON in its columns. */
const MAX_DEPTH = 16;

const malformed = (description: string): MalformedRequest => new MalformedRequest({ description });

/** @throws MalformedRequest */
export function requireJsonType(ctx: Context): void {
  if (!ctx.is('application/json')) throw malformed('Send the request as application/json.');
}

/** @throws MalformedRequest */
export function requireObject(value: unknown, what: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw malformed(`${what} must be a JSON object.`);
}

/** @throws MalformedRequest */
export function parseJsonBody(text: string): JsonObject {
  let value: unknown;
  try {
    value = parseJsonText(text, MAX_DEPTH);
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw malformed(
      error.code === 'too_large'
        ? `The body has too many members, or is nested more than ${MAX_DEPTH} levels deep.`
        : 'The body is not valid JSON, or an object in it has a name twice or one such as __proto__.',
    );
  }
  return requireObject(value, 'The body');
}
