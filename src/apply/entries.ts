/** Nouns as an apply file has them: for what differs between two of them, and for writing an organization back. */

import { HiddenValue, type InFile, type NameOf } from '../nouns/in-file.ts';
import { type CollectionName, declarationOf, fieldOf, type Nouns } from '../nouns/index.ts';
import type { Field, Referred, ServerSettings } from '../nouns/noun.ts';
import { Permissions } from '../permissions/permissions.ts';
import { toWritten } from '../permissions/permissions-json.ts';

/** Members of an entry of an apply file by their keys, with the values that reading a file gives. */
export type Entry = Readonly<Record<string, unknown>>;

/** How a file has the field; undefined: no file has it. */
export function inFileOf({ inFile = {}, derived }: Field): InFile | undefined {
  return inFile === false || derived ? undefined : inFile;
}

/** The nouns whose names a file has where the field has ids; a resource is named by its identifier everywhere. */
export function namedBy({ refersTo }: Field): Exclude<Referred, 'resource'> | undefined {
  return refersTo === 'resource' ? undefined : refersTo;
}

/** @param noun with the fields that are declared earlier */
export function initialOf({ initially }: Field, noun: object, settings?: ServerSettings): unknown {
  return typeof initially === 'function' ? initially(noun, settings) : initially;
}

/** Whether a noun may be without a value. */
export function isOptional({ value }: Field): boolean {
  return value._zod.optin !== undefined;
}

function toSaid(field: Field, value: unknown, noun: object, nameOf: NameOf): unknown {
  const { toFile } = inFileOf(field) ?? {};
  if (toFile) return toFile(value as never, noun as never, nameOf);
  if (namedBy(field) === undefined) return value;
  return Array.isArray(value) ? value.map(nameOf) : value === undefined ? value : nameOf(value as string);
}

/** @returns what an apply file says of one field; nothing of a secret, or of what no file speaks of */
export function entryOf(name: string, field: Field, noun: object, nameOf: NameOf): Entry {
  const inFile = inFileOf(field);
  if (!inFile || field.secret) return {};
  const said = toSaid(field, fieldOf(noun, name), noun, nameOf);
  if (said === undefined) return {};
  return inFile.members ? (said as Entry) : { [inFile.key ?? name]: said };
}

/** The fields of the noun that may change, as a report calls them; what no file speaks of has its own name. */
export function toShown<C extends CollectionName>(collection: C, noun: Nouns[C], nameOf: NameOf): Entry {
  const { fields } = declarationOf(collection);
  return Object.assign(
    {},
    ...Object.entries(fields).map(([name, field]): Entry => {
      if (field.derived || field.fixed) return {};
      const inFile = inFileOf(field);
      const value = fieldOf(noun, name);
      if (field.secret) return { [inFile?.key ?? name]: new HiddenValue(JSON.stringify(value)) };
      if (!inFile) return { [name]: value };
      return inFile.shown?.(value as never, nameOf) ?? flat(entryOf(name, field, noun, nameOf));
    }),
  );
}

/** `{ token: { ttl } }` is `token.ttl`. */
function flat(entry: Entry): Entry {
  const members = Object.entries(entry).flatMap(([key, value]): [string, unknown][] =>
    isGroup(value)
      ? Object.entries(flat(value)).map(([inner, each]) => [`${key}.${inner}`, each])
      : [[key, value]],
  );
  return Object.fromEntries(members);
}

/** What `make` makes with the names of the ids that it asks for; it is called twice. Unknown ids stay ids. */
export async function withNames<T>(
  find: (id: string) => Promise<string | undefined>,
  make: (nameOf: NameOf) => T,
): Promise<T> {
  const names = new Map<string, string>();
  make((id) => {
    names.set(id, id);
    return id;
  });
  for (const id of names.keys()) names.set(id, (await find(id)) ?? id);
  return make((id) => names.get(id) ?? id);
}

/** Values that are objects of a class, such as permissions, are one value. */
export function isGroup(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** As JSON and YAML have the value. */
export function toJson(value: unknown): unknown {
  if (value instanceof Permissions) return toWritten(value);
  if (Array.isArray(value)) return value.map(toJson);
  if (!isGroup(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
}
