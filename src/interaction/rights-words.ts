/**
 * Rights as pages say them to people. What a page shows of tables is one of three: tables without limits, all tables, parts
 * of tables.
 */
import type { Resource } from '../nouns/index.ts';
import { toBit } from '../permissions/actions.ts';
import { describeLimit, limitedRights } from '../permissions/limit-texts.ts';
import {
  ACTIONS,
  type Action,
  contains,
  createPermissions,
  NOTHING,
  type Permissions,
} from '../permissions/permissions.ts';
import { ALL_TABLES } from '../permissions/table-ids.ts';

/** What may be done with the tables of a resource. */
export interface TableRights {
  readonly resource: Resource;
  readonly permissions: Permissions;
}

const SCOPE_TEXTS: ReadonlyMap<string, string> = new Map([
  ['openid', 'know who you are'],
  ['profile', 'see your name'],
  ['email', 'see your email address'],
  ['offline_access', 'stay logged in while you are away'],
]);

/** @param resource calls its scopes so, where it has a name for people */
export function describeScope(
  scope: string,
  { scopeTexts = {} }: Pick<Partial<Resource>, 'scopeTexts'>,
): string {
  const text = new Map(Object.entries(scopeTexts)).get(scope);
  return SCOPE_TEXTS.get(scope) ?? text?.displayName ?? `use ${scope}`;
}

const namesOf = ({ tables }: Resource): ReadonlyMap<string, string> =>
  new Map(tables.map(({ id, name }) => [id, name]));

/** The tables that it may use without limits. */
export function toRows({ resource, permissions }: TableRights, before: Permissions) {
  const names = namesOf(resource);
  return [...permissions.tables].flatMap(([id, actions]) =>
    id === ALL_TABLES
      ? []
      : {
          id,
          name: names.get(id) ?? id,
          /** One for each of `ACTIONS`. */
          allowed: ACTIONS.map((action) => actions.has(action)),
          /** Those that the person has not agreed to before. */
          added: ACTIONS.filter((action) => actions.has(action) && !before.allows(id, action)),
        },
  );
}

/** What the application may do with every table, also with future ones; `isNew`: the person has not agreed to all of it. */
export function toAll({ permissions }: TableRights, before: Permissions) {
  const actions = permissions.tables.get(ALL_TABLES);
  if (!actions) return undefined;
  return {
    verbs: toVerbs([...actions]),
    isNew: [...actions].some((action) => !before.allows(ALL_TABLES, action)),
  };
}

const VERBS: { readonly [action in Action]: string } = {
  create: 'add',
  read: 'see',
  update: 'change',
  delete: 'delete',
};

/** @returns such as `see and change` */
function toVerbs(actions: readonly Action[]): string {
  return new Intl.ListFormat('en').format(actions.map((action) => VERBS[action]));
}

/** Of one condition, before the page folds them. */
const MOST_VALUES = 10;

export function toLimited({ resource, permissions }: TableRights, before: Permissions) {
  const names = namesOf(resource);
  return limitedRights(permissions).map(({ table, actions, limit }) => {
    const [short, whole] = [describeLimit(limit, MOST_VALUES), describeLimit(limit)];
    return {
      id: table,
      name: names.get(table) ?? table,
      verbs: toVerbs(actions),
      /** `only those where customer_id is 42; columns id, total`, with the first values of many. */
      limit: short,
      /** The same with all values, where they are many. */
      ...(whole !== short && { wholeLimit: whole }),
      isNew: !contains(before, createPermissions(actions.map((action) => [table, toBit(action), limit]))),
    };
  });
}

/** As few sentences as say it, for a list of many rights. */
export function toWords(rights: TableRights) {
  /** Tables that the same may be done with. */
  const alike = new Map<string, string[]>();
  for (const { name, allowed } of toRows(rights, NOTHING)) {
    const verbs = toVerbs(ACTIONS.filter((_, index) => allowed[index]));
    alike.set(verbs, [...(alike.get(verbs) ?? []), name]);
  }
  return {
    resource: rights.resource.name,
    everything: rights.permissions.isAdmin,
    all: toAll(rights, NOTHING)?.verbs,
    tables: [...alike].map(([verbs, names]) => ({ verbs, names })),
    limited: toLimited(rights, NOTHING),
  };
}
