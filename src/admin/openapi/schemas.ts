/**
 * The schemas of a description: JSON Schema 2020-12 from the declared ones, each under one name. What occurs more than
 * once inside others becomes a schema of its own, so that the description holds no copies.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [member: string]: Json | undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Characters of JSON: what is shorter is easier to read where it stands. */
const SHORTEST_SHARED = 160;

/** Of what comes in, or of what goes out. */
type Direction = 'input' | 'output';

interface OurWords {
  readonly description?: string;
  /** What a text may be, where no pattern says it. */
  readonly shape?: string;
  /** It is shown once. */
  readonly secret?: boolean;
}

/** @param schema of a body, of an answer or of a query */
export function toJsonSchema(schema: z.ZodType, io: Direction): JsonObject {
  const { $schema, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override({ jsonSchema }) {
      const { shape, secret, description } = jsonSchema as OurWords;
      if (secret) jsonSchema['x-secret'] = true;
      Reflect.deleteProperty(jsonSchema, 'secret');
      Reflect.deleteProperty(jsonSchema, 'shape');
      if (shape === undefined) return;
      jsonSchema.description = description ?? `${shape[0]?.toUpperCase()}${shape.slice(1)}.`;
    },
  }) as unknown as JsonObject;
  return json;
}

/** `roles.list` becomes `RolesList`. */
export function pascal(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/** Everything that stands in a schema as the schema of an object or of a choice, with a name for it, outermost first. */
function* partsOf(
  value: Json,
  name: string,
): Generator<{ readonly part: JsonObject; readonly name: string }> {
  if (Array.isArray(value)) {
    for (const each of value) yield* partsOf(each, name);
    return;
  }
  if (!isObject(value)) return;
  if (value.type === 'object' || 'anyOf' in value || 'oneOf' in value) yield { part: value, name };
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined || key === 'enum' || key === 'default' || key === 'examples') continue;
    if (key === 'properties' && isObject(inner)) {
      for (const [property, schema] of Object.entries(inner)) {
        if (schema !== undefined) yield* partsOf(schema, name + pascal(property));
      }
    } else
      yield* partsOf(
        inner,
        key === 'items' ? `${name}Item` : key === 'additionalProperties' ? `${name}Value` : name,
      );
  }
}

function replace(value: Json, text: string, reference: JsonObject, isRoot = true): Json {
  if (!isRoot && isObject(value) && JSON.stringify(value) === text) return reference;
  if (Array.isArray(value)) return value.map((each) => replace(each, text, reference, false));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      inner === undefined ? inner : replace(inner, text, reference, false),
    ]),
  );
}

const referenceTo = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` });

export interface Schemas {
  /** @returns the reference to it; the same one for the same schema, whatever it is called later */
  add(name: string, json: JsonObject): JsonObject;
  /** All of them by name, in the order of the alphabet, without copies. */
  finish(): Readonly<Record<string, JsonObject>>;
}

export function createSchemas(): Schemas {
  const named = new Map<string, JsonObject>();

  const nameOf = (text: string): string | undefined =>
    [...named].find(([, json]) => JSON.stringify(json) === text)?.[0];

  function freeName(name: string): string {
    let free = name;
    for (let count = 2; named.has(free); count += 1) free = `${name}${count}`;
    return free;
  }

  /** Schemas that have names of their own are beside the one that refers to them. */
  function addDefinitions({ $defs, ...json }: JsonObject): JsonObject {
    const toShared = (value: unknown): JsonObject =>
      JSON.parse(
        JSON.stringify(value).replaceAll(/"#\/\$defs\/([^"]+)"/g, (_, name: string) =>
          JSON.stringify(referenceTo(pascal(name)).$ref),
        ),
      );
    for (const [key, schema] of Object.entries(isObject($defs) ? $defs : {})) {
      const [name, shared] = [pascal(key), toShared(schema)];
      const known = named.get(name);
      if (known && !isDeepStrictEqual(known, shared)) throw new Error(`two schemas are called ${name}`);
      named.set(name, shared);
    }
    return toShared(json);
  }

  function add(wanted: string, whole: JsonObject): JsonObject {
    const json = addDefinitions(whole);
    const known = nameOf(JSON.stringify(json));
    if (known !== undefined) return referenceTo(known);
    const name = freeName(wanted);
    named.set(name, json);
    return referenceTo(name);
  }

  /** The largest schema that occurs in another one and is known by name, or occurs twice. */
  function findShared(): { readonly text: string; readonly name: string } | undefined {
    const parts = [...named]
      .flatMap(([root, json]) => [...partsOf(json, root)])
      .map(({ part, name }) => ({ text: JSON.stringify(part), name }))
      .filter(({ text }) => text.length >= SHORTEST_SHARED);
    const [largest] = [...Map.groupBy(parts, ({ text }) => text).values()]
      .filter(({ length }) => length > 1)
      .flatMap(([first]) => first ?? [])
      .sort((one, other) => other.text.length - one.text.length);
    return largest;
  }

  function takeOut(text: string, wanted: string): void {
    const known = nameOf(text);
    const name = known ?? freeName(wanted);
    if (known === undefined) named.set(name, JSON.parse(text));
    const reference = referenceTo(name);
    for (const [root, json] of named) named.set(root, replace(json, text, reference) as JsonObject);
  }

  return {
    add,
    finish() {
      for (let shared = findShared(); shared; shared = findShared()) takeOut(shared.text, shared.name);
      return Object.fromEntries([...named].sort(([one], [other]) => (one < other ? -1 : 1)));
    },
  };
}
