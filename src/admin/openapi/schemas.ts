/**
 * The schemas of a description: JSON Schema 2020-12 from the declared ones, each under one name. What occurs more than
 * once inside others becomes a schema of its own, so that the description holds no copies.
 */
import { z } from 'zod';
import { isObject, type Json, type JsonObject } from './json.ts';

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

const sizeOf = (json: Json): number => JSON.stringify(json).length;

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
  const byText = new Map<string, string>();

  function freeName(name: string): string {
    let free = name;
    for (let count = 2; named.has(free); count += 1) free = `${name}${count}`;
    return free;
  }

  /** Schemas that have names of their own are beside the one that refers to them. */
  function addDefinitions({ $defs, ...json }: JsonObject): JsonObject {
    if (!isObject($defs)) return json;
    const text = (value: Json, names: ReadonlyMap<string, string>): string =>
      JSON.stringify(value).replaceAll(
        /"#\/\$defs\/([^"]+)"/g,
        (_, name: string) => `"${referenceTo(names.get(name) ?? name).$ref}"`,
      );
    const same = new Map(Object.keys($defs).map((name) => [name, pascal(name)]));
    const names = new Map(
      Object.entries($defs).map(([name, schema]) => {
        const wanted = pascal(name);
        const known = named.get(wanted);
        const isSame = known !== undefined && JSON.stringify(known) === text(schema as Json, same);
        return [name, isSame ? wanted : freeName(wanted)];
      }),
    );
    for (const [name, schema] of Object.entries($defs)) {
      const found = JSON.parse(text(schema as Json, names)) as JsonObject;
      named.set(names.get(name) as string, found);
      byText.set(JSON.stringify(found), names.get(name) as string);
    }
    return JSON.parse(text(json, names)) as JsonObject;
  }

  function add(name: string, whole: JsonObject): JsonObject {
    const json = addDefinitions(whole);
    const text = JSON.stringify(json);
    let known = byText.get(text);
    if (known === undefined) {
      known = freeName(name);
      named.set(known, json);
      byText.set(text, known);
    }
    return referenceTo(known);
  }

  /** The largest schema that occurs in another one and is known by name, or occurs twice. */
  function findShared(): { readonly text: string; readonly name: string } | undefined {
    const seen = new Map<string, { readonly name: string; count: number }>();
    for (const [root, json] of named) {
      for (const { part, name } of partsOf(json, root)) {
        if (sizeOf(part) < SHORTEST_SHARED) continue;
        const text = JSON.stringify(part);
        const before = seen.get(text);
        if (before) before.count += 1;
        else seen.set(text, { name: byText.get(text) ?? name, count: 1 });
      }
    }
    const shared = [...seen].filter(([, { count }]) => count > 1);
    const [largest] = shared.sort(([one], [other]) => other.length - one.length);
    return largest && { text: largest[0], name: byText.get(largest[0]) ?? largest[1].name };
  }

  function takeOut(text: string, wanted: string): void {
    let name = byText.get(text);
    if (name === undefined) {
      name = freeName(wanted);
      named.set(name, JSON.parse(text));
    }
    const reference = referenceTo(name);
    for (const [root, json] of named) named.set(root, replace(json, text, reference) as JsonObject);
    byText.clear();
    for (const [root, json] of named) byText.set(JSON.stringify(json), root);
  }

  return {
    add,
    finish() {
      for (let shared = findShared(); shared; shared = findShared()) takeOut(shared.text, shared.name);
      return Object.fromEntries([...named].sort(([one], [other]) => (one < other ? -1 : 1)));
    },
  };
}
