/**
 * What is allowed: the rights of an application, of a person through it, of a connection and of a database account, and what
 * is left of a token's rights after a change. Reading nouns is `directory`'s, changing them `changes`'.
 *
 * This file: what an application, and a user through it, may do with one resource: ceilings, roles, catalogue.
 */

import type { DirectoryView } from '../directory/directory.ts';
import { type Application, type Connection, catalogueOf, type Resource } from '../nouns/index.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import { EVERYTHING, intersect, NOTHING, type Permissions, union } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import type { ColumnValues } from '../storage/contract.ts';

/** Everything a party may have of one resource. */
export interface ResourceRights {
  readonly permissions: Permissions;
  /** The resource's own scopes that may be had. */
  readonly scopes: ReadonlySet<string>;
  /** Names, for the `roles` claim. */
  readonly roles: readonly string[];
  /** Ids of role nodes that these rights came through. */
  readonly roleIds: readonly string[];
  /** The steps that were intersected, for explanations. */
  readonly steps: readonly { readonly name: string; readonly permissions: Permissions }[];
}

/** A party that has roles: a user, or a database account. */
export interface Holder {
  /** Its node. */
  readonly id: string;
  readonly username: string;
  /** Ids. */
  readonly roles: readonly string[];
  /** Ids of the organizations whose resources they may do everything with. */
  readonly administers?: readonly string[];
  /** Of a database account: the values in its row that its user table copies into claims, by column. */
  readonly claims?: ReadonlyMap<string, ColumnValues[string]>;
}

/** All that rights are read from beside the nouns themselves. */
export type RoleView = Pick<DirectoryView, 'findRole' | 'findApplicationById'>;

/** The ceiling of an application for a resource; undefined if it has none for this resource. */
export function findCeiling(application: Application, resource: Resource): Permissions | undefined {
  const { ceilings, registeredCeiling, id } = application;
  const own = ceilings.find((candidate) => candidate.resource === resource.identifier)?.permissions;
  const stored = own ?? (resource.registeredBy === id ? registeredCeiling : undefined);
  return stored && fromStored(stored);
}

/** What a user holds of one resource, through any application. */
export interface Held extends Pick<ResourceRights, 'permissions' | 'scopes' | 'roles' | 'roleIds'> {
  /** As what. */
  readonly as: 'owner' | 'administrator' | 'roles of user';
}

/** The union of the roles held for the resource ∩ catalogue, or everything if the user owns or administers it. */
export async function findHeld(view: RoleView, user: Holder, resource: Resource): Promise<Held> {
  const isOwner = resource.owner === user.id;
  const hasAll = isOwner || user.administers?.includes(resource.organization) === true;
  let permissions = hasAll ? EVERYTHING : NOTHING;
  const scopes = new Set<string>(hasAll ? resource.scopes : []);
  const roles: string[] = [];
  const roleIds: string[] = [];
  for (const id of user.roles) {
    const role = await view.findRole(id);
    if (role?.organization !== resource.organization || role.resource !== resource.identifier) continue;
    permissions = union(permissions, fromStored(role.permissions));
    for (const scope of role.scopes) scopes.add(scope);
    roles.push(role.name);
    roleIds.push(role.id);
  }
  const as = isOwner ? 'owner' : hasAll ? 'administrator' : 'roles of user';
  return { permissions: withinCatalogue(permissions, catalogueOf(resource)), scopes, roles, roleIds, as };
}

/** The ceiling and the scopes of an application. */
interface Bounds {
  readonly ceiling: Permissions;
  readonly scopes: readonly string[];
}

/** Those of a registered application are at most those of the application it was registered through. */
async function findBounds(
  view: RoleView,
  application: Application,
  resource: Resource,
): Promise<Bounds | undefined> {
  const own = findCeiling(application, resource);
  const scopes = resource.scopes.filter((scope) => application.scopes.includes(scope));
  if (!own || application.registeredThrough === undefined) return own && { ceiling: own, scopes };
  const through = (await view.findApplicationById(application.registeredThrough))?.application;
  const above = through && findCeiling(through, resource);
  if (!above) return undefined;
  return {
    ceiling: intersect(own, above),
    scopes: scopes.filter((scope) => through.scopes.includes(scope)),
  };
}

/**
 * Rights = ceiling ∩ catalogue, and for a user ∩ what the user holds.
 * @returns undefined if the application has no ceiling for the resource, that is, may not have tokens for it
 */
export async function findRights(
  view: RoleView,
  application: Application,
  resource: Resource,
  user?: Holder,
): Promise<ResourceRights | undefined> {
  const bounds = await findBounds(view, application, resource);
  if (!bounds || resource.organization !== application.organization) return undefined;
  const { ceiling, scopes: allowedScopes } = bounds;
  const known = withinCatalogue(ceiling, catalogueOf(resource));
  const steps = [
    { name: `ceiling of application ${application.name}`, permissions: ceiling },
    { name: `catalogue of resource ${resource.name}`, permissions: known },
  ];
  if (!user) {
    return { permissions: known, scopes: new Set(allowedScopes), roles: [], roleIds: [], steps };
  }
  const { as, permissions, scopes, roles, roleIds } = await findHeld(view, user, resource);
  steps.push({ name: `${as} ${user.username}`, permissions });
  return {
    permissions: intersect(known, permissions),
    scopes: new Set(allowedScopes.filter((scope) => scopes.has(scope))),
    roles,
    roleIds,
    steps,
  };
}

/**
 * What a connection may give: its ceiling ∩ catalogue ∩ what its application, and its owner through that, may do.
 * @param owner the living user it belongs to, where it belongs to one
 * @returns undefined if its application may not have tokens for its resource
 */
export async function findConnectionRights(
  view: RoleView,
  connection: Connection,
  application: Application,
  resource: Resource,
  owner: Holder | undefined,
): Promise<Omit<ResourceRights, 'roles'> | undefined> {
  const rights = await findRights(view, application, resource, owner);
  if (!rights) return undefined;
  const own = withinCatalogue(fromStored(connection.permissions), catalogueOf(resource));
  return {
    permissions: intersect(rights.permissions, own),
    scopes: new Set(connection.scopes.filter((scope) => rights.scopes.has(scope))),
    roleIds: rights.roleIds,
    steps: [...rights.steps, { name: `connection ${connection.name}`, permissions: own }],
  };
}
