/** Checks between the keys of a resource, in the file alone or as it will be in the store. */
import type { Contradiction } from '../nouns/in-file.ts';
import { catalogueOf } from '../nouns/index.ts';
import { isTableScope } from '../permissions/table-scopes.ts';
import { findUnknown } from './misfits.ts';

/** Tables that are not said are known to the store only, and may be any. */
interface Said extends Partial<Parameters<typeof catalogueOf>[0]> {
  readonly identifier: string;
  readonly scopes?: readonly string[];
}

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
    ...wrongTables,
  ];
}
