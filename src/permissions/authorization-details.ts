/** Permissions on tables as rich authorization requests spell them (RFC 9396): reading and writing `table_access`. */
import { type Action, type ActionMask, toActions, toBit } from './actions.ts';
import { PermissionsError, quoteName } from './errors.ts';
import { type JsonObject, MAX_TABLES, readMember, requireObject, requirePlainJson } from './json.ts';
import { createPermissions, EVERYTHING, NOTHING, type Permissions, union } from './permissions.ts';
import { isSameResource } from './resource-identifiers.ts';
import { requireTableId } from './table-ids.ts';

export const TABLE_ACCESS = 'table_access';

/** A detail of type `table_access` (RFC 9396 section 2): actions on one table, or admin of all tables of the resource. */
export type AuthorizationDetail =
  | { type: typeof TABLE_ACCESS; locations: string[]; identifier: string; actions: Action[] }
  | { type: typeof TABLE_ACCESS; locations: string[]; privileges: ['admin'] };

/** What the details of one type in a request were read as. */
export interface ParsedDetails<Rights> {
  readonly permissions: Rights;
  /** The resource they speak of: the one given, else the one that their `locations` name; undefined when none does. */
  readonly resource: string | undefined;
}

const MEMBERS: ReadonlySet<string> = new Set(['type', 'locations', 'identifier', 'actions', 'privileges']);

/**
 * Reads the `authorization_details` of a request that is about `resource`, or, when that is undefined, about whatever its
 * `locations` name. Several details of one table add up; an empty list means no permissions. Throws `PermissionsError`:
 * wrong_location when `locations` names another resource or details disagree, else malformed or too_large.
 */
export function parseAuthorizationDetails(
  value: unknown,
  resource: string | undefined,
): ParsedDetails<Permissions> {
  requirePlainJson(value);
  if (!Array.isArray(value)) {
    throw new PermissionsError('malformed', 'authorization_details must be a JSON array.');
  }
  if (value.length > MAX_TABLES) {
    throw new PermissionsError('too_large', `authorization_details may have at most ${MAX_TABLES} entries.`);
  }
  let location = resource;
  let isAdmin = false;
  const cells: (readonly [table: string, mask: ActionMask])[] = [];
  for (const entry of value) {
    const detail = requireTableAccess(entry);
    location = requireLocation(detail, location);
    if (Object.hasOwn(detail, 'privileges')) isAdmin = requireAdmin(detail);
    else cells.push([requireTableId(readMember(detail, 'identifier')), requireActions(detail)]);
  }
  return { permissions: union(createPermissions(cells), isAdmin ? EVERYTHING : NOTHING), resource: location };
}

function requireTableAccess(entry: unknown): JsonObject {
  const detail = requireObject(entry, 'Each entry of authorization_details');
  if (readMember(detail, 'type') !== TABLE_ACCESS) {
    throw new PermissionsError('malformed', `The type of an authorization detail must be ${TABLE_ACCESS}.`);
  }
  const unknown = Object.keys(detail).find((member) => !MEMBERS.has(member));
  if (unknown !== undefined) {
    throw new PermissionsError('malformed', `${TABLE_ACCESS} has no member ${quoteName(unknown)}.`);
  }
  return detail;
}

function requireLocation(detail: JsonObject, known: string | undefined): string | undefined {
  if (!Object.hasOwn(detail, 'locations')) return known;
  const locations = requireStrings(detail, 'locations');
  const expected = known ?? locations[0];
  if (locations.some((location) => !isSameResource(location, expected))) {
    throw new PermissionsError(
      'wrong_location',
      'The member locations names another resource than the request is for.',
    );
  }
  return expected;
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

/** Never empty: an empty list could be read as "none" by one side and as "no restriction" by the other. */
function requireStrings(detail: JsonObject, member: string): readonly string[] {
  const list = readMember(detail, member);
  const isList =
    Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'string' && item !== '');
  if (!isList) throw new PermissionsError('malformed', `${member} must be a list of one or more strings.`);
  return list as readonly string[];
}

/** One detail per table, or one for admin; no permissions give `[]`. The result belongs to the caller. */
export function toAuthorizationDetails(permissions: Permissions, resource: string): AuthorizationDetail[] {
  if (permissions.isAdmin) return [{ type: TABLE_ACCESS, locations: [resource], privileges: ['admin'] }];
  return Array.from(permissions.masks, ([identifier, mask]) => ({
    type: TABLE_ACCESS,
    locations: [resource],
    identifier,
    actions: [...toActions(mask)],
  }));
}
