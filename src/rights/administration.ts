/** Rights over the administration: of the whole server, and what of them is about one organization. */
import { ADMIN_TABLES } from '../nouns/admin-tables.ts';
import { ACTIONS, toBit } from '../permissions/actions.ts';
import { Alternative } from '../permissions/limits.ts';
import { createPermissions, mapRights, type Permissions, type Right } from '../permissions/permissions.ts';

/** The column of each of its tables with the name of the organization that a row is of. */
const ORGANIZATION = 'organization';

const EVERY_ACTION = ACTIONS.reduce((mask, action) => mask | toBit(action), 0);

/** All rights over the administration of the server, limited to what is of these organizations. @param names at least one, or nothing is allowed */
export function rightsOverOrganizations(names: readonly string[]): Permissions {
  if (names.length === 0) return createPermissions([]);
  const limit = new Alternative(undefined, [[ORGANIZATION, names]]);
  return createPermissions(ADMIN_TABLES.map((table): Right => [table, EVERY_ACTION, limit]));
}

/** What rights over the administration of the server allow with what is of one organization, as rights over its own. */
export function ofOrganization(rights: Permissions, name: string): Permissions {
  if (rights.isAdmin) return rights;
  return mapRights(rights, (right) => {
    const [table, mask, limit] = right;
    const named = limit?.rows.get(ORGANIZATION);
    if (!limit || !named) return [right];
    if (!named.has(name)) return [];
    const others = [...limit.rows].filter(([column]) => column !== ORGANIZATION);
    return [[table, mask, new Alternative(limit.columns, others)]];
  });
}

/** @returns rights over the administration of the server without those over this organization; the same object if nothing names it */
export function withoutOrganization(rights: Permissions, name: string): Permissions {
  let isNamed = false;
  const left = mapRights(rights, (right) => {
    const [table, mask, limit] = right;
    const named = limit?.rows.get(ORGANIZATION);
    if (!limit || !named?.has(name)) return [right];
    isNamed = true;
    const others = [...named].filter((each) => each !== name);
    if (others.length === 0) return [];
    const rows = [...limit.rows].map(([column, values]): [string, Iterable<string>] => [
      column,
      column === ORGANIZATION ? others : values,
    ]);
    return [[table, mask, new Alternative(limit.columns, rows)]];
  });
  return isNamed ? left : rights;
}
