/** Conditions on rows of one table, in terms of the alternatives that a token has for it. */
import type { Action } from '../../permissions/actions.ts';
import type { ColumnTypes } from '../../permissions/column-limits.ts';
import type { ColumnType } from '../../permissions/column-types.ts';
import type { DatabaseColumn, GuardedTable } from '../model.ts';
import { identifier, json, literal, textArray } from './text.ts';

const INTEGERS = new Set(['smallint', 'integer', 'bigint']);
const FLOATS = new Set(['real', 'double precision']);
const NUMBERS = new Set([...INTEGERS, ...FLOATS, 'numeric']);
const TEXTS = new Set(['text', 'character varying']);
const WITH_ZONE = 'timestamp with time zone';
const WITHOUT_ZONE = 'timestamp without time zone';

/** Types of which settings of the session change the text, so that one text can be that of different values. */
const UNSTEADY =
  /^(?:money|interval|bytea|point|lseg|box|path|polygon|line|circle|reg[a-z]+|record)$|(?:^|\.)cube$|range$|\[\]$/;

const FITTING: { readonly [type in ColumnType]: (baseType: string) => boolean } = {
  text: (baseType) => !FLOATS.has(baseType) && !UNSTEADY.test(baseType),
  integer: (baseType) => INTEGERS.has(baseType) || baseType === 'numeric',
  decimal: (baseType) => NUMBERS.has(baseType),
  boolean: (baseType) => baseType === 'boolean',
  uuid: (baseType) => baseType === 'uuid',
  date: (baseType) => baseType === 'date',
  timestamp: (baseType) => baseType === WITH_ZONE || baseType === WITHOUT_ZONE,
};

/** Whether values of the column compare as those of its declared type. */
export function fitsDeclared({ declared, baseType }: DatabaseColumn): boolean {
  return declared === undefined || FITTING[declared](baseType);
}

type Declared = DatabaseColumn & { readonly declared: ColumnType };

export function declaredColumns({ columns }: GuardedTable): Declared[] {
  return columns.filter((column): column is Declared => column.declared !== undefined);
}

export function declaredTypes(table: GuardedTable): ColumnTypes {
  return Object.fromEntries(declaredColumns(table).map(({ name, declared }) => [name, declared]));
}

/** @param row SQL of the name that the table has there */
export const columnOf = (row: string, { name }: Pick<DatabaseColumn, 'name'>): string =>
  `${row}.${identifier(name)}`;

/** The alternatives for the action: evaluated once a statement, not once a row. */
export function cell(table: GuardedTable, action: Action): string {
  return `(select grantable.cell(${literal(table.id)}, ${literal(action)}, ${json(declaredTypes(table))}))`;
}

export function allows({ id }: GuardedTable, action: Action): string {
  return `(select grantable.allows(${literal(id)}, ${literal(action)}))`;
}

/** A time of the years that our texts can say. */
const timeText = (column: string, time: string): string =>
  `case when ${column} >= '0001-01-01' then rtrim(rtrim(to_char(${time}, 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z' end`;

/** The text that a value of the column is compared in, see `canonicalValue`. */
export function canonicalText(row: string, column: DatabaseColumn): string {
  const value = columnOf(row, column);
  switch (column.baseType) {
    case 'numeric':
      return column.declared === 'text' ? `${value}::text` : `trim_scale(${value})::text`;
    case 'date':
      return `case when ${value} >= '0001-01-01' then to_char(${value}, 'YYYY-MM-DD') end`;
    case WITH_ZONE:
      return timeText(value, `${value} at time zone 'UTC'`);
    case WITHOUT_ZONE:
      return timeText(value, value);
    case 'real':
    case 'double precision':
      // Not the text of the value, whose digits are a setting. A value of more digits than all of which are exact meets nothing.
      return `case when ${value}::numeric::${column.baseType} = ${value} then trim_scale(${value}::numeric)::text end`;
    default:
      return `${value}::text`;
  }
}

/** The row in the texts that it is compared in, by column. */
export function textsOf(row: string, table: GuardedTable): string {
  const columns = declaredColumns(table);
  if (columns.length === 0) return `'{}'::jsonb`;
  const texts = columns.map((column) => canonicalText(row, column));
  return `jsonb_object(${textArray(columns.map(({ name }) => name))}, array[${texts.join(', ')}])`;
}

/** One alternative allows the row, and the columns where there are some: SQL of a text[]. */
export function meets(table: GuardedTable, row: string, action: Action, columns = `'{}'`): string {
  return `grantable.meets(${cell(table, action)}, ${textsOf(row, table)}, ${columns})`;
}

/** The row has a value that is all that one alternative asks for: cheaper than `meets`, and enough for most rights. */
export function meetsAlone(row: string, column: DatabaseColumn, table: GuardedTable, action: Action): string {
  const values = `grantable.values_alone(${cell(table, action)}, ${literal(column.name)})`;
  // Collations may take different texts for equal.
  return `(${canonicalText(row, column)}) collate "C" = any ((select ${values})::text[])`;
}

/** The row has one of the values, in a form for which an index of the column serves. @param texts SQL of a text[] */
export function isCandidate(row: string, column: DatabaseColumn, texts: string): string {
  const { baseType, declared } = column;
  const value = columnOf(row, column);
  if (FLOATS.has(baseType) || (declared === 'text' && !TEXTS.has(baseType))) {
    return `(${canonicalText(row, column)}) = any ((select ${texts})::text[])`;
  }
  if (INTEGERS.has(baseType)) {
    const isInRange = `text::numeric between ${-(2n ** 63n)} and ${2n ** 63n - 1n}`;
    const integers = `select text::bigint from unnest(${texts}) as text where case when text ~ '^-?[0-9]+$' then ${isInRange} end`;
    return `${value} = any ((select array(${integers}))::bigint[])`;
  }
  const type = TEXTS.has(baseType) ? 'text' : baseType;
  return `${value} = any ((select ${texts}::${type}[])::${type}[])`;
}

/** In the order of their names in the resource. */
export function rowColumnsOf({ columns, rowColumns }: GuardedTable): DatabaseColumn[] {
  return rowColumns.flatMap((name) => columns.find((column) => column.name === name) ?? []);
}
