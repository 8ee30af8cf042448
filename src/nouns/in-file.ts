/** How the value of a field stands in an apply file, where that is not the value under its own name. */
import type { z } from 'zod';

export interface InFile {
  /** Its name there; absent: the field's. */
  readonly key?: string;
  /** Absent: the field's own, which may be left out. */
  readonly schema?: z.ZodType;
  /** @returns the value; undefined: the noun is without one */
  readonly fromFile?: (context: never) => unknown;
  /** @returns what a file says; undefined: nothing */
  readonly toFile?: (value: never, noun: never, nameOf: NameOf) => unknown;
  /** `toFile` gives an object whose members stand among the keys of the noun: the schemas of these. */
  readonly members?: Readonly<Record<string, z.ZodType>>;
  /** What reports call the parts of the value, where that is not as in the file. */
  readonly shown?: (value: never, nameOf: NameOf) => Readonly<Record<string, unknown>>;
}

/** Of a setting with two values, of which the noun keeps the unusual one only. */
export const twoValues = <S extends z.ZodType>(schema: S, usual: z.output<S>) => ({
  schema: schema.exactOptional(),
  fromFile: ({ said }: FileValue<z.output<S>>) => (said === usual ? undefined : said),
  toFile: (value: z.output<S> | undefined) => value ?? usual,
});

/** How a file has a member whose kept form is another. @param kept says what it is */
export const spelled = <S extends z.ZodType>(schema: S, kept: z.ZodType) =>
  schema.exactOptional().describe(kept.description ?? '');

/** The name of the noun that has the id. */
export type NameOf = (id: string) => string;

/** What a file says of a field, and what is known beside it. */
export interface FileValue<S, T = unknown, N = unknown> {
  readonly said: S;
  /** Absent: of a new noun, or one without a value. */
  readonly before?: T;
  /** Of a new noun that says nothing. */
  readonly initial: T;
  /** Its id, its organization, and the fields that are declared earlier. */
  readonly noun: N;
}

/** A value that reports do not show: they say that it changed. */
export class HiddenValue {
  readonly value: string | undefined;
  constructor(value: string | undefined) {
    this.value = value;
  }
}

/** What is wrong with an entry of a file, although each of its values is right by itself. */
export interface Contradiction {
  /** To what is wrong. */
  readonly path: readonly PropertyKey[];
  /** The end of a sentence that starts with the name of what the path leads to. */
  readonly message: string;
  /** The name or the value below the path that is wrong, for its line. */
  readonly culprit?: string;
}

/** The same, of the whole that has the entry at the path. */
export function below(path: Contradiction['path'], found: Iterable<Contradiction>): Contradiction[] {
  return [...found].map((each) => ({ ...each, path: [...path, ...each.path] }));
}

/** What is wrong with the entries of a list. @param key of the list */
export function inEach<T>(
  key: string,
  list: readonly T[] = [],
  find: (each: T) => Iterable<Contradiction>,
): Contradiction[] {
  return list.flatMap((each, index) => below([key, index], find(each)));
}
