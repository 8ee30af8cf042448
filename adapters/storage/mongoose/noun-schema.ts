/** Documents of nouns: what each may hold follows from the declarations of nouns. */
import { Schema, type SchemaDefinition } from 'mongoose';
import { COLLECTIONS, type CollectionName, declarationOf } from '../../../src/nouns/index.ts';
import { structureOfNoun } from '../../../src/nouns/noun.ts';
import { hasForeignNames, type Structure } from '../../../src/nouns/structure.ts';

export const text = { type: String, required: true } as const;
export const number = { type: Number, required: true } as const;
export const bytes = { type: Buffer, required: true } as const;
export const moment = { type: Date, required: true } as const;

/** An object within a document. */
export const part = (definition: SchemaDefinition): Schema =>
  new Schema(definition, {
    _id: false,
    strict: 'throw',
    minimize: false,
    // A part has no `collection` property of Mongoose that a field could hide.
    suppressReservedKeysWarning: true,
  });

const TYPES = { string: String, number: Number, integer: Number, boolean: Boolean } as const;

function toDefinition({ properties = {}, required = [] }: Structure): SchemaDefinition {
  const members = Object.entries(properties).map(([name, member]) => {
    const type = toType(member);
    // Without a value a required list is empty, and another one is not there. An empty text is a value.
    const needs = Array.isArray(type) ? {} : { required: isMissing(name) };
    const rest = required.includes(name) ? needs : { default: undefined };
    return [name, { type, ...rest }] as const;
  });
  return Object.fromEntries(members);
}

/** Mongoose takes an empty text that is required for none. */
const isMissing = (name: string) =>
  function (this: { get(name: string): unknown }): boolean {
    return this.get(name) !== '';
  };

function toType(structure: Structure): typeof String | typeof Number | typeof Boolean | Schema | unknown[] {
  const { type, items } = structure;
  if (type === undefined || hasForeignNames(structure)) return String;
  if (type === 'object') return part(toDefinition(structure));
  if (type === 'array') return [items ? toType(items) : String];
  return TYPES[type];
}

/** Fields that are kept as JSON text, because they have names from outside. */
export const AS_JSON: ReadonlySet<string> = new Set(
  COLLECTIONS.flatMap((collection) =>
    Object.entries(structureOfNoun(declarationOf(collection)).properties ?? {}).flatMap(
      ([name, structure]) => (hasForeignNames(structure) ? [name] : []),
    ),
  ),
);

export function nounDocument(collection: CollectionName): SchemaDefinition {
  const { unique, uniqueLists = [], listed } = declarationOf(collection);
  const { id, ...fields } = toDefinition(structureOfNoun(declarationOf(collection)));
  const texts = { type: [String], default: undefined };
  const keys = Object.keys(unique).map((key) => [key, uniqueLists.includes(key) ? texts : String] as const);
  const lists = Object.keys(listed).map((key) => [key, texts] as const);
  return {
    _id: text,
    ...fields,
    unique: part(Object.fromEntries(keys)),
    ...(lists.length > 0 && { listed: part(Object.fromEntries(lists)) }),
  };
}
