/**
 * Row level security of a guarded table, in restrictive policies for every role, because permissive ones, such as those that were
 * there before, add up. Partitions and children have the same: reading one by name does not ask the policies of its parent.
 */
import { ACTIONS, type Action } from '../../permissions/actions.ts';
import type { Guard, GuardedTable, QualifiedName } from '../model.ts';
import { allows, meets, meetsAlone, rowColumnsOf } from './conditions.ts';
import { READER } from './names.ts';
import { identifier, literal, qualified } from './text.ts';

const COMMANDS: { readonly [action in Action]: string } = {
  create: 'insert',
  read: 'select',
  update: 'update',
  delete: 'delete',
};

/** The trigger of the view says which columns it sets; without it, all of them, which is what NULL stands for. */
const SET_COLUMNS = `(select nullif(current_setting('grantable.columns', true), '')::text[])`;

const either = (conditions: readonly string[]): string => `(${conditions.join('\n    or ')})`;

/** @param others on the row, after which only what a token is limited to is looked at */
function check(
  table: GuardedTable,
  row: string,
  action: Action,
  { columns, others = [] }: { readonly columns?: string; readonly others?: readonly string[] } = {},
): string {
  // The first that is true ends it: the cheap ones come first.
  const conditions = [allows(table, action), ...others];
  if (!table.isLimited) return either(conditions);
  const alone =
    action === 'read' ? rowColumnsOf(table).map((column) => meetsAlone(row, column, table, action)) : [];
  return either([...conditions, ...alone, meets(table, row, action, columns)]);
}

/** @param isExempt the role of the request @returns the conditions on rows before and after */
function conditions(
  table: GuardedTable,
  row: string,
  action: Action,
  isExempt: string,
): { before?: string; after?: string } {
  const read = check(table, row, 'read');
  const orExempt = (...all: string[]) => either([isExempt, all.join(' and ')]);
  switch (action) {
    case 'create':
      return { after: orExempt(check(table, row, action, { columns: SET_COLUMNS })) };
    case 'read':
      return { before: check(table, row, action, { others: [isExempt] }) };
    case 'update':
      return {
        before: orExempt(check(table, row, action, { columns: SET_COLUMNS }), read),
        after: orExempt(check(table, row, action), read),
      };
    case 'delete':
      return { before: orExempt(check(table, row, action), read) };
  }
}

export function policies(guard: Guard, table: GuardedTable): string[] {
  return [table, ...table.children].flatMap((each) => policiesOn(each, guard, table));
}

function policiesOn(target: QualifiedName, guard: Guard, table: GuardedTable): string[] {
  const name = qualified(target);
  const exempt = guard.exemptRoles.map(literal).join(', ');
  const isExempt = `(select current_user = any (array[${exempt}]::name[]))`;
  const orReported = (condition: string, action: Action) =>
    guard.mode === 'report'
      ? either([condition, `(select grantable.would_refuse(${literal(table.id)}, ${literal(action)}))`])
      : condition;
  const roles = [READER, ...guard.clientRoles, ...guard.exemptRoles].map(identifier).join(', ');
  return [
    `alter table ${name} enable row level security;`,
    `alter table ${name} force row level security;`,
    replaced('grantable_allow', name, `for all to ${roles} using (true) with check (true)`),
    ...ACTIONS.map((action) => {
      const { before, after } = conditions(table, identifier(target.name), action, isExempt);
      const clauses = [
        before && `using ${orReported(before, action)}`,
        after && `with check ${orReported(after, action)}`,
      ].filter(Boolean);
      return replaced(
        `grantable_${action}`,
        name,
        `as restrictive for ${COMMANDS[action]} to public ${clauses.join('\n  ')}`,
      );
    }),
  ];
}

function replaced(policy: string, table: string, rest: string): string {
  return `drop policy if exists ${policy} on ${table};\ncreate policy ${policy} on ${table} ${rest};`;
}
