/** The schema of a noun's entries in an apply file, from the noun's declaration. */
import { z } from 'zod';
import type { Field } from '../nouns/noun.ts';
import { inFileOf } from './entries.ts';

type Fields = Readonly<Record<string, Field>>;

type KeyOf<F extends Fields, K extends keyof F> = F[K] extends
  | { readonly derived: true }
  | { readonly inFile: false | { readonly members: object } }
  ? never
  : F[K] extends { readonly inFile: { readonly key: infer N extends string } }
    ? N
    : K;

type SchemaOf<F extends Field> = F extends { readonly inFile: { readonly schema: infer S extends z.ZodType } }
  ? S
  : F extends { readonly initially: unknown }
    ? z.ZodExactOptional<F['value']>
    : F['value'];

type MembersOf<F extends Field> = F extends { readonly inFile: { readonly members: infer M } } ? M : never;

type Intersected<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

type Shape<F extends Fields> = {
  -readonly [K in keyof F as KeyOf<F, K>]: SchemaOf<F[K]>;
} & Intersected<MembersOf<F[keyof F]>>;

/** The keys of an entry in the order of the fields; a field with an initial value may be left out. */
export function shapeOf<F extends Fields>({ fields }: { readonly fields: F }): Shape<F> {
  const members = Object.entries(fields).flatMap(([name, field]): [string, z.ZodType][] => {
    const inFile = inFileOf(field);
    if (!inFile) return [];
    if (inFile.members) return Object.entries(inFile.members);
    const { value, initially, describe } = field;
    const schema = inFile.schema ?? (initially === undefined ? value : z.exactOptional(value));
    return [[inFile.key ?? name, schema.describe(describe)]];
  });
  return Object.fromEntries(members) as Shape<F>;
}
