/**
 * Reach: the rights that a party who controls an object (a user, an application, a role …) could come to hold. A party may
 * change an object only if its own reach contains that of the object. This file: the value. `reach-of.ts` finds it.
 *
 * A reach is an upper bound: it counts what an object says, also where a catalogue, a ceiling or a switch takes it back at
 * this moment, because another change could bring it back.
 */

import { ADMIN_TABLES } from '../nouns/admin-tables.ts';
import { isBuiltIn } from '../nouns/built-in.ts';
import type { Resource } from '../nouns/index.ts';
import { MANAGEMENT_ID } from '../nouns/names.ts';
import { type Catalogue, expandAll } from '../permissions/catalogue.ts';
import { containsAccess, type DeviceAccess } from '../permissions/device-access.ts';
import { containsExtent, type Extent, uniteExtents } from '../permissions/extent.ts';
import { contains, EVERYTHING, NOTHING, type Permissions, union } from '../permissions/permissions.ts';
import { resolveVariables, withAnyValue } from '../permissions/variables.ts';
import { ofOrganization } from './administration.ts';

/** What a reach has of one resource; with all scopes (`*`) and permissions it is the resource itself. */
export interface ResourceReach {
  /** Id of the organization that the resource belongs to. */
  readonly organization: string;
  /** Id of the user whose resource it is. */
  readonly owner?: string | undefined;
  /** Id of the application that it was registered through. */
  readonly registeredBy?: string | undefined;
  /** Set for a built-in resource: the name of the organization that it administers. Nothing but its own rights covers it. */
  readonly administers?: string;
  readonly permissions: Permissions;
  readonly scopes: Extent;
}

export interface Reach {
  /** The store itself, and so all rights over administration beside `server`. */
  readonly store?: true;
  /** All organizations, keys, templates, imports, administrators, and the names that organizations share. */
  readonly server: boolean;
  /** Ids of the organizations of which it is everything. */
  readonly organizations: ReadonlySet<string>;
  /** The people of whom it has all that they own, by id, each with the id of the organization. */
  readonly people: ReadonlyMap<string, string>;
  /** By identifier. */
  readonly resources: ReadonlyMap<string, ResourceReach>;
  /** Of every resource that is or will be registered through an application, by its id. */
  readonly registered: ReadonlyMap<string, ResourceReach>;
  /** Alternatives, by id of the organization. */
  readonly devices: ReadonlyMap<string, readonly DeviceAccess[]>;
}

export const NO_REACH: Reach = {
  server: false,
  organizations: new Set(),
  people: new Map(),
  resources: new Map(),
  registered: new Map(),
  devices: new Map(),
};

/** What owners of the server hand out: everything but rights over administration. */
export const SERVER_DATA: Reach = { ...NO_REACH, server: true };

/** What the operator at the shell has. */
export const WHOLE_SERVER: Reach = { ...SERVER_DATA, store: true };

/** @param organization id */
export function wholeOrganization(organization: string): Reach {
  return organization === MANAGEMENT_ID
    ? SERVER_DATA
    : { ...NO_REACH, organizations: new Set([organization]) };
}

/** What the rights to one resource reach. */
export function reachOfRights(
  {
    identifier,
    organization,
    owner,
    registeredBy,
    ...others
  }: Pick<Resource, 'identifier' | 'organization'> &
    Partial<Pick<Resource, 'id' | 'number' | 'owner' | 'registeredBy'>>,
  { permissions, scopes }: Pick<ResourceReach, 'permissions' | 'scopes'>,
): Reach {
  const { id, number } = others;
  const ofAdministration = id !== undefined && number !== undefined && isBuiltIn({ id, number });
  const part: ResourceReach = {
    organization,
    owner,
    registeredBy,
    permissions,
    scopes,
    ...(ofAdministration && { administers: identifier.slice(identifier.lastIndexOf('/') + 1) }),
  };
  return { ...NO_REACH, resources: new Map([[identifier, part]]) };
}

/** The resource itself: whatever it has and will have. */
export function wholeResource(resource: Parameters<typeof reachOfRights>[0]): Reach {
  return reachOfRights(resource, { permissions: EVERYTHING, scopes: '*' });
}

function merge<T>(maps: readonly ReadonlyMap<string, T>[], both: (a: T, b: T) => T): Map<string, T> {
  const merged = new Map<string, T>();
  for (const [key, value] of maps.flatMap((map) => [...map])) {
    const before = merged.get(key);
    merged.set(key, before === undefined ? value : both(before, value));
  }
  return merged;
}

const unitePart = (a: ResourceReach, b: ResourceReach): ResourceReach => ({
  ...a,
  permissions: union(a.permissions, b.permissions),
  scopes: uniteExtents(a.scopes, b.scopes),
});

/** What any of them reaches. */
export function uniteReach(reaches: readonly Reach[]): Reach {
  const parts = <Part extends keyof Reach>(part: Part) => reaches.map((reach) => reach[part]);
  return {
    ...(reaches.some(({ store }) => store) && { store: true }),
    server: reaches.some(({ server }) => server),
    organizations: new Set(reaches.flatMap(({ organizations }) => [...organizations])),
    people: merge(parts('people'), (organization) => organization),
    resources: merge(parts('resources'), unitePart),
    registered: merge(parts('registered'), unitePart),
    devices: merge(parts('devices'), (a, b) => [...a, ...b]),
  };
}

const NONE: Pick<ResourceReach, 'permissions' | 'scopes'> = { permissions: NOTHING, scopes: new Set() };

/** A variable that has no value yet may get any, and its holder is sure of none. */
function containsWritten(held: Permissions, wanted: Permissions): boolean {
  const surely = resolveVariables(held, () => undefined);
  const atMost = withAnyValue(wanted);
  return surely.isAdmin || (contains(surely, atMost) && !atMost.isCut);
}

function containsPart(
  held: readonly (typeof NONE | undefined)[],
  { permissions, scopes }: typeof NONE,
): boolean {
  const parts = held.map((part) => part ?? NONE);
  return (
    containsWritten(
      parts.reduce((all, part) => union(all, part.permissions), NOTHING),
      permissions,
    ) &&
    containsExtent(
      parts.reduce<Extent>((all, part) => uniteExtents(all, part.scopes), new Set()),
      scopes,
    )
  );
}

const ADMINISTRATION: Catalogue = {
  isOpen: false,
  tables: new Map(ADMIN_TABLES.map((id) => [id, new Map()])),
  groups: new Map(),
};

/** Rights over the administration of the server are rights over that of each organization. */
function administers(
  resources: Reach['resources'],
  identifier: string,
  { administers: name = '', organization, permissions }: ResourceReach,
): boolean {
  const ofServer = [...resources.values()].filter(
    (part) => part.administers !== undefined && part.organization === MANAGEMENT_ID,
  );
  const above = organization === MANAGEMENT_ID ? [] : ofServer;
  const held = above.reduce(
    (all, part) => union(all, ofOrganization(part.permissions, name)),
    resources.get(identifier)?.permissions ?? NOTHING,
  );
  // Of tables that are added later, no role that is given at this moment says anything.
  return containsWritten(expandAll(held, ADMINISTRATION), expandAll(permissions, ADMINISTRATION));
}

/** Whether `holder` has all that `wanted` reaches. */
export function reaches(holder: Reach, wanted: Reach): boolean {
  if (holder.store) return true;
  const { server, organizations, people, resources, registered, devices } = holder;
  const hasAllOf = (organization: string): boolean => server || organizations.has(organization);
  const hasAllFrom = (part: ResourceReach): boolean =>
    hasAllOf(part.organization) || (part.owner !== undefined && people.has(part.owner));
  return (
    (server || !wanted.server) &&
    (server || wanted.organizations.isSubsetOf(organizations)) &&
    [...wanted.people].every(([person, organization]) => people.has(person) || hasAllOf(organization)) &&
    [...wanted.resources].every(([identifier, part]) => {
      if (part.administers !== undefined) return administers(resources, identifier, part);
      const through = part.registeredBy === undefined ? undefined : registered.get(part.registeredBy);
      return hasAllFrom(part) || containsPart([resources.get(identifier), through], part);
    }) &&
    [...wanted.registered].every(
      ([application, part]) =>
        hasAllOf(part.organization) || containsPart([registered.get(application)], part),
    ) &&
    [...wanted.devices].every(
      ([organization, accesses]) =>
        hasAllOf(organization) ||
        accesses.every((access) => devices.get(organization)?.some((held) => containsAccess(held, access))),
    )
  );
}
