/**
 * What permissions mean for rows and columns, written down once more and as directly as possible, so that nothing is taken
 * from the code that decides.
 */
import type { Alternative } from '../../../src/permissions/limits.ts';
import { ACTIONS, type Action, type Permissions } from '../../../src/permissions/permissions.ts';
import { toVariable } from '../../../src/permissions/variables.ts';
import { type Attributes, GROUP, TABLES, WITH_COLUMNS, type World } from './worlds.ts';

/** An attempt at a row and some of its columns. */
interface Attempt {
  readonly table: string;
  readonly action: Action;
  readonly row: Readonly<Record<string, string | null>>;
  readonly columns: readonly string[];
}

const ROWS = ['1', '2', null].flatMap((customer) => ['eu', 'us'].map((region) => ({ customer, region })));
/** `ghost` is never declared. Rows are deleted whole. */
const choicesOf = (action: Action): string[][] =>
  action === 'delete' ? [[]] : [['customer'], ['region'], ['total'], ['customer', 'total'], ['ghost']];

/** `future` is in no catalogue, so only all tables and admin speak of it, or an open catalogue. */
export const ATTEMPTS: readonly Attempt[] = [...TABLES, 'future'].flatMap((table) =>
  ACTIONS.flatMap((action): Attempt[] =>
    WITH_COLUMNS.includes(table)
      ? ROWS.flatMap((row) => choicesOf(action).map((columns) => ({ table, action, row, columns })))
      : [{ table, action, row: {}, columns: [] }],
  ),
);

/** Whether each of the attempts is allowed. */
export type Sight = readonly boolean[];

const has = ({ columns: allowed }: Alternative, { columns }: Attempt): boolean =>
  columns.every((column) => !allowed || allowed.has(column));

const matches = (
  { rows }: Alternative,
  { row }: Attempt,
  toActual: (value: string) => string | undefined,
): boolean =>
  [...rows].every(([column, values]) =>
    [...values].some((value) => {
      const actual = row[column];
      return typeof actual === 'string' && toActual(value) === actual;
    }),
  );

/** Of a token: its values are final. */
export function sightOf(permissions: Permissions): Sight {
  return ATTEMPTS.map((attempt) =>
    permissions
      .cell(attempt.table, attempt.action)
      .some((each) => has(each, attempt) && matches(each, attempt, (value) => value)),
  );
}

function valueIn(attributes: Attributes, value: string): string | undefined {
  const variable = toVariable(value);
  if (!variable) return value === '02' ? '2' : value;
  return variable.source === 'user' ? attributes[variable.name.slice('attributes.'.length)] : undefined;
}

/** What a ceiling, a role, a connection or a request says, as it is written. */
export function sightOfWritten(permissions: Permissions, world: World, attributes: Attributes): Sight {
  return ATTEMPTS.map((attempt) => {
    const { table, action } = attempt;
    const isDeclared = (column: string): boolean =>
      WITH_COLUMNS.includes(table) && world.columns.includes(column);
    if (permissions.isAdmin) return true;
    const names = world.group.includes(table) ? [table, GROUP] : [table];
    const isNamed = names.some((name) => permissions.allows(name, action));
    if (isNamed && (permissions.allows('*', action) || isListed(table, world))) return true;
    return names.some((name) =>
      (permissions.limits.get(name)?.[ACTIONS.indexOf(action)] ?? []).some(
        (each) =>
          isListed(table, world) &&
          [...each.rows.keys()].every(isDeclared) &&
          attempt.columns.every((column) => !each.columns || isDeclared(column)) &&
          [...(each.columns ?? [''])].some((column) => column === '' || isDeclared(column)) &&
          has(each, attempt) &&
          matches(each, attempt, (value) => valueIn(attributes, value)),
      ),
    );
  });
}

const isListed = (table: string, { tables }: World): boolean => tables?.includes(table) ?? true;

export const both = (...sights: readonly Sight[]): Sight =>
  ATTEMPTS.map((_, at) => sights.every((sight) => sight[at]));
export const either = (...sights: readonly Sight[]): Sight =>
  ATTEMPTS.map((_, at) => sights.some((sight) => sight[at]));
export const EVERYTHING_SEEN: Sight = ATTEMPTS.map(() => true);

/** An attempt that the first allows and the second does not, in words. */
export function findBeyond(below: Sight, above: Sight): string | undefined {
  const at = below.findIndex((isAllowed, index) => isAllowed && !above[index]);
  return at < 0 ? undefined : JSON.stringify(ATTEMPTS[at]);
}
