/** Reads docs/vectors, whose README.md says what everything means. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'vectors');
const WORLD = 'world.json';

export type ColumnType = 'text' | 'integer' | 'decimal' | 'boolean' | 'uuid' | 'date' | 'timestamp';
export type Value = string | number | boolean | null;
/** By column. */
export type Row = Readonly<Record<string, Value>>;

export interface VectorTable {
  /** Schema and name in PostgreSQL, where they are not `public` and the id. */
  readonly postgres?: readonly [schema: string, name: string];
  readonly key: readonly string[];
  readonly rowColumns: readonly string[];
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly rows: Readonly<Record<string, Row>>;
}

export type Form = 'jwt' | 'introspection';
type Claims = Readonly<Record<string, unknown>>;

export interface World {
  /** Unix seconds. */
  readonly now: number;
  readonly issuer: string;
  readonly resource: string;
  readonly claims: Readonly<Record<Form, Claims>>;
  readonly tables: Readonly<Record<string, VectorTable>>;
}

/** The visible columns of each visible row. */
export type Visible = Readonly<Record<string, readonly string[]>>;

export interface ReadCase {
  readonly table: string;
  readonly action: 'read';
  readonly rows: Visible;
  readonly postgres?: Visible;
}

export interface CreateCase {
  readonly table: string;
  readonly action: 'create';
  readonly set: Row;
  readonly allowed: boolean;
  readonly postgres?: boolean;
}

export interface UpdateCase {
  readonly table: string;
  readonly action: 'update';
  readonly row: string;
  readonly set: Row;
  readonly allowed: boolean;
  readonly postgres?: boolean;
}

export interface DeleteCase {
  readonly table: string;
  readonly action: 'delete';
  readonly row: string;
  readonly allowed: boolean;
  readonly postgres?: boolean;
}

export type Case = ReadCase | CreateCase | UpdateCase | DeleteCase;
export type TokenVerdict = 'accepted' | 'refused' | 'either';

export interface VectorToken {
  readonly name: string;
  readonly form: Form;
  readonly typ?: string;
  readonly claims?: Claims;
  /** Instead of `claims`. */
  readonly text?: string;
  readonly verdict: TokenVerdict;
  readonly cases: readonly Case[];
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));

export function readWorld(): World {
  return read(WORLD) as World;
}

/** The names of the files with tokens. */
export function vectorFiles(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json') && name !== WORLD)
    .sort();
}

export function readVectors(file: string): VectorToken[] {
  return read(file) as VectorToken[];
}

/**
 * What the token, or the introspection of it, says, as it travels.
 * @param shift seconds by which a clock that cannot be set is ahead of the world's
 */
export function claimsText(world: World, { form, claims = {}, text }: VectorToken, shift = 0): string {
  if (text !== undefined) return text;
  // Entries, because an assignment to __proto__ sets no member.
  const said = new Map(Object.entries(world.claims[form]));
  for (const [name, value] of Object.entries(claims)) {
    if (value === null) said.delete(name);
    else said.set(name, value);
  }
  for (const [name, perSecond] of [
    ['iat', 1],
    ['nbf', 1],
    ['exp', 1],
    ['as_of', 1000],
  ] as const) {
    const time = said.get(name);
    if (typeof time === 'number') said.set(name, time + shift * perSecond);
  }
  return JSON.stringify(Object.fromEntries(said));
}

/** The new row of a `create`: what is not set is NULL. */
export function createdRow({ columns }: VectorTable, set: Row): Row {
  return { ...Object.fromEntries(Object.keys(columns).map((column) => [column, null])), ...set };
}
