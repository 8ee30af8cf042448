/**
 * How an administered noun is declared: once, with all that follows from a field. Types, documents of the stores,
 * effects on living tokens, checks of references, the apply file and its documentation are derived from it.
 */
import { z } from 'zod';
import type { InFile } from './in-file.ts';
import { type Structure, structureOf } from './structure.ts';
import { description, line } from './values.ts';

/**
 * - `apply`: an apply file, which may remove what it made;
 * - `api`: an operator by another way, such as the command line;
 * - `person`: a user who logged in, for themselves;
 * - `face`: a face, for a client or a person who registers;
 * - `agent`: a program that acts for a person.
 */
const managedBy = z.enum(['apply', 'api', 'person', 'face', 'agent']);

export type ManagedBy = z.output<typeof managedBy>;

/** What every administered noun has. */
const everyNoun = z.strictObject({
  /** A UUID; never used again once given, so nothing of a removed noun attaches to one made anew. */
  id: z.uuid(),
  /** Sequential, unique per collection on this server; older APIs name things by it. Given by the store. */
  number: z.int().nonnegative(),
  /** Starts at 1 and grows by one at each replacement; a stale writer is refused. Given by the store. */
  version: z.int().nonnegative(),
  enabled: z.boolean(),
  /** Milliseconds since the epoch. */
  createdAt: z.int().nonnegative(),
  /** Who made it. Absent: it was not recorded. Set when it is made; an apply file that names one without sets it. */
  managedBy: managedBy.exactOptional(),
});

export interface Noun extends Readonly<z.output<typeof everyNoun>> {}

/** What other nouns name: a resource by its identifier, all others by id. */
export type Referred = 'organization' | 'application' | 'role' | 'resource' | 'user';

/** A noun that another names, or a realm, which is that of an application or of an organization. */
export interface Named {
  readonly kind: Referred | 'realm';
  /** An id, the identifier of a resource, or the realm. */
  readonly to: string;
}

/** What a noun is called. */
export type NounKind = Referred | 'connection' | 'datasource' | 'webhook';

/** What a face says of the settings that rights are read from. */
export interface FaceRights {
  readonly name: string;
  /** Settings of its own that rights are read from: another value narrows the tokens of the organization. */
  readonly narrowing?: readonly string[];
}

/**
 * What another value means for the living tokens below the noun:
 * - `none`: they cannot tell the difference;
 * - `narrows`: they are recomputed, stored ∩ current rights. Widening is not told apart: recomputing gives what was there;
 * - `restarts`: they end, and what is made afterwards lives: a client that got in by the old value must not stay in;
 * - `ends`: of `enabled` only: they end until it is enabled again;
 * - a function: they are narrowed where what it reads from the value differs.
 */
export type FieldEffect =
  | 'none'
  | 'narrows'
  | 'restarts'
  | 'ends'
  | ((value: never, faces: readonly FaceRights[]) => unknown);

/** What initial values depend on beside the noun. */
export interface ServerSettings {
  /** Seconds: of the access tokens of a new resource. */
  readonly accessTokenTtl: number;
}

interface Facts {
  readonly effect: FieldEffect;
  /** For `docs/configuration.md` if the field stands in an apply file. */
  readonly describe: string;
  /** Cannot be changed: tokens, ceilings and other nouns name the noun by it. */
  readonly fixed?: true;
  /** Never shown, not in the audit log either. */
  readonly secret?: true;
  /** Follows from other fields: not in files, and not a difference by itself. */
  readonly derived?: true;
  /** The value names such a noun, or several, which must be in the same organization. A file has names instead of ids. */
  readonly refersTo?: Referred;
  /** The nouns that are named within the value, where the value is not such a name or a list of them. */
  readonly names?: (value: never) => readonly Named[];
  /** Two nouns may name each other, so one is written while the other is not there yet. */
  readonly mayComeLater?: true;
  /** `false`: no file speaks of it. */
  readonly inFile?: InFile | false;
}

/** A value that is read, not changed. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

export interface Field<V extends z.ZodType = z.ZodType> extends Facts {
  /**
   * Its structure gives the type, the documents of the stores and the check of imports. Its refinements are for what comes
   * from outside.
   */
  readonly value: V;
  /** Of a new noun whose maker does not say it; or a function that makes it. */
  readonly initially?: unknown;
}

/** A value, or what makes it of the other fields of the new noun. */
type Initial<T> = T | ((noun: never, settings: ServerSettings) => T);

/**
 * @param value `.exactOptional()`: a noun may be without it
 */
export function field<
  V extends z.ZodType,
  const F extends Facts & { readonly initially?: Initial<Frozen<z.output<V>>> },
>(value: V, facts: F): { readonly value: V } & F {
  return { value, ...facts };
}

/** All but those that every noun has. Of those, `enabled` is declared with each, because its meaning differs. */
type Fields = Readonly<Record<string, Field>> & { readonly enabled: Field };

/** What nouns are found by: a name, and what is read from a noun under it. */
type Keys<T, Value> = Readonly<Record<string, (noun: T) => Value>>;

/** What a key makes of a noun. */
type Values = string | readonly string[] | undefined;

export interface Declared<F, U, L> {
  readonly singular: NounKind;
  readonly describe: string;
  readonly fields: F;
  /** Each makes a value that no other noun of the collection may have, or several of them, or undefined. */
  readonly unique: U;
  /** Names of those of `unique` that make lists. */
  readonly uniqueLists?: readonly string[];
  /**
   * Each makes values that several nouns may have, so that no question needs a look at all nouns. The stores keep them
   * beside the nouns: a change here needs a further migration step of each store, which fills them again.
   */
  readonly listed: L;
  /**
   * Such nouns come and go without changing the rights of other users or applications. The server reads them from the store
   * each time, so their changes do not move the directory's revision.
   */
  readonly isReadEachTime?: true;
}

/** The declaration of nouns of the type `T`. */
export type Declaration<T> = Declared<Fields, Keys<T, Values>, Keys<T, Values>>;

type ValueOf<F extends Fields> = Noun & Frozen<z.output<z.ZodObject<{ [K in keyof F]: F[K]['value'] }>>>;

/** The type of the nouns that are declared so. */
export type NounOf<D extends { readonly fields: Fields }> = ValueOf<D['fields']>;

/** Fields of every noun that are declared here once. */
const fieldsOfEveryNoun = {
  managedBy: field(everyNoun.shape.managedBy, {
    effect: 'none',
    inFile: false,
    describe: 'Who made it. `apply --prune` removes only what an apply file made.',
  }),
};

/** Declares a noun. */
export function defineNoun<
  F extends Fields,
  U extends Keys<ValueOf<F>, Values>,
  L extends Keys<ValueOf<F>, Values>,
>(declaration: Declared<F, U, L>): Declared<F & typeof fieldsOfEveryNoun, U, L> {
  return { ...declaration, fields: { ...declaration.fields, ...fieldsOfEveryNoun } };
}

/** What the noun is made of, with the members that every noun has. */
export function structureOfNoun({ fields }: { readonly fields: Fields }): Structure {
  const values = Object.entries<Field>(fields).map(([name, { value }]) => [name, value] as const);
  return structureOf(everyNoun.extend(Object.fromEntries(values)));
}

/** Of nouns that people read of. */
export const forPeople = {
  displayName: field(line.exactOptional(), {
    effect: 'none',
    describe: 'What pages call it instead of its name.',
  }),
  description: field(description.exactOptional(), {
    effect: 'none',
    describe: 'For people: what it is or does.',
  }),
};

/** Of nouns that belong to an organization. */
export const ofOrganization = field(z.string(), {
  effect: 'none',
  fixed: true,
  refersTo: 'organization',
  inFile: false,
  describe: 'Id of its organization.',
});
