/** Bodies of requests: JSON of a bounded size, in which each name stands once. */
import type { Context } from 'koa';
import type { z } from 'zod';
import { toFieldProblems } from '../../apply/problems.ts';
import { FieldsRefused, MalformedRequest } from '../../errors/domain.ts';
import { readBody } from '../../http/body.ts';
import { parseJsonBody } from '../../http/json-body.ts';
import { Refusal } from '../../http/refusal.ts';
import type { Operation } from '../operations/operation.ts';

const MAX_BODY_BYTES = 256 * 1024;

const JSON_TYPE = 'application/json';
/** RFC 7396. */
const MERGE_PATCH = 'application/merge-patch+json';

/** The types that the body of an operation may have. */
export function bodyTypesOf({ method }: Pick<Operation, 'method'>): readonly string[] {
  return method === 'PATCH' ? [MERGE_PATCH, JSON_TYPE] : [JSON_TYPE];
}

function hasBody({ req }: Context): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
}

/** @throws FieldsRefused */
export function requireValid(schema: z.ZodType, value: unknown): unknown {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new FieldsRefused(read.error.issues.flatMap((issue) => toFieldProblems(issue, value, schema)));
}

/**
 * @returns the body as the schema of the operation reads it, and one text for each content, however it was written
 * @throws Refusal 413, 415; MalformedRequest; FieldsRefused
 */
export async function readJsonBody(
  ctx: Context,
  operation: Operation,
): Promise<{ readonly body: unknown; readonly text: string }> {
  const { body: schema } = operation;
  if (!hasBody(ctx)) {
    if (!schema) return { body: undefined, text: '' };
    const { success, data } = schema.safeParse(undefined);
    if (success) return { body: data, text: '' };
    throw new MalformedRequest({ description: 'The request has no body. Send a JSON object.' });
  }
  if (!schema) {
    throw new MalformedRequest({ description: 'The request has a body. Send it without one.' });
  }
  const types = bodyTypesOf(operation);
  if (!ctx.is([...types])) {
    const headers = operation.method === 'PATCH' ? { 'Accept-Patch': types.join(', ') } : {};
    throw new Refusal(415, `The body has another type. Send it as ${types.join(' or ')}.`, { headers });
  }
  const value = parseJsonBody(await readBody(ctx, MAX_BODY_BYTES));
  return { body: requireValid(schema, value), text: JSON.stringify(value) };
}
