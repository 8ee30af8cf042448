/** What a resource has: its tables with their columns, and groups of tables. */
import { listSome } from '../errors/texts.ts';
import { ACTIONS, toActions } from './actions.ts';
import { type ColumnType, canonicalValue } from './column-types.ts';
import { PermissionsError, quoteName } from './errors.ts';
import { Alternative } from './limits.ts';
import { createPermissions, mapLimits, type Permissions, type Right, rightsOf } from './permissions.ts';
import { ALL_TABLES, toGroup, toGroupName } from './table-ids.ts';
import { toVariable } from './variables.ts';

type Columns = ReadonlyMap<string, ColumnType>;

export interface Catalogue {
  /** There may be further tables, of any name. */
  readonly isOpen: boolean;
  /** By id. */
  readonly tables: ReadonlyMap<string, Columns>;
  /** Ids of the tables, by id of the group. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

const NO_COLUMNS: Columns = new Map();

/**
 * What is left of permissions in a catalogue: each group becomes its tables, tables that a closed catalogue lacks are
 * dropped, columns and conditions on columns that are not declared too, and values are brought into the form in which
 * they compare. `*` and admin stay: they mean whatever the tables are.
 */
export function withinCatalogue(permissions: Permissions, catalogue: Catalogue): Permissions {
  const known = lastWithin.get(permissions);
  if (known?.catalogue === catalogue) return known.result;
  const result = withinAnew(permissions, catalogue);
  lastWithin.set(permissions, { catalogue, result });
  return result;
}

/** Ceilings and roles are kept as long as the directory does not change, and so is the catalogue. */
const lastWithin = new WeakMap<
  Permissions,
  { readonly catalogue: Catalogue; readonly result: Permissions }
>();

function withinAnew(permissions: Permissions, catalogue: Catalogue): Permissions {
  const named = restrictToTables(expandGroups(permissions, catalogue), catalogue);
  if (named.limits.size === 0) return named;
  return mapLimits(named, (table, limit) => declaredPart(limit, catalogue.tables.get(table) ?? NO_COLUMNS));
}

/** The same with the tables of each group in its place. A group that does not exist has none. */
export function expandGroups(permissions: Permissions, { groups }: Catalogue): Permissions {
  if (!namesGroup(permissions)) return permissions;
  const rights = [...rightsOf(permissions)].flatMap(([name, mask, limit]): Right[] => {
    const group = toGroup(name);
    if (group === undefined) return [[name, mask, limit]];
    return (groups.get(group) ?? []).map((table) => [table, mask, limit]);
  });
  return createPermissions(rights, permissions.isCut);
}

function namesGroup({ masks, limits }: Permissions): boolean {
  for (const names of [masks.keys(), limits.keys()]) {
    for (const name of names) if (toGroup(name) !== undefined) return true;
  }
  return false;
}

function restrictToTables(permissions: Permissions, { isOpen, tables }: Catalogue): Permissions {
  const { masks, limits } = permissions;
  if (isOpen || [...masks.keys(), ...limits.keys()].every((table) => tables.has(table))) return permissions;
  return createPermissions(
    [...rightsOf(permissions)].filter(([table]) => table === ALL_TABLES || tables.has(table)),
    permissions.isCut,
  );
}

/** Every name that permissions may have for it, `*` aside. */
export function namesIn({ tables, groups }: Catalogue): ReadonlySet<string> {
  return new Set([...tables.keys(), ...[...groups.keys()].map(toGroupName)]);
}

/** @returns undefined where nothing is left of it */
function declaredPart({ columns, rows }: Alternative, declared: Columns): Alternative | undefined {
  const known = columns && [...columns].filter((column) => declared.has(column));
  if (known?.length === 0) return undefined;
  const conditions: [string, string[]][] = [];
  for (const [column, values] of rows) {
    const type = declared.get(column);
    const castable = type ? [...values].flatMap((value) => canonical(type, value) ?? []) : [];
    if (castable.length === 0) return undefined;
    conditions.push([column, castable]);
  }
  return new Alternative(known, conditions);
}

const canonical = (type: ColumnType, value: string): string | undefined =>
  toVariable(value) ? value : canonicalValue(type, value);

/** `*` as the tables that there are at this moment: for parties who must not have future ones, or know names only. */
export function expandAll(permissions: Permissions, { tables }: Catalogue): Permissions {
  const { all } = permissions;
  if (all === 0) return permissions;
  const named = [...rightsOf(permissions)].filter(([table]) => table !== ALL_TABLES);
  const tablesOfToday = [...tables.keys()].map((table) => [table, all] as const);
  return createPermissions([...named, ...tablesOfToday], permissions.isCut);
}

/** What does not fit, and the table or group that it is about as it is named. */
interface Misfit {
  readonly name: string;
  readonly error: PermissionsError;
}

/**
 * What is wrong with permissions that are written or asked for, in the order in which people would look: names of tables and
 * groups, limits, contradictions. Empty for good ones.
 */
export function findProblems(permissions: Permissions, catalogue: Catalogue): Misfit[] {
  return [
    ...unknownNames(permissions, catalogue).map((name) => {
      const group = toGroup(name);
      const said = group === undefined ? `table ${quoteName(name)}` : `group ${quoteName(group)}`;
      return { name, error: new PermissionsError('unknown_table', `The resource has no ${said}.`) };
    }),
    ...limitProblems(permissions, catalogue),
    ...contradictions(permissions, catalogue),
  ];
}

/** @throws PermissionsError unknown_table, malformed: the first thing that is wrong */
export function requireWithinCatalogue(permissions: Permissions, catalogue: Catalogue): void {
  const [first] = findProblems(permissions, catalogue);
  if (first) throw first.error;
}

/** The names of tables and groups that the catalogue lacks. Admin and `*` name none. */
export function unknownNames(
  { masks, limits }: Permissions,
  { isOpen, tables, groups }: Catalogue,
): string[] {
  return [...new Set([...masks.keys(), ...limits.keys()])].filter((name) => {
    const group = toGroup(name);
    return group === undefined ? !isOpen && !tables.has(name) : !groups.has(group);
  });
}

function limitProblems({ limits }: Permissions, catalogue: Catalogue): Misfit[] {
  return [...limits].flatMap(([name, cells]) => {
    const group = toGroup(name);
    const tables = group === undefined ? [name] : (catalogue.groups.get(group) ?? []);
    return tables.flatMap((table) => {
      const declared = catalogue.tables.get(table) ?? NO_COLUMNS;
      const problems = new Set(cells.flat().flatMap((limit) => limitProblem(limit, table, declared) ?? []));
      return [...problems].map((problem) => ({ name, error: new PermissionsError('malformed', problem) }));
    });
  });
}

function limitProblem({ columns, rows }: Alternative, table: string, declared: Columns): string | undefined {
  const undeclared = [...(columns ?? []), ...rows.keys()].find((column) => !declared.has(column));
  if (undeclared !== undefined) {
    return `The table ${quoteName(table)} declares no column ${quoteName(undeclared)}, so no right can be limited by it.`;
  }
  for (const [column, values] of rows) {
    const type = declared.get(column) as ColumnType;
    const wrong = [...values].find((value) => canonical(type, value) === undefined);
    if (wrong !== undefined)
      return `The column ${quoteName(column)} is of type ${type}, which ${quoteName(wrong)} is not.`;
  }
  return undefined;
}

/** A limit on a table of which a group gives more takes nothing away, whatever its author hoped. */
function contradictions({ masks, limits, denied }: Permissions, { groups }: Catalogue): Misfit[] {
  return [...masks].flatMap(([name, mask]) => {
    const group = toGroup(name);
    const members = group === undefined ? [] : (groups.get(group) ?? []);
    return members.flatMap((table) => {
      const cells = limits.get(table) ?? [];
      const limited = cells.reduce(
        (sofar, cell, index) => (cell.length > 0 ? sofar | (1 << index) : sofar),
        0,
      );
      const vain = mask & (limited | (denied.get(table) ?? 0));
      return vain === 0 ? [] : [{ name: table, error: takesNothingAway(table, vain, name) }];
    });
  });
}

/** @param mask of the actions that `wider`, `*` or a group, allows without limits */
export function takesNothingAway(table: string, mask: number, wider: string): PermissionsError {
  const actions = listSome([...toActions(mask)], ACTIONS.length);
  const from = wider === ALL_TABLES ? wider : `@${quoteName(wider.slice(1))}`;
  return new PermissionsError(
    'malformed',
    `What is said of ${quoteName(table)} (${actions}) takes nothing away from ${from}: name the tables, or a group.`,
  );
}
