/** Members of answers that hold secrets: their schemas say so, `z.string().meta({ secret: true })`. */
import { z } from 'zod';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schema of what is inside, for one that only says whether it may be left out. */
function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
    ? unwrap(schema.unwrap())
    : schema;
}

function isSecret(schema: unknown): boolean {
  if (schema instanceof z.ZodType && schema.meta()?.secret === true) return true;
  const inner = unwrap(schema);
  return inner instanceof z.ZodType && inner.meta()?.secret === true;
}

/** @returns the answer without the members that hold secrets */
export function withoutSecrets(schema: z.ZodType | undefined, value: unknown): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => withoutSecrets(inner.element as z.ZodType, item));
  }
  if (!(inner instanceof z.ZodObject) || !isObject(value)) return value;
  const { shape } = inner;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      const of = Object.hasOwn(shape, name) ? shape[name] : undefined;
      return isSecret(of) ? [] : [[name, withoutSecrets(of, member)]];
    }),
  );
}
