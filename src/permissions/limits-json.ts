/** Limits in JSON: `{"columns": ["id", "total"], "rows": {"customer_id": ["42"]}}`. */
import { PermissionsError, quoteName } from './errors.ts';
import { type JsonObject, type Origin, readMember, requireObject } from './json.ts';
import { Alternative } from './limits.ts';
import { requireColumn } from './table-ids.ts';
import { requireVariable, toValue, toVariable } from './variables.ts';

/** What one cell may have where it is written or asked for. */
export const MAX_ALTERNATIVES = 16;
export const MAX_CONDITIONS = 8;
export const MAX_VALUES = 100;
export const MAX_COLUMNS = 1000;
/** In UTF-16 units. */
const MAX_VALUE_LENGTH = 256;

/** Control characters, which also mark variables, and half characters. */
const UNREADABLE = /[\p{Cc}\p{Cs}]/u;

/** What is wrong with a literal value, as the end of a sentence; undefined when it is good. */
export function findValueProblem(value: string): string | undefined {
  if (value === '') return 'is empty';
  if (value.length > MAX_VALUE_LENGTH) return `is longer than ${MAX_VALUE_LENGTH} characters`;
  return UNREADABLE.test(value) ? 'holds control characters' : undefined;
}

export const LIMIT_MEMBERS = ['columns', 'rows'] as const;

/** `{"$user": "id"}`, `{"$account": "column"}`, `{"$application": "id"}`. */
export type VariableJson = { [source: `$${string}`]: string };

export interface LimitJson {
  columns?: string[];
  rows?: Record<string, (string | VariableJson)[]>;
}

export interface LimitOptions {
  /** Whether values may be variables: in ceilings and roles only. */
  readonly variables: 'allow' | 'refuse';
  /** `written` unless said otherwise. */
  readonly origin?: Origin;
}

/**
 * Reads the members `columns` and `rows` of an object. Without both it is unlimited.
 * @throws PermissionsError malformed for empty lists, names and values, too_large
 */
export function readLimit(json: JsonObject, options: LimitOptions): Alternative {
  return new Alternative(
    readColumns(readMember(json, 'columns'), options),
    readRows(readMember(json, 'rows'), options),
  );
}

function readColumns(list: unknown, { origin }: LimitOptions): string[] | undefined {
  if (list === undefined) return undefined;
  return requireList(list, 'columns', within(MAX_COLUMNS, origin)).map(requireColumn);
}

function within(bound: number, origin: Origin = 'written'): number {
  return origin === 'written' ? bound : Number.POSITIVE_INFINITY;
}

function readRows(value: unknown, options: LimitOptions): (readonly [string, string[]])[] {
  if (value === undefined) return [];
  const conditions = Object.entries(requireObject(value, 'rows'));
  if (conditions.length === 0) {
    throw new PermissionsError(
      'malformed',
      'The member rows must name a column. Leave it out to mean all rows.',
    );
  }
  if (conditions.length > within(MAX_CONDITIONS, options.origin)) {
    throw new PermissionsError('too_large', `The member rows may name at most ${MAX_CONDITIONS} columns.`);
  }
  return conditions.map(([column, values]) => {
    const most = within(MAX_VALUES, options.origin);
    const list = requireList(values, `The values of ${quoteName(requireColumn(column))}`, most);
    return [column, list.map((each) => requireValue(each, options))];
  });
}

/** Never empty: an empty list could be read as "none" by one side and as "no restriction" by the other. */
function requireList(list: unknown, what: string, most: number): readonly unknown[] {
  if (!Array.isArray(list) || list.length === 0) {
    throw new PermissionsError('malformed', `${what} must be a list that is not empty.`);
  }
  if (list.length > most)
    throw new PermissionsError('too_large', `${what} may have at most ${most} entries.`);
  return list;
}

/** Whole numbers and booleans may be written as they are; other numbers have several spellings. */
function requireValue(value: unknown, { variables, origin }: LimitOptions): string {
  if (typeof value === 'object' && value !== null) {
    if (variables === 'allow') return readVariable(requireObject(value, 'A value'));
    throw new PermissionsError(
      'malformed',
      'A value must be a text: variables may stand in ceilings and roles only.',
    );
  }
  const text = Number.isSafeInteger(value) || typeof value === 'boolean' ? String(value) : value;
  // A value that a variable had may be any text.
  if (origin === 'issued' && typeof text === 'string' && !toVariable(text)) return text;
  if (typeof text !== 'string' || findValueProblem(text) !== undefined) {
    throw new PermissionsError(
      'malformed',
      `A value must be a text of 1 to ${MAX_VALUE_LENGTH} characters without control characters.`,
    );
  }
  return text;
}

function readVariable(json: JsonObject): string {
  const [[source, name] = ['', undefined], ...others] = Object.entries(json);
  if (others.length > 0) throw new PermissionsError('malformed', 'A variable must have one member.');
  return toValue(requireVariable(source, name));
}

/** The members of an alternative; none where it is unlimited. The result belongs to the caller. */
export function toLimitJson({ columns, rows }: Alternative): LimitJson {
  const json: LimitJson = {};
  if (columns) json.columns = [...columns];
  // Object.fromEntries defines each key as an own property, where an assignment could reach a setter of the prototype.
  if (rows.size > 0)
    json.rows = Object.fromEntries(
      [...rows].map(([column, values]) => [column, [...values].map(toValueJson)]),
    );
  return json;
}

function toValueJson(value: string): string | VariableJson {
  const variable = toVariable(value);
  return variable ? { [`$${variable.source}`]: variable.name } : value;
}

/** @throws PermissionsError too_large */
export function requireFewAlternatives(count: number): void {
  if (count <= MAX_ALTERNATIVES) return;
  throw new PermissionsError(
    'too_large',
    `An action on a table may have at most ${MAX_ALTERNATIVES} alternatives.`,
  );
}
