/**
 * The views that clients use in place of tables. One owned by a role that the policies bind is needed, because a view with
 * `security_invoker` leaves its callers the right to read the table itself.
 */
import type { DatabaseColumn, Guard, GuardedTable } from '../model.ts';
import { allows, canonicalText, cell, columnOf, declaredColumns, isCandidate } from './conditions.ts';
import { READER, textsOf, viewOf } from './names.ts';
import { dollarQuoted, identifier, literal, qualified, textArray } from './text.ts';

/** The table in the views. */
const ROW = 't';

export function view(guard: Guard, table: GuardedTable): string[] {
  const name = qualified(viewOf(guard, table));
  const query = table.isLimited ? limitedQuery(guard, table) : plainQuery(table);
  return [
    `drop view if exists ${name};`,
    ...(table.isLimited ? [textsFunction(table)] : []),
    // Of a table that is shown whole or not at all nothing can leak, and without the barrier a scan reads only what is asked for.
    `create view ${name} with (security_barrier = ${table.isLimited}) as\n${query};`,
    `alter view ${name} owner to ${READER};`,
    ...guard.clientRoles.map((role) => `grant ${privileges(table)} on ${name} to ${identifier(role)};`),
  ];
}

function privileges({ isLimited, key }: GuardedTable): string {
  return isLimited && key.length === 0 ? 'select, insert' : 'select, insert, update, delete';
}

function plainQuery(table: GuardedTable): string {
  return `select ${table.columns.map((column) => columnOf(ROW, column)).join(', ')} from ${qualified(table)} as ${ROW}`;
}

/** The texts that values of a row are compared in, by column. */
function textsFunction(table: GuardedTable): string {
  const pairs = declaredColumns(table).map(
    (column) => `jsonb_build_object(${literal(column.name)}, ${canonicalText(ROW, column)})`,
  );
  return `create or replace function ${qualified(textsOf(table))}(${ROW} ${qualified(table)}) returns jsonb
  language sql stable parallel safe set search_path = ''
  as ${dollarQuoted(`select ${pairs.join('\n  || ') || `'{}'::jsonb`}`)};`;
}

/**
 * A branch for each way in which rows may be found, because a condition with OR is always a sequential scan. Each begins with
 * what is known before the first row is read, and leaves out the rows of those before it. Which rows are allowed is up to the policies.
 */
function limitedQuery(guard: Guard, table: GuardedTable): string {
  const from = `from ${qualified(table)} as ${ROW}`;
  const plain = table.columns.map((column) => columnOf(ROW, column)).join(', ');
  const masked = table.columns.map((column) => maskedColumn(guard, table, column)).join(',\n  ');
  if (guard.mode === 'report') return `select ${masked}\n${from}`;
  const read = cell(table, 'read');
  const unlimited = allows(table, 'read');
  const wholeRows = `grantable.has_whole_rows(${read})`;
  const rowColumns = table.rowColumns.flatMap(
    (name) => table.columns.find((column) => column.name === name) ?? [],
  );
  const names = textArray(rowColumns.map(({ name }) => name));
  const found = rowColumns.map((column, index) =>
    isCandidate(ROW, column, `grantable.candidates(${read}, ${names}, ${index + 1})`),
  );
  const notFound = (count: number) => found.slice(0, count).map((each) => `(${each}) is not true`);
  const branch = (columns: string, conditions: readonly string[]) =>
    `select ${columns}\n${from}\nwhere ${conditions.join('\n  and ')}`;
  const byRows = `not ${unlimited} and not ${wholeRows}`;
  return [
    branch(plain, [unlimited]),
    branch(masked, [`(select not ${unlimited} and ${wholeRows})`]),
    ...found.map((isFound, index) => branch(masked, [`(select ${byRows})`, isFound, ...notFound(index)])),
    branch(masked, [
      `(select ${byRows} and grantable.has_others(${read}, ${names}))`,
      ...notFound(found.length),
    ]),
  ].join('\nunion all\n');
}

/** NULL in the rows in which the column may not be read. */
function maskedColumn({ mode }: Guard, table: GuardedTable, column: DatabaseColumn): string {
  const [value, name] = [columnOf(ROW, column), literal(column.name)];
  const read = cell(table, 'read');
  const isShown = `grantable.shows_in(${read}, ${name}, ${qualified(textsOf(table))}(${ROW}))`;
  const whens = [
    `when (select grantable.shows(${read}, ${name})) = 'always' then ${value}`,
    `when (select grantable.shows(${read}, ${name})) = 'sometimes' and ${isShown} then ${value}`,
    ...(mode === 'report'
      ? [
          `when (select grantable.would_refuse(${literal(table.id)}, ${literal(`read ${column.name}`)})) then ${value}`,
        ]
      : []),
  ];
  return `case ${whens.join(' ')} end as ${identifier(column.name)}`;
}
