/** Names and values in SQL text. */
import pg from 'pg';
import type { QualifiedName } from '../model.ts';

/** Names of at most 63 bytes, and texts. */
export const { escapeIdentifier: identifier, escapeLiteral: literal } = pg;

export const qualified = ({ schema, name }: QualifiedName): string =>
  `${identifier(schema)}.${identifier(name)}`;

export const textArray = (texts: readonly string[]): string =>
  texts.length === 0 ? `'{}'::text[]` : `array[${texts.map(literal).join(', ')}]::text[]`;

export const json = (value: unknown): string => `${literal(JSON.stringify(value))}::jsonb`;

/** The body of a function, which may hold any name. */
export function dollarQuoted(body: string): string {
  let tag = '$$';
  for (let count = 1; body.includes(tag); count += 1) tag = `$body${count}$`;
  return `${tag}${body}${tag}`;
}

/** For comments, which end with the line. */
export const oneLine = (text: string): string => JSON.stringify(text);

/** Of functions: an empty path would still find types of the session first, which may run functions of the client. */
export const SAFE_PATH = 'set search_path = pg_catalog, pg_temp';
