/**
 * What PostgreSQL, MySQL (and MariaDB) and SQLite spell differently. Values are compared as texts, byte by byte: collations
 * find `EU` equal to `eu`, numbers are rounded, and `'42abc' = 42` is true in MySQL. Where a plain comparison lets the
 * database use an index, it stands beside the exact one.
 */
import type { ColumnType } from '../permissions/column-types.ts';

export type SqlDialect = 'postgres' | 'mysql' | 'sqlite';

/** Adds a value to the parameters and gives its placeholder. */
export type Bind = (value: string) => string;

export interface Syntax {
  /** @param number from 1 */
  placeholder(number: number): string;
  quote(name: string): string;
  /** Whether a column can have the name: a database would cut or change others, and so mean another column. */
  canName(name: string): boolean;
  /** It has one of the values, which are canonical for the type. */
  readonly equalsOne: Condition<string>;
  /** The same or more, in a form for which the database can use an index; undefined if the database cannot. */
  readonly narrow: Condition<string | undefined>;
}

/** On a quoted column. */
type Condition<Sql> = (
  column: string,
  type: ColumnType | undefined,
  values: readonly string[],
  bind: Bind,
) => Sql;

const doubleQuoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const list = (values: readonly string[], spell: (value: string) => string): string =>
  `(${values.map(spell).join(', ')})`;

const MAX_BIGINT = 2n ** 63n - 1n;
const isBigint = (value: string): boolean => {
  const number = BigInt(value);
  return number <= MAX_BIGINT && number >= -MAX_BIGINT;
};

/** The texts that databases and drivers write for one canonical value. */
function textsOf(type: ColumnType | undefined, value: string): string[] {
  if (type === 'boolean') return value === 'true' ? ['true', 't', '1'] : ['false', 'f', '0'];
  if (type === 'uuid') return [value, value.replaceAll('-', '')];
  return type === 'timestamp' ? timestampTexts(value) : [value];
}

const FRACTION_DIGITS = 6;

/** With as many digits of a second as a column may have, as SQL and as ISO 8601 write it. */
function timestampTexts(canonical: string): string[] {
  const [seconds = '', fraction = ''] = canonical.slice(0, -1).split('.');
  const digits = Array.from({ length: FRACTION_DIGITS + 1 }, (_, length) => length);
  return digits
    .filter((length) => length >= fraction.length)
    .map((length) => (length === 0 ? seconds : `${seconds}.${fraction.padEnd(length, '0')}`))
    .flatMap((time) => [`${time}Z`, time.replace('T', ' ')]);
}

/** A column of texts may have either case, but an index finds no mixture of both. */
const uuidTexts = (values: readonly string[]): string[] =>
  values.flatMap((value) => textsOf('uuid', value)).flatMap((text) => [text, text.toUpperCase()]);

/** @param integer the type that a value is cast to */
const narrowTo =
  (integer: string): Syntax['narrow'] =>
  (column, type, values, bind) => {
    if (type === 'text') return `${column} IN ${list(values, bind)}`;
    if (type === 'uuid') return `${column} IN ${list(uuidTexts(values), bind)}`;
    if (type !== 'integer' || !values.every(isBigint)) return undefined;
    return `${column} IN ${list(values, (value) => `CAST(${bind(value)} AS ${integer})`)}`;
  };

interface TextSyntax {
  /** Of a column, as its canonical text or one of `textsOf`; NULL for what has none. */
  text(column: string): string;
  /** Without the zeros at the end of a fraction. */
  withoutZeros(text: string): string;
  /** Whether the text is one of these, byte by byte. */
  isOne(text: string, placeholders: readonly string[]): string;
}

function equalsAsText({ text, withoutZeros, isOne }: TextSyntax): Syntax['equalsOne'] {
  return (column, type, values, bind) => {
    const plain = text(column);
    const hasCase = type === 'boolean' || type === 'uuid';
    const compared = hasCase ? `lower(${plain})` : type === 'decimal' ? withoutZeros(plain) : plain;
    const texts = values.flatMap((value) => textsOf(type, value));
    return isOne(compared, texts.map(bind));
  };
}

const postgresEquals = equalsAsText({
  text: (column) => `CAST(${column} AS text)`,
  withoutZeros: (text) =>
    `CASE WHEN strpos(${text}, '.') > 0 THEN rtrim(rtrim(${text}, '0'), '.') ELSE ${text} END`,
  isOne: (text, placeholders) => `(${text}) COLLATE "C" IN (${placeholders.join(', ')})`,
});
const narrowToBigint = narrowTo('bigint');

/** Seconds since 1970, for columns without a time zone too, which then mean UTC. */
const epochOf = (instant: string): string => `EXTRACT(EPOCH FROM ${instant})`;

const postgres: Syntax = {
  placeholder: (number) => `$${number}`,
  quote: doubleQuoted,
  canName: (name) => Buffer.byteLength(name) <= 63,
  equalsOne: (column, type, values, bind) =>
    type === 'timestamp'
      ? `${epochOf(column)} IN ${list(values, (value) => epochOf(`CAST(${bind(value)} AS timestamptz)`))}`
      : postgresEquals(column, type, values, bind),
  narrow: (column, type = 'text', values, bind) =>
    narrowToBigint(type === 'text' ? `CAST(${column} AS text)` : column, type, values, bind),
};

const IS_UTC =
  "(@@session.time_zone IN ('+00:00', 'UTC') OR (@@session.time_zone = 'SYSTEM' AND @@system_time_zone = 'UTC'))";

const asBytes = (text: string): string => `CAST(${text} AS BINARY)`;

const mysqlEquals = equalsAsText({
  text: (column) => `CONVERT(${column} USING utf8mb4)`,
  withoutZeros: (text) =>
    `CASE WHEN LOCATE('.', ${text}) > 0 THEN TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM ${text})) ELSE ${text} END`,
  isOne: (text, placeholders) =>
    `${asBytes(text)} IN ${list(placeholders, (each) => asBytes(`CONVERT(${each} USING utf8mb4)`))}`,
});

const mysql: Syntax = {
  placeholder: () => '?',
  quote: (name) => `\`${name.replaceAll('`', '``')}\``,
  // Drivers that write values into the text take a question mark in a name for a placeholder.
  canName: (name) => name.length <= 64 && !/[?\u{10000}-\u{10FFFF}]/u.test(name),
  // What a TIMESTAMP reads as depends on the session.
  equalsOne(column, type, values, bind) {
    const equals = mysqlEquals(column, type, values, bind);
    return type === 'timestamp' ? `${IS_UTC} AND ${equals}` : equals;
  },
  narrow: narrowTo('SIGNED'),
};

const sqlite: Syntax = {
  placeholder: () => '?',
  quote: doubleQuoted,
  canName: () => true,
  equalsOne: equalsAsText({
    // It writes a real number with 15 digits; one that needs more reads as another. Bytes are not a text.
    text: (column) =>
      `CASE WHEN typeof(${column}) IN ('integer', 'text') OR CAST(CAST(${column} AS TEXT) AS REAL) = ${column} THEN CAST(${column} AS TEXT) END`,
    withoutZeros: (text) =>
      `CASE WHEN instr(${text}, '.') > 0 THEN rtrim(rtrim(${text}, '0'), '.') ELSE ${text} END`,
    isOne: (text, placeholders) => `(${text}) COLLATE BINARY IN (${placeholders.join(', ')})`,
  }),
  narrow: narrowTo('INTEGER'),
};

export const SYNTAXES: { readonly [dialect in SqlDialect]: Syntax } = { postgres, mysql, sqlite };
