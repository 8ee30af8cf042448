/**
 * Permissions on tables as rich authorization requests spell them (RFC 9396): `table_access`, one table without limits, and
 * `table_access_set`, several tables, with or without limits. The type decides the members (section 2), so that a reader
 * that knows only the first never sees more than is allowed.
 */
import { spellCount } from '../errors/texts.ts';
import { type Action, type ActionMask, toActions, toBit } from './actions.ts';
import { takesNothingAway } from './catalogue.ts';
import { PermissionsError, quoteName } from './errors.ts';
import {
  type JsonObject,
  MAX_TABLES,
  MAX_VALUES,
  type Origin,
  readMember,
  requireObject,
  requirePlainJson,
} from './json.ts';
import { type LimitJson, readLimit, requireFewAlternatives, toLimitJson } from './limits-json.ts';
import {
  createPermissions,
  EVERYTHING,
  limitedRightsOf,
  NOTHING,
  namedMasks,
  type Permissions,
  type Right,
  rightsOf,
  union,
} from './permissions.ts';
import { requireLimit } from './permissions-json.ts';
import { isSameResource } from './resource-identifiers.ts';
import { ALL_TABLES, requireTableId } from './table-ids.ts';

export const TABLE_ACCESS = 'table_access';
export const TABLE_ACCESS_SET = 'table_access_set';

/** A detail of type `table_access` (RFC 9396 section 2): actions on one table, or admin of all tables of the resource. */
export type TableAccess =
  | { type: typeof TABLE_ACCESS; locations: string[]; identifier: string; actions: Action[] }
  | { type: typeof TABLE_ACCESS; locations: string[]; privileges: ['admin'] };

/** Actions on each of several tables. Absent `columns` or `rows` mean all. */
export interface TableAccessSet extends LimitJson {
  type: typeof TABLE_ACCESS_SET;
  locations: string[];
  tables: string[];
  actions: Action[];
}

export type AuthorizationDetail = TableAccess | TableAccessSet;

/** What the details of one type in a request were read as. */
export interface ParsedDetails<Rights> {
  readonly permissions: Rights;
  /** The resource they speak of: the one given, else the one that their `locations` name; undefined when none does. */
  readonly resource: string | undefined;
}

const MEMBERS: ReadonlyMap<unknown, ReadonlySet<string>> = new Map([
  [TABLE_ACCESS, new Set(['type', 'locations', 'identifier', 'actions', 'privileges'])],
  [TABLE_ACCESS_SET, new Set(['type', 'locations', 'tables', 'actions', 'columns', 'rows'])],
]);

/**
 * Reads the `authorization_details` of a request that is about `resource`, or, when that is undefined, about whatever its
 * `locations` name. Several details of one table add up; those with limits are alternatives. An empty list means no
 * permissions. Throws `PermissionsError`: wrong_location when `locations` names another resource or details disagree, else
 * malformed or too_large.
 * @param origin `issued` for the details of tokens and of answers about them
 */
export function parseAuthorizationDetails(
  value: unknown,
  resource: string | undefined,
  origin: Origin = 'written',
): ParsedDetails<Permissions> {
  requirePlainJson(value, origin);
  if (!Array.isArray(value)) {
    throw new PermissionsError('malformed', 'authorization_details must be a JSON array.');
  }
  if (origin === 'written' && value.length > MAX_TABLES) {
    throw new PermissionsError('too_large', `authorization_details may have at most ${MAX_TABLES} entries.`);
  }
  let location = resource;
  let isAdmin = false;
  let membersLeft = MAX_VALUES;
  const rights: Right[] = [];
  for (const entry of value) {
    const detail = requireDetail(entry);
    location = requireLocation(detail, location);
    if (detail.type === TABLE_ACCESS_SET) {
      const set = readSet(detail, origin);
      membersLeft -= membersOf(set);
      if (membersLeft < 0) throw tooManyLimits();
      rights.push(...set);
    } else if (Object.hasOwn(detail, 'privileges')) isAdmin = requireAdmin(detail);
    else rights.push([requireTableId(readMember(detail, 'identifier')), requireActions(detail)]);
  }
  refuseVain(rights, isAdmin);
  if (origin === 'written') refuseMany(rights);
  const permissions = createPermissions(rights);
  return { permissions: union(permissions, isAdmin ? EVERYTHING : NOTHING), resource: location };
}

function requireDetail(entry: unknown): JsonObject {
  const detail = requireObject(entry, 'Each entry of authorization_details');
  const type = readMember(detail, 'type');
  const members = MEMBERS.get(type);
  if (!members) {
    const known = [...MEMBERS.keys()].join(' or ');
    throw new PermissionsError('malformed', `The type of an authorization detail must be ${known}.`);
  }
  const ofSet = MEMBERS.get(TABLE_ACCESS_SET);
  requireKnownMembers(detail, members, (unknown) => (ofSet?.has(unknown) ? `: use ${TABLE_ACCESS_SET}` : ''));
  return detail;
}

/** @param instead how the sentence ends that refuses a member */
export function requireKnownMembers(
  detail: JsonObject,
  members: ReadonlySet<string>,
  instead: (unknown: string) => string = () => '',
): void {
  const unknown = Object.keys(detail).find((member) => !members.has(member));
  if (unknown === undefined) return;
  const { type } = detail;
  throw new PermissionsError('malformed', `${type} has no member ${quoteName(unknown)}${instead(unknown)}.`);
}

function readSet(detail: JsonObject, origin: Origin): Right[] {
  const tables = requireStrings(detail, 'tables');
  if (origin === 'written' && tables.length > MAX_TABLES) {
    throw new PermissionsError('too_large', `A detail may name at most ${MAX_TABLES} tables.`);
  }
  const mask = requireActions(detail);
  const limit = readLimit(detail, { variables: 'refuse', origin });
  return tables.map((table) => {
    const id = requireTableId(table);
    if (!limit.isUnlimited) for (const action of toActions(mask)) requireLimit(limit, id, action);
    return [id, mask, limit];
  });
}

/** How much of limits the details would say if each spoke of one table. */
function membersOf(set: readonly Right[]): number {
  const [, , limit] = set[0] ?? [];
  return limit ? set.length * ((limit.columns?.size ?? 0) + limit.valueCount) : 0;
}

function tooManyLimits(): PermissionsError {
  return new PermissionsError(
    'too_large',
    `The limits have more than ${spellCount(MAX_VALUES)} columns and values, counted for each table. Ask for fewer tables at once.`,
  );
}

const isLimited = ([, , limit]: Right): boolean => limit !== undefined && !limit.isUnlimited;

/** A limit beside a wider right to the same table would take nothing away. @throws PermissionsError malformed */
function refuseVain(rights: readonly Right[], isAdmin: boolean): void {
  const whole = new Map<string, ActionMask>();
  for (const right of rights) {
    const [table, mask] = right;
    if (!isLimited(right)) whole.set(table, (whole.get(table) ?? 0) | mask);
  }
  for (const [table, mask] of rights.filter(isLimited)) {
    if (isAdmin) throw takesNothingAway(table, mask, 'admin');
    const ofAll = mask & (whole.get(ALL_TABLES) ?? 0);
    if (ofAll !== 0) throw takesNothingAway(table, ofAll, ALL_TABLES);
    const twice = toActions(mask & (whole.get(table) ?? 0));
    if (twice.length > 0) {
      throw new PermissionsError(
        'malformed',
        `A limit on ${quoteName(table)} (${twice.join(', ')}) takes nothing away from the same right without limits: leave out one of both.`,
      );
    }
  }
}

/** Before alternatives are compared with each other, which takes long for many. @throws PermissionsError too_large */
function refuseMany(rights: readonly Right[]): void {
  const counts = new Map<string, number>();
  for (const [table, mask] of rights.filter(isLimited)) {
    for (const action of toActions(mask)) {
      const name = `${action} ${table}`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      requireFewAlternatives(count);
    }
  }
}

function requireLocation(detail: JsonObject, known: string | undefined): string | undefined {
  return Object.hasOwn(detail, 'locations')
    ? requireSameResource(requireStrings(detail, 'locations'), known)
    : known;
}

/** @param known undefined: the first location says which @throws PermissionsError wrong_location */
export function requireSameResource(locations: readonly unknown[], known: string | undefined): string {
  const expected = known ?? locations[0];
  if (locations.every((location) => isSameResource(location, expected))) return expected as string;
  throw new PermissionsError(
    'wrong_location',
    'The member locations names another resource than the request is for.',
  );
}

function requireAdmin(detail: JsonObject): true {
  const privileges = requireStrings(detail, 'privileges');
  if (privileges.some((privilege) => privilege !== 'admin')) {
    throw new PermissionsError('malformed', 'The only privilege is admin.');
  }
  if (Object.hasOwn(detail, 'identifier') || Object.hasOwn(detail, 'actions')) {
    throw new PermissionsError(
      'malformed',
      'The member privileges means all tables. Leave out identifier and actions.',
    );
  }
  return true;
}

function requireActions(detail: JsonObject): ActionMask {
  return requireStrings(detail, 'actions').reduce((mask, action) => {
    const bit = toBit(action);
    if (bit === 0) throw new PermissionsError('malformed', `There is no action ${quoteName(action)}.`);
    return mask | bit;
  }, 0);
}

function requireStrings(detail: JsonObject, member: string): readonly string[] {
  const list = requireEntries(detail, member);
  if (list.every((item) => typeof item === 'string' && item !== '')) return list as readonly string[];
  throw notStrings(member);
}

/** Never empty: an empty list could be read as "none" by one side and as "no restriction" by the other. */
export function requireEntries(detail: JsonObject, member: string): readonly unknown[] {
  const list = readMember(detail, member);
  if (Array.isArray(list) && list.length > 0) return list;
  throw notStrings(member);
}

function notStrings(member: string): PermissionsError {
  return new PermissionsError('malformed', `${member} must be a list of one or more strings.`);
}

/**
 * The full form: one detail per table, or one for admin, and sets for what has limits; no permissions give `[]`. The result
 * belongs to the caller.
 */
export function toAuthorizationDetails(permissions: Permissions, resource: string): AuthorizationDetail[] {
  if (permissions.isAdmin) return [{ type: TABLE_ACCESS, locations: [resource], privileges: ['admin'] }];
  const whole = Array.from(
    namedMasks(permissions),
    ([identifier, mask]): TableAccess => ({
      type: TABLE_ACCESS,
      locations: [resource],
      identifier,
      actions: [...toActions(mask)],
    }),
  );
  return [...whole, ...toSets(limitedRightsOf(permissions), resource)];
}

/** The short form, for tokens: tables with the same actions and limits in one set. */
export function toCompactDetails(permissions: Permissions, resource: string): AuthorizationDetail[] {
  if (permissions.isAdmin) return toAuthorizationDetails(permissions, resource);
  return toSets(rightsOf(permissions), resource);
}

function toSets(rights: Iterable<Right>, resource: string): TableAccessSet[] {
  const sets = new Map<string, Map<ActionMask, string[]>>();
  const made: TableAccessSet[] = [];
  for (const [table, mask, limit] of rights) {
    const key = limit?.key ?? '';
    const alike = sets.get(key) ?? new Map<ActionMask, string[]>();
    sets.set(key, alike);
    const tables = alike.get(mask);
    if (tables) {
      tables.push(table);
      continue;
    }
    const set: TableAccessSet = {
      type: TABLE_ACCESS_SET,
      locations: [resource],
      tables: [table],
      actions: [...toActions(mask)],
      ...(limit && toLimitJson(limit)),
    };
    alike.set(mask, set.tables);
    made.push(set);
  }
  return made;
}
