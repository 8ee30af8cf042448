/** Conditions on rows of one table, in terms of the alternatives that a token has for it. */
import type { Action } from '../../permissions/actions.ts';
import type { ColumnType } from '../../permissions/column-types.ts';
import type { DatabaseColumn, GuardedTable } from '../model.ts';
import { identifier, json, literal } from './text.ts';

/** The name of each alternative in conditions; no table may have it. */
export const ALTERNATIVE = 'grantable_alternative';

const INTEGERS = new Set(['smallint', 'integer', 'bigint']);
const NUMBERS = new Set([...INTEGERS, 'numeric', 'real', 'double precision']);
const TEXTS = new Set(['text', 'character varying']);
const WITH_ZONE = 'timestamp with time zone';
const WITHOUT_ZONE = 'timestamp without time zone';

const FITTING: { readonly [type in ColumnType]: (baseType: string) => boolean } = {
  text: () => true,
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

/** @param row SQL of the name that the table has there */
export const columnOf = (row: string, { name }: Pick<DatabaseColumn, 'name'>): string =>
  `${row}.${identifier(name)}`;

/** The alternatives for the action: evaluated once a statement, not once a row. */
export function cell(table: GuardedTable, action: Action): string {
  const types = Object.fromEntries(declaredColumns(table).map(({ name, declared }) => [name, declared]));
  return `(select grantable.cell(${literal(table.id)}, ${literal(action)}, ${json(types)}))`;
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
    default:
      return `${value}::text`;
  }
}

/** NULL meets no condition. */
function meetsCondition(row: string, column: DatabaseColumn): string {
  const rows = `${ALTERNATIVE} -> 'rows'`;
  const isFree = `not coalesce(${rows} ? ${literal(column.name)}, false)`;
  return `coalesce(${rows} -> ${literal(column.name)} ? (${canonicalText(row, column)}), ${isFree})`;
}

/** @param having further conditions on the alternative */
export function matches(
  table: GuardedTable,
  row: string,
  action: Action,
  having: readonly string[] = [],
): string {
  const conditions = [...having, ...declaredColumns(table).map((column) => meetsCondition(row, column))];
  return `exists (
    select from jsonb_array_elements(${cell(table, action)}) as ${ALTERNATIVE}
    where ${conditions.join('\n      and ') || 'true'}
  )`;
}

/** The row has one of the values, in a form for which an index of the column serves. @param texts SQL of a text[] */
export function isCandidate(row: string, column: DatabaseColumn, texts: string): string {
  const { baseType, declared } = column;
  const value = columnOf(row, column);
  if (INTEGERS.has(baseType)) {
    const inRange = `select text::bigint from unnest(${texts}) as text where text::numeric between ${-(2n ** 63n)} and ${2n ** 63n - 1n}`;
    return `${value} = any ((select array(${inRange}))::bigint[])`;
  }
  if (declared === 'text' && !TEXTS.has(baseType)) return `${value}::text = any ((select ${texts})::text[])`;
  const type = TEXTS.has(baseType) ? 'text' : baseType;
  return `${value} = any ((select ${texts}::${type}[])::${type}[])`;
}
