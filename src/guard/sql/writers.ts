/**
 * Writing through the view of a limited table: a trigger that runs as the owner of the view, so that the policies of the table judge
 * the rows. They find the columns that are set in a setting: an alternative must have both the row and the columns.
 */
import type { Action } from '../../permissions/actions.ts';
import type { Guard, GuardedTable } from '../model.ts';
import { cell, columnOf, textsOf } from './conditions.ts';
import { KNOWN_CELLS, READER, viewOf, writerOf } from './names.ts';
import { dollarQuoted, identifier, literal, qualified, SAFE_PATH } from './text.ts';

/** The table in statements of the trigger. */
const ROW = 't';
const NEW = 'new';
const OLD = 'old';

const OPERATIONS: readonly (readonly [string, Action])[] = [
  ['INSERT', 'create'],
  ['UPDATE', 'update'],
  ['DELETE', 'delete'],
];

const setColumns = (columns: string): string => `perform set_config('grantable.columns', ${columns}, true);`;

const setCells = (cells: string): string => `perform set_config(${literal(KNOWN_CELLS)}, ${cells}, true);`;

/** The policies would ask for them again and again; what a client has set there is forgotten first. */
function keepCells(table: GuardedTable): string {
  const changed = ([operation, action]: readonly [string, Action]) =>
    `when ${literal(operation)} then jsonb_build_object(${literal(action)}, ${cell(table, action)})`;
  const ofAction = `case tg_op ${OPERATIONS.map(changed).join(' ')} end`;
  const cells = `jsonb_build_object('read', ${cell(table, 'read')}) || ${ofAction}`;
  return `  ${setCells(`''`)}
  ${setCells(`jsonb_build_object(${literal(table.id)}, ${cells})::text`)}`;
}

const forget = (): string => `${setColumns(`''`)} ${setCells(`''`)}`;

function refusal(text: string, values: string): string {
  return `raise exception using errcode = 'insufficient_privilege', message = format(${literal(text)}, ${values});`;
}

export function writer(guard: Guard, table: GuardedTable): string[] {
  if (!table.isLimited) return [];
  const [view, name] = [qualified(viewOf(guard, table)), qualified(writerOf(table))];
  const canChange = table.key.length > 0;
  const events = canChange ? 'insert or update or delete' : 'insert';
  return [
    `create or replace function ${name}() returns trigger
  language plpgsql security definer ${SAFE_PATH}
  as ${dollarQuoted(body(guard, table))};`,
    `alter function ${name}() owner to ${READER};`,
    // A trigger runs it in any case; who may call it could attach it to a relation whose columns run functions of their own.
    `revoke all on function ${name}() from ${['public', ...guard.clientRoles.map(identifier)].join(', ')};`,
    `create trigger grantable_write instead of ${events} on ${view} for each row execute function ${name}();`,
  ];
}

function body(guard: Guard, table: GuardedTable): string {
  return `
-- Columns are always written with their table.
#variable_conflict use_variable
declare
  stored ${qualified(table)};
  named text[];
  cell jsonb;
  texts jsonb;
begin
${keepCells(table)}
${table.key.length > 0 ? `${keyCheck(table)}\n${deletion(table)}\n${update(guard, table)}\n` : ''}${insertion(guard, table)}
end`;
}

/** The view hides the key of a row whose key may not be read: the row cannot be found by it. */
function keyCheck({ id, key }: GuardedTable): string {
  const isHidden = key.map((name) => `${columnOf(OLD, { name })} is null`).join(' or ');
  return `  if tg_op <> 'INSERT' and (${isHidden}) then
    ${refusal('The token does not show the key of the rows of %s that are to be changed', literal(id))}
  end if;`;
}

function isSameRow({ key }: GuardedTable): string {
  return key.map((name) => `${columnOf(ROW, { name })} = ${columnOf(OLD, { name })}`).join(' and ');
}

/**
 * The client chose the row, and the new values, by what it was when the statement began: no change that others made since is lost
 * or overlooked.
 */
function refuseChanged({ id, columns }: GuardedTable): string {
  const isChanged = columns.map(
    (column) =>
      `${columnOf(OLD, column)} is not null and ${columnOf(OLD, column)}::text is distinct from ${columnOf('stored', column)}::text`,
  );
  return `if ${isChanged.join('\n      or ')} then
      raise exception using errcode = 'serialization_failure', message = ${literal(`A row of ${id} was changed while the statement ran: try again`)};
    end if;`;
}

function deletion(table: GuardedTable): string {
  return `  if tg_op = 'DELETE' then
    delete from ${qualified(table)} as ${ROW} where ${isSameRow(table)} returning ${ROW}.* into stored;
    if not found then return null; end if;
    ${refuseChanged(table)}
    ${forget()}
    return old;
  end if;`;
}

/** Pairs of a column's name and whether the client set it, as a list of the names. */
function namesWhere(table: GuardedTable, isSet: (column: { readonly name: string }) => string): string {
  const pairs = table.columns.map((column) => `(${literal(column.name)}, ${isSet(column)})`);
  return `array(select name from (values ${pairs.join(', ')}) as given (name, is_set) where is_set)`;
}

function update(guard: Guard, table: GuardedTable): string {
  // Texts, because not every type has an operator that compares.
  const differs = (column: { readonly name: string }) =>
    `${columnOf(NEW, column)}::text is distinct from ${columnOf(OLD, column)}::text`;
  const settable = table.columns.filter(({ generated }) => generated !== 'always');
  const assignments = settable.map(
    (column) =>
      `${identifier(column.name)} = case when ${literal(column.name)} = any (named) then ${columnOf(NEW, column)} else ${columnOf(ROW, column)} end`,
  );
  const isOpen = guard.mode === 'report' ? `'{}'` : 'named::text';
  return `  if tg_op = 'UPDATE' then
    named := ${namesWhere(table, differs)};
    ${refuseGenerated(table)}
    ${setColumns(`'{}'`)}
    select ${ROW}.* into stored from ${qualified(table)} as ${ROW} where ${isSameRow(table)} for update;
    if not found then return null; end if;
    ${refuseChanged(table)}
    ${setColumns(isOpen)}
    update ${qualified(table)} as ${ROW} set
      ${assignments.join(',\n      ')}
    where ${isSameRow(table)} returning ${ROW}.* into stored;
    if not found then
      ${refusal('The token does not allow to set %s of this row of %s', `array_to_string(named, ', '), ${literal(table.id)}`)}
    end if;
    ${showStored(table)}
    ${forget()}
    return new;
  end if;`;
}

function refuseGenerated({ id, columns }: GuardedTable): string {
  const always = columns.filter(({ generated }) => generated === 'always').map(({ name }) => literal(name));
  if (always.length === 0) return '';
  return `if named && array[${always.join(', ')}] then
      raise exception using errcode = 'generated_always', message = ${literal(`The database fills in columns of ${id} that are to be set`)};
    end if;`;
}

/** What may be read of the row as it is stored: the database may have filled in or changed columns. */
function showStored(table: GuardedTable): string {
  const shown = table.columns.map(
    ({ name }) =>
      `if grantable.meets(cell, texts, array[${literal(name)}]) then ${columnOf(NEW, { name })} := ${columnOf('stored', { name })}; end if;`,
  );
  return [`cell := ${cell(table, 'read')};`, `texts := ${textsOf('stored', table)};`, ...shown].join(
    '\n    ',
  );
}

/**
 * Columns without a value are left to their defaults. What is returned shows the new row only if it may be read: PostgreSQL
 * refuses to return another.
 */
function insertion(guard: Guard, table: GuardedTable): string {
  const isSet = (column: { readonly name: string }) => `${columnOf(NEW, column)} is not null`;
  const into = `${literal(`insert into ${qualified(table)} `)} ||
    case when named = '{}' then 'default values' else (
      select format('(%s) select %s from (select ($1).*) as given', names, names)
      from (select string_agg(quote_ident(name), ', ') as names from unnest(named) as name) as list
    ) end`;
  const isOpen = guard.mode === 'report' ? `'{}'` : 'named::text';
  return `  named := ${namesWhere(table, isSet)};
  ${refuseGenerated(table)}
  ${setColumns(isOpen)}
  if ${cell(table, 'read')} <> '[]' then
    begin
      execute ${into} || ' returning *' into stored using new;
      ${showStored(table)}
      ${forget()}
      return new;
    exception when insufficient_privilege then
      ${setColumns(isOpen)}
    end;
  end if;
  execute ${into} using new;
  ${forget()}
  return new;`;
}
