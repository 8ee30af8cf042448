/** Nouns with every declared field, whatever is declared. */
import { randomUUID } from 'node:crypto';
import { type CollectionName, declarationOf, type NewNoun, type Nouns } from '../../src/nouns/index.ts';
import { structureOfNoun } from '../../src/nouns/noun.ts';
import type { Structure } from '../../src/nouns/structure.ts';

interface Example extends Structure {
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
}

/** A value of that structure, other each time. @param isWhole with all optional members */
function example(structure: Structure, isWhole: boolean): unknown {
  const {
    type,
    const: only,
    enum: choices,
    anyOf,
    items,
    properties = {},
    required = [],
  }: Example = structure;
  if (only !== undefined || choices) return only ?? choices?.at(-1);
  if (anyOf) return example(anyOf.at(0) as Structure, isWhole);
  if (type === 'boolean') return true;
  if (type === 'number' || type === 'integer') return 1_700_000_000_000;
  if (type === 'array') return items && isWhole ? [example(items, isWhole), example(items, isWhole)] : [];
  // A name that a document store could take for an operator or a path.
  if (type !== 'object') return `$${randomUUID()}.x`;
  const names = Object.keys(properties).filter((name) => isWhole || required.includes(name));
  const members = names.map((name) => [name, example(properties[name] as Structure, isWhole)]);
  const { additionalProperties: others = false } = structure;
  if (others === false || !isWhole) return Object.fromEntries(members);
  const other = Object.keys(others).length === 0 ? { $in: ['x'] } : example(others, isWhole);
  return Object.fromEntries([...members, ['$other.name', other]]);
}

/** @param isWhole with all optional fields, or without any */
export function createNoun<C extends CollectionName>(collection: C, isWhole: boolean): NewNoun<Nouns[C]> {
  const noun = example(structureOfNoun(declarationOf(collection)), isWhole) as Nouns[C];
  const { number, version, ...others } = { ...noun, id: randomUUID() };
  return others as unknown as NewNoun<Nouns[C]>;
}
