/** What a row of a user table says of a person. Drivers give values in types of their own; here they become ours. */
import type { UserTable } from '../nouns/index.ts';
import type { ColumnValues } from '../storage/contract.ts';
import type { Row, RowQuery, Scalar } from './connector.ts';

/** Characters; a longer value is left out of the token, whose size is bounded. */
const MAX_CLAIM = 256;
const MAX_GROUPS = 100;

/** A value of the subject column, with its type before it so that the same row is found again. */
function toKey(value: unknown): { key: string; text: string } | undefined {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) {
    return { key: `n${value}`, text: String(value) };
  }
  if (typeof value === 'string' && value !== '') return { key: `s${value}`, text: value };
  return undefined;
}

/** The condition that finds the row of a key. */
export function keyCondition(column: string, key: string): RowQuery['where'][number] {
  const text = key.slice(1);
  const isNumber = key.startsWith('n') && Number.isSafeInteger(Number(text));
  return { column, equals: isNumber ? Number(text) : text };
}

/** The fixed conditions of a user table. */
function fixedConditions({ conditions }: Pick<UserTable, 'conditions'>): RowQuery['where'] {
  return conditions.map(({ column, equals }) => ({ column, equals: JSON.parse(equals) as Scalar }));
}

function columnsOf(table: UserTable): readonly string[] {
  const { usernameColumn, passwordColumn, subjectColumn, claims } = table;
  const { saltColumn, activeColumn, roleColumn, passwordChangedAtColumn } = table;
  const optional = [saltColumn, activeColumn, roleColumn, passwordChangedAtColumn];
  const named = [usernameColumn, passwordColumn, subjectColumn, ...claims.map(({ column }) => column)];
  return [...new Set([...named, ...optional.filter((column) => column !== undefined)])];
}

/** All that the catalogue must have. */
export function registeredColumns(table: UserTable): readonly string[] {
  return [...new Set([...columnsOf(table), ...table.conditions.map(({ column }) => column)])];
}

/** Finds the row of a user table that has this value. */
export function rowQuery(table: UserTable, wanted: RowQuery['where'][number]): RowQuery {
  return {
    database: table.database,
    collection: table.collection,
    columns: columnsOf(table),
    where: [wanted, ...fixedConditions(table)],
  };
}

const ACTIVE = new Set(['1', 't', 'true', 'y', 'yes', 'on', 'active', 'enabled']);

function isActive(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value) === 1;
  // One bit of MySQL.
  if (value instanceof Uint8Array) return value.length === 1 && value[0] === 1;
  return typeof value === 'string' && ACTIVE.has(value.trim().toLowerCase());
}

/** Names separated by commas, or a list. */
function toGroups(value: unknown): readonly string[] {
  const items = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value];
  return items
    .filter((item) => ['string', 'number', 'bigint', 'boolean'].includes(typeof item))
    .map((item) => String(item).trim())
    .filter((item) => item !== '')
    .slice(0, MAX_GROUPS);
}

function toClaim(value: unknown): ColumnValues[string] | undefined {
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  return typeof value === 'string' && value.length <= MAX_CLAIM ? value : undefined;
}

export interface Person {
  /** With its type, see `keyCondition`. */
  readonly key: string;
  /** Of the subject column, as text. */
  readonly id: string;
  readonly username: string;
  readonly isActive: boolean;
  readonly groups: readonly string[];
  readonly claims: ColumnValues;
  /** The same values, by the column that each was copied from. */
  readonly columns: ColumnValues;
  readonly passwordChangedAt: string | undefined;
  /** As the driver gave them. */
  readonly stored: { readonly hash: unknown; readonly salt?: unknown };
}

/** The text by which one moment is told from another. */
function toMoment(value: unknown): string | undefined {
  if (value instanceof Date) return value.toISOString();
  return value === null || value === undefined ? undefined : String(value);
}

/** @returns undefined for a row without a user name or without a key */
export function readRow(row: Row, table: UserTable): Person | undefined {
  const key = toKey(row[table.subjectColumn]);
  const username = toKey(row[table.usernameColumn])?.text;
  if (!key || username === undefined) return undefined;
  const at = (column: string | undefined): unknown => (column === undefined ? undefined : row[column]);
  const copied = table.claims.flatMap(({ claim, column }) => {
    const value = toClaim(row[column]);
    return value === undefined ? [] : [{ claim, column, value }];
  });
  return {
    key: key.key,
    id: key.text,
    username,
    isActive: table.activeColumn === undefined || isActive(row[table.activeColumn]),
    groups: table.roleColumn === undefined ? [] : toGroups(row[table.roleColumn]),
    claims: Object.fromEntries(copied.map(({ claim, value }) => [claim, value])),
    columns: Object.fromEntries(copied.map(({ column, value }) => [column, value])),
    passwordChangedAt: toMoment(at(table.passwordChangedAtColumn)),
    stored: { hash: row[table.passwordColumn], salt: at(table.saltColumn) },
  };
}

/**
 * Whether the row is that of the name that was typed. A database may compare text as it likes (case, accents, blanks),
 * but a number only equals its own spelling: MySQL takes any other text for 0.
 */
export function isNamed(row: Row, { usernameColumn }: UserTable, typed: string): boolean {
  const text = String(row[usernameColumn]);
  return /^-?\d+(\.\d+)?$/.test(text) ? text === typed : true;
}
