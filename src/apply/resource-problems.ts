/** Checks between the keys of a resource, in the file alone or as it will be in the store. */
import { type Contradiction, inEach } from '../nouns/in-file.ts';
import { catalogueOf, type Table } from '../nouns/index.ts';
import { isTableScope } from '../permissions/table-scopes.ts';
import { findUnknown } from './misfits.ts';

/** Tables and columns that are not said are known to the store only, and may be any. */
interface Said extends Partial<Parameters<typeof catalogueOf>[0]> {
  readonly identifier: string;
  readonly tables?: readonly SaidTable[];
  readonly scopes?: readonly string[];
}

type SaidTable = Pick<Table, 'id'> & Partial<Table>;

export function findResourceProblems(resource: Said): Contradiction[] {
  const { identifier, catalogue = 'closed', tables, groups = [], scopes = [] } = resource;
  const known = catalogueOf({ catalogue, tables: tables ?? [], groups });
  const ids = new Set(known.tables.keys());
  // A declared scope is never read as a table scope, so it could not narrow a token to that table.
  const wrongScopes = [...scopes.entries()].filter(([, scope]) => isTableScope(scope, known));
  const wrongTables = (tables && catalogue === 'closed' ? groups : []).flatMap((group, index) =>
    findUnknown(group.tables, ids).map(({ name, hint }) => ({
      path: ['groups', index, 'tables', group.tables.indexOf(name)],
      message: `of the group ${group.id} names ${name}, which is not a table of ${identifier}${hint}`,
    })),
  );
  return [
    ...wrongScopes.map(([index, scope]) => ({
      path: ['scopes', index],
      message: `is ${scope}, a table scope of the resource: rename the scope`,
    })),
    ...inEach('tables', tables, findWrongRowColumns),
    ...wrongTables,
  ];
}

function findWrongRowColumns({ id, columns, rowColumns = [] }: SaidTable): Contradiction[] {
  if (!columns) return [];
  return findUnknown(rowColumns, new Set(columns.map(({ name }) => name))).map(({ name, hint }) => ({
    path: ['rowColumns', rowColumns.indexOf(name)],
    message: `names ${name}, which is not one of the columns of the table ${id}${hint}`,
  }));
}
