/**
 * The views that clients use in place of tables. One owned by a role that the policies bind is needed, because a view with
 * `security_invoker` leaves its callers the right to read the table itself.
 */
import type { Guard, GuardedTable } from '../model.ts';
import { allows, cell, columnOf, isCandidate, rowColumnsOf, textsOf } from './conditions.ts';
import { READER, viewOf } from './names.ts';
import { identifier, literal, qualified, textArray } from './text.ts';

/** The table in the views. */
const ROW = 't';

export function view(guard: Guard, table: GuardedTable): string[] {
  const name = qualified(viewOf(guard, table));
  const query = table.isLimited ? limitedQuery(guard, table) : plainQuery(table);
  return [
    `drop view if exists ${name};`,
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

/** What a token shows: its alternatives, and of each column whether they always (true) or partly (false) show it. */
const SHOWN = 'shown';
/** The row in the texts that it is compared in, where a column is shown in some rows. */
const COMPARED = 'compared';

/**
 * A branch for each way in which rows are found, because a condition with OR is always a sequential scan. Each begins with
 * what is known before the first row is read, and leaves out the rows of those before it. Which rows are allowed is up to
 * the policies. Rights to all columns of all rows see the table as it is; for the others columns are hidden above the branches.
 */
function limitedQuery(guard: Guard, table: GuardedTable): string {
  const columns = table.columns.map((column) => columnOf(ROW, column)).join(', ');
  const from = `select ${columns} from ${qualified(table)} as ${ROW}`;
  if (guard.mode === 'report') return masked(guard, table, from);
  const limited = limitedBranches(table).map(
    (conditions) => `${from}\n  where ${conditions.join('\n    and ')}`,
  );
  return `${from}\nwhere ${allows(table, 'read')}\nunion all\n${masked(guard, table, limited.join('\n  union all\n  '))}`;
}

/** Conditions of the branches: one for each row column, one for rights that none of them finds. */
function limitedBranches(table: GuardedTable): string[][] {
  const read = cell(table, 'read');
  const rowColumns = rowColumnsOf(table);
  const names = textArray(rowColumns.map(({ name }) => name));
  const isTaken = (...branches: string[]) =>
    `(select grantable.branches(${read}, ${names}) && ${textArray(branches)})`;
  const found = rowColumns.map((column, index) =>
    isCandidate(ROW, column, `grantable.candidates(${read}, ${names}, ${index + 1})`),
  );
  const notFound = found.map((isFound) => `(${isFound}) is not true`);
  const isUnfound = notFound.length === 0 ? [] : [`(${isTaken('all rows')} or ${notFound.join(' and ')})`];
  return [
    ...found.map((isFound, index) => [isTaken(String(index + 1)), isFound, ...notFound.slice(0, index)]),
    [isTaken('all rows', 'others'), ...isUnfound],
  ];
}

/** Columns are NULL in the rows in which they may not be read. */
function masked({ mode }: Guard, table: GuardedTable, rows: string): string {
  const read = cell(table, 'read');
  const visible = table.columns.map(({ name }) => {
    const [value, text] = [columnOf(ROW, { name }), literal(name)];
    const whens = [
      `when (${SHOWN}.columns -> ${text})::boolean then ${value}`,
      `when ${SHOWN}.columns ? ${text} and grantable.meets(${SHOWN}.cell, ${COMPARED}.texts, array[${text}]) then ${value}`,
      ...(mode === 'report'
        ? [
            `when (select grantable.would_refuse(${literal(table.id)}, ${literal(`read ${name}`)})) then ${value}`,
          ]
        : []),
    ];
    return `case ${whens.join(' ')} end as ${identifier(name)}`;
  });
  const names = textArray(table.columns.map(({ name }) => name));
  // OFFSET 0 and LIMIT keep the planner from copying the masks into each branch. There is no limit: not knowing that before it
  // runs, the planner thinks less of the branches that will not, and does not compile the whole statement because of them.
  return `select ${visible.join(',\n  ')}
from (select cell, grantable.shown(cell, ${names}) as columns from (select ${read} as cell offset 0) as given offset 0) as ${SHOWN},
  (${rows} limit (select null::bigint)) as ${ROW},
  lateral (select case when ${SHOWN}.columns @@ '$.* == false' then ${textsOf(ROW, table)} end as texts offset 0) as ${COMPARED}`;
}
