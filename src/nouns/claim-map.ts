/**
 * `claimMap` of a resource: claims that its access tokens carry for neighbours (PostgREST, Hasura …), and what each is made of.
 * This file reads the grammar; `src/rights/mapped-claims.ts` finds the values.
 */
import { z } from 'zod';
import { didYouMean } from '../errors/similar.ts';
import { quote } from '../errors/texts.ts';
import { isJsonObject, type JsonObject } from '../permissions/json.ts';
import { findValueProblem } from '../permissions/limits-json.ts';
import { OF_USER } from '../permissions/variables.ts';
import { claimName } from './claim-names.ts';

/** A value that is known when the token is made: `{ $user: attributes.team }`. */
export interface ClaimVariable {
  readonly source: 'user' | 'account' | 'application' | 'organization';
  readonly name: string;
}

/** A value of which only what a list has gets into the token. */
export interface Choice {
  readonly values: readonly string[];
  /** `oneOf` gives the first of `values` that was found, `someOf` a list of all. */
  readonly gives: 'oneOf' | 'someOf';
  /** Absent: it is always the default. */
  readonly from?: ClaimVariable;
  /** Where none of `values` was found; absent: the claim is left out. */
  readonly default?: string | readonly string[];
}

export type ClaimValue =
  | { readonly kind: 'constant'; readonly value: string | number | boolean }
  | ({ readonly kind: 'variable' } & ClaimVariable)
  | ({ readonly kind: 'choice' } & Choice)
  | { readonly kind: 'list'; readonly items: readonly ClaimValue[] }
  | { readonly kind: 'group'; readonly members: ReadonlyMap<string, ClaimValue> };

/** As it is kept: names of members come from outside, so the value is JSON. */
export type StoredClaims = readonly { readonly claim: string; readonly value: string }[];

const MAX_CLAIMS = 20;
const MAX_ENTRIES = 100;
const MAX_BYTES = 4096;

const SOURCES = {
  $user: { pattern: new RegExp(`${OF_USER.source}|^roles$`), names: 'id, email, roles or attributes.<name>' },
  $account: { pattern: /^.{1,128}$/, names: 'a column that the user table copies into claims' },
  $application: { pattern: /^(?:id|name|clientId)$/, names: 'id, name or clientId' },
  $organization: { pattern: /^(?:id|name)$/, names: 'id or name' },
} as const;

const CHOICE_KEYS = ['oneOf', 'someOf', 'from', 'default', 'accept'];

/** Neighbours become a database role, or an administrator, by what stands in such a claim. */
const NAMES_ROLES = /roles?$/i;

/** Roles that may do everything with a database, or become one that may. */
const OPENS_DATABASE = new Set([
  'postgres',
  'service_role',
  'supabase_admin',
  'admin',
  'authenticator',
  'none',
]);

const opensDatabase = (role: string): boolean => {
  const name = role.toLowerCase();
  return OPENS_DATABASE.has(name) || name.startsWith('pg_');
};

const warningOf = (role: string): string => `is ${role}, which may open the whole database. If you mean that`;

const A_VALUE =
  'must be text, a number, true, false, a variable, a choice, or a list or group of such values';

type Path = readonly PropertyKey[];
/** What is wrong at a place of the value. */
class Misspelt extends Error {
  readonly path: Path;
  /** @param message the end of a sentence that starts with the last name of the path */
  constructor(path: Path, message: string) {
    super(message);
    this.path = path;
  }
}

interface Place {
  readonly path: Path;
  /** Roles of a neighbour stand here. */
  readonly isOfRoles: boolean;
  readonly isWithin?: 'list' | 'group';
}

const inside = (place: Place, key: PropertyKey): Path => [...place.path, key];

function readText(value: unknown, path: Path): string {
  if (typeof value !== 'string') throw new Misspelt(path, 'must be text: write it in quotes');
  const problem = findValueProblem(value);
  if (problem !== undefined) throw new Misspelt(path, problem);
  return value;
}

function readConstant(value: unknown, { path, isOfRoles, isWithin }: Place): ClaimValue {
  if (typeof value === 'string' || isOfRoles) {
    const known = readText(value, path);
    if (!isOfRoles || !opensDatabase(known)) return { kind: 'constant', value: known };
    const choice =
      isWithin === 'list'
        ? `someOf: [${known}], default: [${known}]`
        : `oneOf: [${known}], default: ${known}`;
    throw new Misspelt(path, `${warningOf(known)}, write { ${choice}, accept: [${known}] }`);
  }
  if (typeof value === 'boolean' || Number.isFinite(value)) {
    return { kind: 'constant', value: value as number | boolean };
  }
  throw new Misspelt(path, A_VALUE);
}

function readVariable(value: JsonObject, place: Pick<Place, 'path'>): ClaimVariable {
  const [key = '', ...others] = Object.keys(value);
  if (others.length > 0) throw new Misspelt(place.path, 'is a variable, which has one member');
  if (!Object.hasOwn(SOURCES, key)) {
    const known = Object.keys(SOURCES);
    throw new Misspelt(
      place.path,
      `has the unknown variable ${quote(key)}${didYouMean(key, known)}. Use ${known.join(', ')}`,
    );
  }
  const { pattern, names } = SOURCES[key as keyof typeof SOURCES];
  const name = value[key];
  if (typeof name !== 'string' || !pattern.test(name)) {
    throw new Misspelt([...place.path, key], `must be ${names}`);
  }
  return { source: key.slice(1) as ClaimVariable['source'], name };
}

const isVariable = (value: JsonObject): boolean => Object.keys(value).some((key) => key.startsWith('$'));
const isChoice = (value: JsonObject): boolean => 'oneOf' in value || 'someOf' in value;

function requireSize(size: number, of: 'entries' | 'members', path: Path): void {
  if (size === 0) throw new Misspelt(path, 'is empty');
  if (size > MAX_ENTRIES) throw new Misspelt(path, `has more than ${MAX_ENTRIES} ${of}`);
}

/** Texts of a list, each once. @param known those that it may have */
function readTexts(value: unknown, path: Path, known?: readonly string[]): string[] {
  if (!Array.isArray(value)) throw new Misspelt(path, 'must be a list');
  requireSize(value.length, 'entries', path);
  return value.map((each, index) => {
    const read = readText(each, [...path, index]);
    if (value.indexOf(each) < index) throw new Misspelt([...path, index], 'is there twice');
    if (known && !known.includes(read)) throw new Misspelt([...path, index], 'is not in the list beside it');
    return read;
  });
}

function readDefault(value: unknown, path: Path, values: readonly string[], gives: Choice['gives']) {
  if (value === undefined) return {};
  if (gives === 'someOf') return { default: readTexts(value, path, values) };
  const read = readText(value, path);
  if (!values.includes(read)) throw new Misspelt(path, 'is not in the list beside it');
  return { default: read };
}

function readChoice(value: JsonObject, place: Place): ClaimValue {
  const unknown = Object.keys(value).find((key) => !CHOICE_KEYS.includes(key));
  if (unknown !== undefined) {
    throw new Misspelt(inside(place, unknown), `is an unknown key${didYouMean(unknown, CHOICE_KEYS)}`);
  }
  if ('oneOf' in value && 'someOf' in value) throw new Misspelt(place.path, 'has both oneOf and someOf');
  const gives = 'oneOf' in value ? 'oneOf' : 'someOf';
  const values = readTexts(value[gives], inside(place, gives));
  const accepted = value.accept === undefined ? [] : readTexts(value.accept, inside(place, 'accept'), values);
  const refused = values.findIndex((each) => opensDatabase(each) && !accepted.includes(each));
  if (refused >= 0) {
    const role = values[refused] as string;
    throw new Misspelt(
      [...inside(place, gives), refused],
      `${warningOf(role)}, write accept: [${role}] beside ${gives}`,
    );
  }
  const { from } = value;
  if (from !== undefined && !isJsonObject(from)) {
    throw new Misspelt(inside(place, 'from'), 'must be a variable, such as { $user: roles }');
  }
  const otherwise = readDefault(value.default, inside(place, 'default'), values, gives);
  if (from === undefined && value.default === undefined) {
    throw new Misspelt(place.path, 'needs from or default');
  }
  return {
    kind: 'choice',
    values,
    gives,
    ...(from && { from: readVariable(from, { path: inside(place, 'from') }) }),
    ...otherwise,
  };
}

function readList(value: readonly unknown[], place: Place): ClaimValue {
  if (place.isWithin === 'list') throw new Misspelt(place.path, 'is a list in a list');
  requireSize(value.length, 'entries', place.path);
  const items = value.map((each, index) =>
    readValue(each, { ...place, path: inside(place, index), isWithin: 'list' }),
  );
  return { kind: 'list', items };
}

function readGroup(value: JsonObject, place: Place): ClaimValue {
  if (place.isWithin) throw new Misspelt(place.path, `is a group within a ${place.isWithin}`);
  const names = Object.keys(value);
  requireSize(names.length, 'members', place.path);
  const members = names.map((name): [string, ClaimValue] => {
    const path = inside(place, name);
    const problem = name === '__proto__' ? 'is not a usable name' : findValueProblem(name);
    if (problem !== undefined) throw new Misspelt(path, problem);
    const isOfRoles = place.isOfRoles || NAMES_ROLES.test(name);
    return [name, readValue(value[name], { path, isOfRoles, isWithin: 'group' })];
  });
  return { kind: 'group', members: new Map(members) };
}

function readValue(value: unknown, place: Place): ClaimValue {
  if (Array.isArray(value)) return readList(value, place);
  if (!isJsonObject(value)) return readConstant(value, place);
  if (isChoice(value)) {
    if (place.isWithin === 'list') throw new Misspelt(place.path, 'is a choice in a list: write someOf');
    return readChoice(value, place);
  }
  if (!isVariable(value)) return readGroup(value, place);
  if (place.isOfRoles) {
    throw new Misspelt(
      place.path,
      'names roles, which must come from a list: write { oneOf: [...], from: { ... } }, or someOf for a list',
    );
  }
  return { kind: 'variable', ...readVariable(value, place) };
}

function readClaim(claim: string, value: unknown): ClaimValue | Misspelt {
  try {
    return readValue(value, { path: [claim], isOfRoles: NAMES_ROLES.test(claim) });
  } catch (error) {
    if (error instanceof Misspelt) return error;
    throw error;
  }
}

/** As a file has them. */
export const claimMap = z
  .record(claimName, z.unknown())
  .superRefine((claims, context) => {
    const entries = Object.entries(claims);
    if (entries.length > MAX_CLAIMS) context.addIssue(`has more than ${MAX_CLAIMS} claims`);
    if (Buffer.byteLength(JSON.stringify(claims)) > MAX_BYTES) {
      context.addIssue(`is larger than ${MAX_BYTES / 1024} KB`);
    }
    for (const [claim, value] of entries) {
      const read = readClaim(claim, value);
      if (!(read instanceof Misspelt)) continue;
      context.addIssue({ code: 'custom', path: [...read.path], message: read.message });
    }
  })
  .meta({ shape: 'claims by name' });

export type WrittenClaims = z.output<typeof claimMap>;

export const storedClaims = z.array(z.strictObject({ claim: z.string(), value: z.string() }));

export function toStoredClaims(claims: WrittenClaims): StoredClaims {
  return Object.entries(claims).map(([claim, value]) => ({ claim, value: JSON.stringify(value) }));
}

export function toWrittenClaims(stored: StoredClaims): WrittenClaims {
  return Object.fromEntries(stored.map(({ claim, value }) => [claim, JSON.parse(value)]));
}

const read = new WeakMap<StoredClaims, ReadonlyMap<string, ClaimValue | undefined>>();

/**
 * The claims by name, the same object as long as they stay the same. What a dump brought and a file would not be allowed to say
 * has no value.
 */
export function claimsOf(stored: StoredClaims): ReadonlyMap<string, ClaimValue | undefined> {
  const known = read.get(stored);
  if (known) return known;
  const claims = new Map(stored.map(({ claim, value }) => [claim, findClaim(claim, JSON.parse(value))]));
  read.set(stored, claims);
  return claims;
}

function findClaim(claim: string, value: unknown): ClaimValue | undefined {
  const read = claimName.safeParse(claim).success ? readClaim(claim, value) : undefined;
  return read instanceof Misspelt ? undefined : read;
}
