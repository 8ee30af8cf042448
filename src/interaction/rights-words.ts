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

export interface TableRow {
  readonly id: string;
  readonly name: string;
  /** One for each of `ACTIONS`. */
  readonly allowed: readonly boolean[];
  /** The allowed actions that the person has not agreed to before. */
  readonly added: readonly string[];
}

const namesOf = ({ tables }: Resource): ReadonlyMap<string, string> =>
  new Map(tables.map(({ id, name }) => [id, name]));

/** The tables that it may use without limits. */
export function toRows({ resource, permissions }: TableRights, before: Permissions): TableRow[] {
  const names = namesOf(resource);
  return [...permissions.tables].flatMap(([id, actions]) =>
    id === ALL_TABLES
      ? []
      : {
          id,
          name: names.get(id) ?? id,
          allowed: ACTIONS.map((action) => actions.has(action)),
          added: ACTIONS.filter((action) => actions.has(action) && !before.allows(id, action)),
        },
  );
}

/** What the application may do with every table, also with future ones. */
export function toAll({ permissions }: TableRights, before: Permissions): Clause | undefined {
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

function toVerbs(actions: readonly Action[]): string {
  return new Intl.ListFormat('en').format(actions.map((action) => VERBS[action]));
}

export interface Clause {
  /** `see and change` */
  readonly verbs: string;
  /** The person has not agreed to all of it before. */
  readonly isNew: boolean;
}

/** Of one condition, before the page folds them. */
const MOST_VALUES = 10;

export interface LimitedTable extends Clause {
  readonly id: string;
  readonly name: string;
  /** `only those where customer_id is 42; columns id, total`, with the first values of many. */
  readonly limit: string;
  /** The same with all values, where they are many. */
  readonly wholeLimit?: string;
}

export function toLimited({ resource, permissions }: TableRights, before: Permissions): LimitedTable[] {
  const names = namesOf(resource);
  return limitedRights(permissions).map(({ table, actions, limit }) => {
    const [short, whole] = [describeLimit(limit, MOST_VALUES), describeLimit(limit)];
    return {
      id: table,
      name: names.get(table) ?? table,
      verbs: toVerbs(actions),
      limit: short,
      ...(whole !== short && { wholeLimit: whole }),
      isNew: !contains(before, createPermissions(actions.map((action) => [table, toBit(action), limit]))),
    };
  });
}

/** Tables that the same may be done with. */
interface TablesAlike {
  readonly verbs: string;
  readonly names: readonly string[];
}

export interface RightsWords {
  readonly resource: string;
  /** Everything, with all tables. */
  readonly everything: boolean;
  /** What may be done with every table, also with future ones. */
  readonly all: string | undefined;
  readonly tables: readonly TablesAlike[];
  readonly limited: readonly LimitedTable[];
}

/** As few sentences as say it, for a list of many rights. */
export function toWords(rights: TableRights): RightsWords {
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
