/** Which table ids are allowed, and the names that stand for several tables: `*` and `@<group>`. */
import { PermissionsError, quoteName } from './errors.ts';

/** In UTF-16 units, as JavaScript counts. */
const MAX_TABLE_ID_LENGTH = 128;

/**
 * Names that mean something on every JavaScript object. Tokens carry table ids as the keys of a JSON object, and a
 * resource server will look them up in a plain object: there `__proto__` replaces the prototype, `constructor` and `toString`
 * look present although they were not granted, and an own `hasOwnProperty` breaks the very check meant to be careful.
 */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  '__proto__',
  'constructor',
  'prototype',
  '__defineGetter__',
  '__defineSetter__',
  '__lookupGetter__',
  '__lookupSetter__',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toLocaleString',
  'toString',
  'valueOf',
]);

/**
 * Control characters, lone surrogates, line and paragraph separators, and the marks that turn the direction of text:
 * none can be seen on a consent page or in a log, where they make one name look like another.
 */
const INVISIBLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

/** Every table, also future ones. */
export const ALL_TABLES = '*';

const GROUP_MARK = '@';

/** The name of a group of tables among table ids. */
export function toGroupName(group: string): string {
  return GROUP_MARK + group;
}

/** @returns the id of the group; undefined for the id of a table */
export function toGroup(name: string): string | undefined {
  return name.startsWith(GROUP_MARK) ? name.slice(GROUP_MARK.length) : undefined;
}

/** True for keys that no JSON of ours may hold, at whatever depth. */
export function isReservedName(name: string): boolean {
  return RESERVED_NAMES.has(name);
}

/** What is wrong with a table id, as the end of a sentence that starts with "A table id"; undefined when it is good. */
export function findTableIdProblem(id: unknown): string | undefined {
  if (typeof id !== 'string') return 'must be a string';
  if (id === '') return 'must not be empty';
  if (id.length > MAX_TABLE_ID_LENGTH) return `must have at most ${MAX_TABLE_ID_LENGTH} characters`;
  if (id === GROUP_MARK) return 'must not be the mark of groups alone';
  if (RESERVED_NAMES.has(id)) return 'must not be a name that every JavaScript object has';
  if (INVISIBLE.test(id)) return 'must not contain control or text direction characters';
  if (id.trim() !== id) return 'must not start or end with white space';
  return undefined;
}

/** What is wrong with the id of a table or a group in a catalogue, as the end of a sentence that starts with "A table id". */
export function findCatalogueIdProblem(id: unknown): string | undefined {
  const problem = findTableIdProblem(id);
  if (problem !== undefined) return problem;
  if (id === ALL_TABLES) return 'must not be *, which means every table in permissions';
  return toGroup(id as string) === undefined
    ? undefined
    : 'must not begin with @, which marks groups of tables in permissions';
}

/**
 * `id` itself, which may be `*` or the name of a group; throws `PermissionsError` (malformed) when it cannot name a table.
 * Ids are compared exactly as they are.
 */
export function requireTableId(id: unknown): string {
  return requireName(id, 'A table id');
}

/** The name of a column itself, which obeys the same rules. @throws PermissionsError malformed */
export function requireColumn(name: unknown): string {
  return requireName(name, 'A column name');
}

function requireName(name: unknown, what: string): string {
  const problem = findTableIdProblem(name);
  if (problem === undefined) return name as string;
  const named = typeof name === 'string' ? ` (${quoteName(name)})` : '';
  throw new PermissionsError('malformed', `${what} ${problem}${named}.`);
}
