/** What a resource has: its tables with their columns, and groups of tables. */
import { listSome } from '../errors/texts.ts';
import { ACTIONS, type Action, type ActionMask, toActions } from './actions.ts';
import { type ColumnType, canonicalValue } from './column-types.ts';
import { PermissionsError, quoteName } from './errors.ts';
import { Alternative } from './limits.ts';
import {
  type ChangeLimit,
  limitsOf,
  mapLimits,
  mapRights,
  type Permissions,
  rememberLast,
} from './permissions.ts';
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
export const withinCatalogue = rememberLast(withinAnew);

function withinAnew(permissions: Permissions, catalogue: Catalogue): Permissions {
  const named = restrictToTables(expandGroups(permissions, catalogue), catalogue);
  if (named.limits.size === 0) return named;
  const changes = new Map<Columns, ChangeLimit>();
  return mapLimits(named, (table) => {
    const declared = catalogue.tables.get(table) ?? NO_COLUMNS;
    const change = changes.get(declared) ?? ((limit) => declaredPart(limit, declared));
    changes.set(declared, change);
    return change;
  });
}

/** The same with the tables of each group in its place. A group that does not exist has none. */
export function expandGroups(permissions: Permissions, { groups }: Catalogue): Permissions {
  if (!namesGroup(permissions)) return permissions;
  return mapRights(permissions, ([name, mask, limit]) => {
    const group = toGroup(name);
    if (group === undefined) return [[name, mask, limit]];
    return (groups.get(group) ?? []).map((table) => [table, mask, limit]);
  });
}

/** The same without names of groups: for what tokens and logins keep, where such a name can only be an old one of a table. */
export function withoutGroups(permissions: Permissions): Permissions {
  if (!namesGroup(permissions)) return permissions;
  return mapRights(permissions, (right) => (toGroup(right[0]) === undefined ? [right] : []));
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
  return mapRights(permissions, (right) => (right[0] === ALL_TABLES || tables.has(right[0]) ? [right] : []));
}

/** Every name that permissions may have for it, `*` aside. */
export function namesIn({ tables, groups }: Catalogue): ReadonlySet<string> {
  return new Set([...tables.keys(), ...[...groups.keys()].map(toGroupName)]);
}

/** @returns the alternative itself where all of it is declared and written as it compares; undefined where nothing is left */
function declaredPart(limit: Alternative, declared: Columns): Alternative | undefined {
  const { columns, rows } = limit;
  const known = columns && [...columns].filter((column) => declared.has(column));
  if (known?.length === 0) return undefined;
  let isSame = known?.length === columns?.size;
  const conditions: [string, string[]][] = [];
  for (const [column, values] of rows) {
    const type = declared.get(column);
    const written = [...values];
    const castable = type ? written.flatMap((value) => canonical(type, value) ?? []) : [];
    if (castable.length === 0) return undefined;
    isSame &&= written.every((value, index) => value === castable[index]);
    conditions.push([column, castable]);
  }
  return isSame ? limit : new Alternative(known, conditions);
}

const canonical = (type: ColumnType, value: string): string | undefined =>
  toVariable(value) ? value : canonicalValue(type, value);

/** `*` as the tables that there are at this moment: for parties who must not have future ones, or know names only. */
export function expandAll(permissions: Permissions, { tables }: Catalogue): Permissions {
  if (permissions.all === 0) return permissions;
  return mapRights(permissions, (right) => {
    const [name, mask] = right;
    return name === ALL_TABLES ? [...tables.keys()].map((table) => [table, mask]) : [right];
  });
}

/** What does not fit, and the table or group that it is about as it is named. */
export type Misfit = { readonly name: string } & (
  | { readonly kind: 'unknown' }
  | { readonly kind: 'undeclared'; readonly action: Action; readonly table: string; readonly column: string }
  | {
      readonly kind: 'uncastable';
      readonly action: Action;
      readonly column: string;
      readonly type: ColumnType;
      readonly value: string;
    }
  /** It takes nothing away from the actions that `wider`, a group, allows. */
  | { readonly kind: 'vain'; readonly mask: ActionMask; readonly wider: string }
);

/**
 * What is wrong with permissions that are written or asked for, in the order in which people would look: names of tables and
 * groups, limits, contradictions. Empty for good ones.
 */
export function findMisfits(permissions: Permissions, catalogue: Catalogue): Misfit[] {
  return [
    ...unknownNames(permissions, catalogue).map((name): Misfit => ({ name, kind: 'unknown' })),
    ...limitMisfits(permissions, catalogue),
    ...contradictions(permissions, catalogue),
  ];
}

/** @throws PermissionsError unknown_table, malformed: the first thing that is wrong */
export function requireWithinCatalogue(permissions: Permissions, catalogue: Catalogue): void {
  const [first] = findMisfits(permissions, catalogue);
  if (first) throw toError(first);
}

function toError(misfit: Misfit): PermissionsError {
  const { name, kind } = misfit;
  switch (kind) {
    case 'unknown': {
      const group = toGroup(name);
      const said = group === undefined ? `table ${quoteName(name)}` : `group ${quoteName(group)}`;
      return new PermissionsError('unknown_table', `The resource has no ${said}.`);
    }
    case 'undeclared':
      return new PermissionsError(
        'malformed',
        `The table ${quoteName(misfit.table)} declares no column ${quoteName(misfit.column)}, so no right can be limited by it.`,
      );
    case 'uncastable':
      return new PermissionsError(
        'malformed',
        `The column ${quoteName(misfit.column)} is of type ${misfit.type}, which ${quoteName(misfit.value)} is not.`,
      );
    case 'vain':
      return takesNothingAway(name, misfit.mask, misfit.wider);
  }
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

/** Each column and each value of a name once, although several actions may have it. Unknown tables are a misfit as they are. */
function limitMisfits({ limits }: Permissions, catalogue: Catalogue): Misfit[] {
  const found = new Map<string, Misfit>();
  for (const [name, cells] of limits) {
    for (const table of tablesOf(name, catalogue)) {
      const declared = catalogue.tables.get(table);
      if (!declared && !catalogue.isOpen) continue;
      for (const [, mask, limit] of limitsOf(table, cells)) {
        const [action] = toActions(mask) as [Action];
        for (const misfit of misfitsOf(limit, { name, table, action }, declared ?? NO_COLUMNS)) {
          const key = JSON.stringify({ ...misfit, action: undefined });
          if (!found.has(key)) found.set(key, misfit);
        }
      }
    }
  }
  return [...found.values()];
}

function misfitsOf(
  { columns, rows }: Alternative,
  at: { readonly name: string; readonly table: string; readonly action: Action },
  declared: Columns,
): Misfit[] {
  const undeclared = [...(columns ?? []), ...rows.keys()].filter((column) => !declared.has(column));
  const compared = [...rows].flatMap(([column, values]) => {
    const type = declared.get(column);
    return type ? [...values].map((value) => ({ column, type, value })) : [];
  });
  return [
    ...undeclared.map((column): Misfit => ({ ...at, kind: 'undeclared', column })),
    ...compared
      .filter(({ type, value }) => canonical(type, value) === undefined)
      .map((each): Misfit => ({ ...at, kind: 'uncastable', ...each })),
  ];
}

/** The tables that a name of permissions stands for. */
function tablesOf(name: string, { groups }: Catalogue): readonly string[] {
  const group = toGroup(name);
  return group === undefined ? [name] : (groups.get(group) ?? []);
}

/** A limit on tables of which a group gives more takes nothing away, whatever its author hoped. */
function contradictions({ masks, limits, denied }: Permissions, catalogue: Catalogue): Misfit[] {
  const narrower = [...new Set([...limits.keys(), ...denied.keys()])];
  if (narrower.length === 0) return [];
  const limitedOf = (name: string): ActionMask =>
    (limits.get(name) ?? []).reduce((mask, cell, index) => (cell.length > 0 ? mask | (1 << index) : mask), 0);
  return [...new Set([...masks.keys(), ...limits.keys()])].flatMap((wider) => {
    if (toGroup(wider) === undefined) return [];
    const members = new Set(tablesOf(wider, catalogue));
    return narrower.flatMap((name): Misfit[] => {
      const tables = tablesOf(name, catalogue);
      const isInside = name !== wider && tables.length > 0 && tables.every((table) => members.has(table));
      if (!isInside) return [];
      const whole = masks.get(wider) ?? 0;
      const vain = (whole & limitedOf(name)) | ((whole | limitedOf(wider)) & (denied.get(name) ?? 0));
      return vain === 0 ? [] : [{ name, kind: 'vain', mask: vain, wider }];
    });
  });
}

/** @param mask of the actions that `wider`, admin, `*` or a group, allows */
export function takesNothingAway(table: string, mask: number, wider: string): PermissionsError {
  const actions = listSome([...toActions(mask)], ACTIONS.length);
  const group = toGroup(wider);
  const from = group === undefined ? wider : toGroupName(quoteName(group));
  return new PermissionsError(
    'malformed',
    `What is said of ${quoteName(table)} (${actions}) takes nothing away from ${from}: name the tables, or a group.`,
  );
}
