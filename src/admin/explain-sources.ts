/** What operators wrote that the rights of a token come from: ceilings, roles, a connection; and what it comes to. */
import type { DirectoryView } from '../directory/directory.ts';
import { type Application, catalogueOf, type Resource } from '../nouns/index.ts';
import { type Action, toBit } from '../permissions/actions.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import { Alternative, containsCell } from '../permissions/limits.ts';
import { createPermissions, type Permissions, rightsOf } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import { ALL_TABLES, toGroup } from '../permissions/table-ids.ts';
import { toVariable, type Variable } from '../permissions/variables.ts';
import type { BoundRights } from '../rights/current-rights.ts';
import { findCeiling } from '../rights/rights.ts';
import { withValues, worthOf } from '../rights/variable-values.ts';

export interface Source {
  /** `role clerk`; that of the step, where it is one. */
  readonly name: string;
  /** With its variables and groups. */
  readonly written: Permissions;
  /** What it comes to: with values, tables in place of groups. */
  readonly permissions: Permissions;
  /** The same by the name that gives it: `*`, the table's own, which is not said, and groups. */
  readonly parts: readonly { readonly name?: string; readonly permissions: Permissions }[];
  /** What a part of what is written comes to. */
  resolve(part: Permissions): Permissions;
  /** Undefined: none. */
  worthOf(variable: Variable): string | undefined;
}

/** One alternative of one right: `WHOLE` of `limits.ts` for a right without limits. */
export interface NamedAlternative {
  readonly table: string;
  readonly action: Action;
  readonly limit: Alternative;
}

export async function findSources(
  view: DirectoryView,
  held: readonly BoundRights[],
  resource: Resource,
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const { application, holder, connection, roleIds } of held) {
    const add = (name: string, written: Permissions | undefined, of?: Application): void => {
      if (!written) return;
      const resolve = (part: Permissions): Permissions =>
        withinCatalogue(withValues(part, holder, of?.id), catalogueOf(resource));
      sources.push({
        name,
        written,
        permissions: resolve(written),
        parts: written.isAdmin
          ? [{ permissions: written }]
          : toParts(written).map((part) => ({ ...part, permissions: resolve(part.permissions) })),
        resolve,
        worthOf: (variable) => worthOf(variable, holder, of?.id),
      });
    };
    const { registeredThrough: id } = application;
    const through = id === undefined ? undefined : (await view.findApplicationById(id))?.application;
    for (const each of [application, ...(through ? [through] : [])])
      add(`ceiling of application ${each.name}`, findCeiling(each, resource), each);
    for (const role of await Promise.all(roleIds.map((each) => view.findRole(each))))
      if (role) add(`role ${role.name}`, fromStored(role.permissions));
    if (connection) add(`connection ${connection.name}`, fromStored(connection.permissions));
  }
  return sources;
}

function toParts(written: Permissions): { name?: string; permissions: Permissions }[] {
  const rights = [...rightsOf(written)];
  const named = (isMeant: (name: string) => boolean): Permissions =>
    createPermissions(rights.filter(([name]) => isMeant(name)));
  const groups = [...new Set(rights.map(([name]) => name))].filter((name) => toGroup(name) !== undefined);
  return [
    // Each table's own actions include those of `*`.
    { name: ALL_TABLES, permissions: named((name) => name === ALL_TABLES) },
    { permissions: named((name) => name !== ALL_TABLES && toGroup(name) === undefined) },
    ...groups.map((group) => ({ name: group, permissions: named((name) => name === group) })),
  ];
}

export function allowsAlternative(
  permissions: Permissions,
  { table, action, limit }: NamedAlternative,
): boolean {
  return containsCell(permissions.cell(table, action), [limit]);
}

/** `*` or `@sales` where the source gives the right by that name; undefined: by the table's own. */
export function findName({ parts }: Source, right: NamedAlternative): string | undefined {
  const part = parts.find(({ permissions }) => allowsAlternative(permissions, right));
  return part?.name === right.table ? undefined : part?.name;
}

/** Where a value of a condition comes from. */
export interface ValueOrigin {
  readonly column: string;
  readonly value: string;
  readonly variable: Variable;
  readonly source: Source;
}

/** The variables whose values are conditions of this alternative. */
export function findValueOrigins(sources: readonly Source[], right: NamedAlternative): ValueOrigin[] {
  return sources.flatMap((source) => {
    const { written, resolve } = source;
    if (!written.hasVariables) return [];
    const givers = [...rightsOf(written)].filter(
      (each) =>
        (each[0] === right.table || toGroup(each[0]) !== undefined) &&
        allowsAlternative(resolve(createPermissions([each])), right),
    );
    return givers.flatMap(([, , limit]) =>
      [...(limit?.rows ?? [])].flatMap(([column, values]) =>
        [...values].flatMap((each): ValueOrigin[] => {
          const variable = toVariable(each);
          if (!variable) return [];
          const value = valueInColumn(each, { ...right, column }, source);
          const isOne = value !== undefined && right.limit.rows.get(column)?.has(value);
          return isOne ? [{ column, value, variable, source }] : [];
        }),
      ),
    );
  });
}

/** As the type of the column has it. */
function valueInColumn(
  value: string,
  { table, action, column }: Pick<NamedAlternative, 'table' | 'action'> & { readonly column: string },
  { resolve }: Source,
): string | undefined {
  const condition = new Alternative(undefined, [[column, [value]]]);
  const [resolved] = resolve(createPermissions([[table, toBit(action), condition]])).cell(table, action);
  const [first] = resolved?.rows.get(column) ?? [];
  return first;
}
