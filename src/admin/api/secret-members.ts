/** Members of answers that hold secrets: their schemas say so, `z.string().meta({ secret: true })`. */
import { z } from 'zod';
import { isJsonObject, type JsonObject } from '../../permissions/json.ts';

/** The schema of what is inside, for one that only says whether it may be left out. */
function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
    ? unwrap(schema.unwrap())
    : schema;
}

const isMarked = (schema: unknown): boolean => schema instanceof z.ZodType && schema.meta()?.secret === true;

function mapMembers(value: JsonObject, schemaOf: (name: string) => unknown): JsonObject {
  const kept = Object.entries(value).filter(([name]) => {
    const schema = schemaOf(name);
    return !isMarked(schema) && !isMarked(unwrap(schema));
  });
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutSecrets(schemaOf(name), member)]));
}

/** @returns the answer without the members that hold secrets by its schema, or by any choice of it */
export function withoutSecrets(schema: unknown, value: unknown): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) {
    return inner.options.reduce<unknown>((left, option) => withoutSecrets(option, left), value);
  }
  if (Array.isArray(value)) {
    return inner instanceof z.ZodArray ? value.map((item) => withoutSecrets(inner.element, item)) : value;
  }
  if (!isJsonObject(value)) return value;
  if (inner instanceof z.ZodRecord) return mapMembers(value, () => inner.valueType);
  if (!(inner instanceof z.ZodObject)) return value;
  const { shape } = inner;
  return mapMembers(value, (name) => (Object.hasOwn(shape, name) ? shape[name] : undefined));
}
