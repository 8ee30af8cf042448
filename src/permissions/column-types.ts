/**
 * The types that a column of a table can have, and the one text in which each value of a type is compared. This file
 * owns what can be cast and how it reads afterwards; which column has which type is the catalogue's to say.
 *
 * A text that could mean two values, or that a database would round, is not cast: it matches nothing.
 */
export const COLUMN_TYPES = ['text', 'integer', 'decimal', 'boolean', 'uuid', 'date', 'timestamp'] as const;

export type ColumnType = (typeof COLUMN_TYPES)[number];

/** In characters, as written and in canonical form. */
const MAX_NUMBER_LENGTH = 1000;

const INTEGER = /^([+-]?)(\d+)$/;
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
const UUID = /^([\da-f]{8})(-?)([\da-f]{4})\2([\da-f]{4})\2([\da-f]{4})\2([\da-f]{12})$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const HOUR = '(?:[01]\\d|2[0-3])';
const MINUTE = '[0-5]\\d';
const TIMESTAMP = new RegExp(
  `^(\\d{4}-\\d\\d-\\d\\d)(?:[Tt ](${HOUR}:${MINUTE})(?:(:${MINUTE})(?:\\.(\\d{1,9}))?)? ?(?:[Zz]|([+-])(0\\d|1[0-5]):?(${MINUTE})?)?)?$`,
);
/** Databases keep microseconds. */
const FRACTION_DIGITS = 6;

const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ['true', 'true'],
  ['t', 'true'],
  ['1', 'true'],
  ['false', 'false'],
  ['f', 'false'],
  ['0', 'false'],
]);

const CASTS: { readonly [type in ColumnType]: (text: string) => string | undefined } = {
  text: (text) => text,
  integer: castInteger,
  decimal: castDecimal,
  boolean: (text) => BOOLEANS.get(text.toLowerCase()),
  uuid: castUuid,
  date: castDate,
  timestamp: castTimestamp,
};

/**
 * The canonical text of a value: two texts mean the same value of the type if and only if theirs are equal. Integers
 * have no leading zeros, decimals neither trailing zeros nor an exponent, booleans are `true` and `false`, UUIDs are in
 * lower case with hyphens, dates are `YYYY-MM-DD`, timestamps are UTC as `YYYY-MM-DDTHH:MM:SS[.ffffff]Z` (without a zone
 * they mean UTC), and text stays as it is. Undefined when the text cannot be cast.
 */
export function canonicalValue(type: ColumnType, text: string): string | undefined {
  return CASTS[type](text);
}

/**
 * The canonical text of a value as a database driver gives it; without a type, its natural text. Undefined for null,
 * arrays, objects other than dates, and numbers that lost digits when the driver read them (unsafe integers).
 * A `Date` is its instant, in milliseconds; in a date column it must be midnight, local or UTC, as drivers differ.
 */
export function canonicalOf(type: ColumnType | undefined, value: unknown): string | undefined {
  const text = value instanceof Date ? textOfDate(type, value) : textOf(value);
  return text === undefined ? undefined : canonicalValue(type ?? 'text', text);
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? String(value) : undefined;
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return undefined;
  }
}

function textOfDate(type: ColumnType | undefined, date: Date): string | undefined {
  if (Number.isNaN(date.getTime())) return undefined;
  if (type !== 'date') return castTimestamp(date.toISOString());
  if (date.getTime() % 86_400_000 === 0) return date.toISOString().slice(0, 10);
  if (date.getHours() + date.getMinutes() + date.getSeconds() + date.getMilliseconds() > 0) return undefined;
  return [
    String(date.getFullYear()).padStart(4, '0'),
    String(date.getMonth() + 1).padStart(2, '0'),
    String(date.getDate()).padStart(2, '0'),
  ].join('-');
}

function castInteger(text: string): string | undefined {
  if (text.length > MAX_NUMBER_LENGTH) return undefined;
  const [, sign, digits] = INTEGER.exec(text) ?? [];
  return digits === undefined ? undefined : signed(sign, digits.replace(/^0+(?=\d)/, ''));
}

function castDecimal(text: string): string | undefined {
  if (text.length > MAX_NUMBER_LENGTH) return undefined;
  const [, sign, before = '', after = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  if (before === '' && after === '') return undefined;
  const digits = `${before}${after}`.replace(/^0+/, '');
  const significant = withoutLastZeros(digits);
  if (significant === '') return '0';
  // The value is `significant` with its decimal point this many places to the left.
  const places = after.length - Number(exponent) - (digits.length - significant.length);
  const written = signed(sign, withPoint(significant, places));
  return written.length > MAX_NUMBER_LENGTH ? undefined : written;
}

function withoutLastZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}

function withPoint(digits: string, places: number): string {
  if (places <= 0) return digits + '0'.repeat(-places);
  const padded = digits.padStart(places + 1, '0');
  return `${padded.slice(0, -places)}.${padded.slice(-places)}`;
}

function signed(sign: string | undefined, digits: string): string {
  return sign === '-' && digits !== '0' ? `-${digits}` : digits;
}

function castUuid(text: string): string | undefined {
  const [, first, , ...others] = UUID.exec(text.toLowerCase()) ?? [];
  return first === undefined ? undefined : [first, ...others].join('-');
}

/** A real date of the years 1 to 9999, of which every database has the same idea. */
function castDate(text: string): string | undefined {
  if (!DATE.test(text) || text.startsWith('0000')) return undefined;
  return findInstant(`${text}T00:00:00Z`)?.startsWith(text) === true ? text : undefined;
}

function castTimestamp(text: string): string | undefined {
  const [, date = '', minutes = '00:00', seconds = ':00', fraction = '', ...offset] =
    TIMESTAMP.exec(text) ?? [];
  if (castDate(date) === undefined) return undefined;
  const digits = withoutLastZeros(fraction);
  if (digits.length > FRACTION_DIGITS) return undefined;
  const instant = findInstant(`${date}T${minutes}${seconds}Z`, offsetMs(offset));
  if (instant === undefined || castDate(instant.slice(0, 10)) === undefined) return undefined;
  return `${instant.slice(0, 19)}${digits && `.${digits}`}Z`;
}

function offsetMs([sign, hours = '0', minutes = '0']: (string | undefined)[]): number {
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

/** In ISO 8601, moved back by an offset from UTC in milliseconds; undefined if there is no such time. */
function findInstant(iso: string, offset = 0): string | undefined {
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? undefined : new Date(ms - offset).toISOString();
}
