/** What a noun that is made has without being told. */
import { type CollectionName, declarationOf, type Nouns, type nouns } from './index.ts';
import type { Field } from './noun.ts';

type FieldsOf<C extends CollectionName> = (typeof nouns)[C]['fields'];

/** Names of the fields with a value that every new noun has; not those whose value follows from the rest of the noun. */
type Initial<C extends CollectionName> = {
  [K in keyof FieldsOf<C>]: FieldsOf<C>[K] extends { readonly initially: infer Value }
    ? Value extends (...given: never) => unknown
      ? never
      : K
    : never;
}[keyof FieldsOf<C>] &
  keyof Nouns[C];

/** A noun that may be without its initial values. */
export type Told<C extends CollectionName> = Omit<Nouns[C], Initial<C>> & Partial<Pick<Nouns[C], Initial<C>>>;

export function withInitialValues<C extends CollectionName>(collection: C, told: Told<C>): Nouns[C] {
  const whole: Record<string, unknown> = { ...told };
  for (const [name, { initially }] of Object.entries<Field>(declarationOf(collection).fields)) {
    if (initially !== undefined && typeof initially !== 'function') whole[name] ??= initially;
  }
  return whole as unknown as Nouns[C];
}
