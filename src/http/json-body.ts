/** Bodies in JSON: of a bounded depth, and each name stands once in its object. */
import { MalformedRequest } from '../errors/domain.ts';
import { PermissionsError } from '../permissions/errors.ts';
import { parseJsonText } from '../permissions/json.ts';

/** Levels of objects and arrays: nine around a value that a row may have, and some for JSON in it. */
const MAX_DEPTH = 16;

/** @throws MalformedRequest */
export function parseJsonBody(text: string): unknown {
  try {
    return parseJsonText(text, MAX_DEPTH);
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw new MalformedRequest({
      description:
        error.code === 'too_large'
          ? `The body has too many members, or is nested more than ${MAX_DEPTH} levels deep.`
          : 'The body is not valid JSON, or an object in it has a name twice or one such as __proto__.',
    });
  }
}
