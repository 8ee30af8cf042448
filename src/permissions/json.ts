/** Reading JSON that a client sent: plain objects only, no name twice, within limits. */
import { PermissionsError, quoteName } from './errors.ts';
import { isReservedName } from './table-ids.ts';

/** The most tables that one spelling may name; far more than any token can carry. */
export const MAX_TABLES = 2000;

/** In UTF-16 units; `MAX_TABLES` tables with ids of 60 fit. Checked before parsing: parsing is what takes time. */
const MAX_TEXT_LENGTH = 256 * 1024;
/** The deepest spelling has four levels; the rest is room for members that a face ignores. */
const MAX_DEPTH = 8;
/** Objects, arrays and values in all; 2,000 details with all their members stay below it. */
export const MAX_VALUES = 40_000;

/**
 * Where JSON comes from. What people and clients write is kept within bounds; what the authorization server issued was
 * computed, with groups expanded and limits met, and may be larger.
 */
export type Origin = 'written' | 'issued';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value has members, as objects of JSON have; lists have none. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` as an object with members; throws `PermissionsError` (malformed), naming it `what`, for anything else. */
export function requireObject(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new PermissionsError('malformed', `${what} must be a JSON object.`);
}

/** The member that the object itself has; what a prototype was made to say counts for nothing. */
export function readMember(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/**
 * Throws `PermissionsError` when a value already parsed is not plain JSON (malformed), has a reserved key such as
 * `__proto__` anywhere (malformed), or is deeper or has more members than permissions can have (too_large). After it,
 * own keys are all there is to look at, and walking them is cheap.
 */
export function requirePlainJson(value: unknown, origin: Origin = 'written'): void {
  countValues(value, MAX_DEPTH, origin === 'written' ? MAX_VALUES : Number.POSITIVE_INFINITY);
}

function countValues(value: unknown, depthLeft: number, valuesLeft: number): number {
  if (typeof value !== 'object' || value === null) return valuesLeft - 1;
  if (depthLeft === 0) throw new PermissionsError('too_large', 'The permissions are nested too deeply.');
  requirePlain(value);
  const keys = Array.isArray(value) ? undefined : Object.keys(value);
  let left = valuesLeft - 1 - (keys?.length ?? (value as unknown[]).length);
  if (left < 0) throw new PermissionsError('too_large', 'The permissions have too many members.');
  for (const key of keys ?? []) {
    if (isReservedName(key)) throw new PermissionsError('malformed', `The name ${key} is not allowed.`);
  }
  for (const member of Object.values(value)) left = countValues(member, depthLeft - 1, left + 1);
  return left;
}

function requirePlain(value: object): void {
  if (Array.isArray(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return;
  throw new PermissionsError('malformed', 'Permissions must consist of plain JSON values.');
}

/**
 * Parses JSON text of a client. Throws `PermissionsError`: too_large for long text, malformed for what is not JSON and
 * for an object that has a name twice (RFC 8259 section 4 leaves open which one counts, so a client cannot rely on either).
 * @param maxDepth levels of objects and arrays
 */
export function parseJsonText(text: string, maxDepth = MAX_DEPTH): unknown {
  if (text.length > MAX_TEXT_LENGTH) {
    throw new PermissionsError('too_large', 'The permissions are too long.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new PermissionsError('malformed', 'The permissions are not valid JSON.');
  }
  countValues(value, maxDepth, MAX_VALUES);
  requireUniqueNames(text);
  return value;
}

/**
 * A string with the colon after it if it is a name, or a brace: enough to follow objects in text known to be JSON. The
 * closing quote is optional, so that a match that has begun never fails: the search stays linear.
 */
const NAME_OR_BRACE = /"(?:[^"\\]|\\.)*"?(\s*:)?|[{}]/g;

function requireUniqueNames(json: string): void {
  const open: Set<string>[] = [];
  for (const [token, colon] of json.matchAll(NAME_OR_BRACE)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (colon !== undefined) {
      const quoted = token.slice(0, -colon.length);
      const name = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
      const names = open.at(-1) as Set<string>;
      if (names.has(name))
        throw new PermissionsError('malformed', `The name ${quoteName(name)} stands twice.`);
      names.add(name);
    }
  }
}
