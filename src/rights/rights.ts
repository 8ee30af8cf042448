/**
 * What is allowed: the rights of an application, of a person through it, of a connection and of a database account, and what
 * is left of a token's rights after a change. Reading nouns is `directory`'s, changing them `changes`'.
 *
 * This file: what an application, and a user through it, may do with one resource: ceilings, roles, catalogue.
 */

import type { DirectoryView } from '../directory/directory.ts';
import { isBuiltIn } from '../nouns/built-in.ts';
import {
  type Application,
  type Connection,
  catalogueOf,
  isRegistered,
  type Resource,
} from '../nouns/index.ts';
import { MANAGEMENT_ID } from '../nouns/names.ts';
import { expandAll, expandGroups, withinCatalogue } from '../permissions/catalogue.ts';
import {
  EVERYTHING,
  intersect,
  NOTHING,
  type Permissions,
  union,
  withoutAdmin,
} from '../permissions/permissions.ts';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import { fromStored } from '../permissions/stored.ts';
import { withAnyValue } from '../permissions/variables.ts';
import { rightsOverOrganizations } from './administration.ts';
import { type Valued, withValues } from './variable-values.ts';

/** Everything a party may have of one resource. */
export interface ResourceRights {
  readonly permissions: Permissions;
  /** Set for a registered application: it has admin or tables by name, and not all (`*`). */
  readonly namesTables?: true;
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
export interface Holder extends Valued {
  /** Its node. */
  readonly id: string;
  readonly username: string;
  /** Ids. */
  readonly roles: readonly string[];
  /** Ids of the organizations whose resources they may do everything with. */
  readonly administers?: readonly string[];
}

/** All that rights are read from beside the nouns themselves. */
export type RoleView = Pick<DirectoryView, 'findRole' | 'findApplicationById' | 'findOrganization'>;

/** The ceiling of an application for a resource, as it is written; undefined if it has none for this resource. */
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
  const ofAdministration = isBuiltIn(resource);
  const hasAll = isOwner || (!ofAdministration && user.administers?.includes(resource.organization) === true);
  let permissions = hasAll ? EVERYTHING : NOTHING;
  if (ofAdministration) permissions = await findAdministered(view, user, resource);
  const scopes = new Set<string>(hasAll ? resource.scopes : []);
  const roles: string[] = [];
  const roleIds: string[] = [];
  for (const id of user.roles) {
    const role = await view.findRole(id);
    if (role?.organization !== resource.organization || role.resource !== resource.identifier) continue;
    permissions = union(permissions, withValues(fromStored(role.permissions), user));
    for (const scope of role.scopes) scopes.add(scope);
    roles.push(role.name);
    roleIds.push(role.id);
  }
  const as = isOwner ? 'owner' : hasAll ? 'administrator' : 'roles of user';
  return { permissions: withinCatalogue(permissions, catalogueOf(resource)), scopes, roles, roleIds, as };
}

/** On the server's administration, an administrator of organizations has what an owner of each of them has. */
async function findAdministered(
  view: Pick<RoleView, 'findOrganization'>,
  { administers = [] }: Holder,
  { organization }: Resource,
): Promise<Permissions> {
  if (organization !== MANAGEMENT_ID || administers.length === 0) return NOTHING;
  const found = await Promise.all(administers.map((id) => view.findOrganization(id)));
  return rightsOverOrganizations(found.flatMap((each) => each?.name ?? []));
}

/**
 * The administration is for applications that an owner gave a ceiling for it: not for registered ones, and not for an
 * organization as a client.
 */
function mayAdminister(application: Application): boolean {
  return !isRegistered(application) && !application.isOrganization;
}

/** The ceiling and the scopes of an application. */
interface Bounds extends Pick<ResourceRights, 'namesTables'> {
  /** Also of tables that the catalogue lacks, for explanations. */
  readonly written: Permissions;
  /** What the catalogue leaves of it. */
  readonly ceiling: Permissions;
  readonly scopes: readonly string[];
}

/** A user; `anyone` before it is known who logs in; undefined: the application is by itself. */
type ForWhom = Holder | 'anyone' | undefined;

function boundsOf(application: Application, resource: Resource, holder: ForWhom): Bounds | undefined {
  const own = findCeiling(application, resource);
  if (!own || (isBuiltIn(resource) && !mayAdminister(application))) return undefined;
  const catalogue = catalogueOf(resource);
  const written = holder === 'anyone' ? withAnyValue(own) : withValues(own, holder, application.id);
  const ceiling = withinCatalogue(written, catalogue);
  return {
    // Columns and values are compared as the catalogue has them.
    written: written === ceiling || written.limits.size > 0 ? ceiling : expandGroups(written, catalogue),
    ceiling,
    scopes: resource.scopes.filter((scope) => application.scopes.includes(scope)),
  };
}

/**
 * Those of a registered application are at most those of the application it was registered through, and speak of the tables
 * of today where that one may have all (`*`). No agent is admin of a resource.
 */
async function findBounds(
  view: RoleView,
  application: Application,
  resource: Resource,
  holder: ForWhom,
): Promise<Bounds | undefined> {
  const own = boundsOf(application, resource, holder);
  if (!own || application.registeredThrough === undefined) return own;
  const through = (await view.findApplicationById(application.registeredThrough))?.application;
  const above = through && boundsOf(through, resource, holder);
  if (!above) return undefined;
  const written = intersect(own.written, above.written);
  const ceiling = intersect(own.ceiling, above.ceiling);
  const mayBeAdmin = application.agent === undefined;
  return {
    written: mayBeAdmin ? written : withoutAdmin(written),
    ceiling: expandAll(mayBeAdmin ? ceiling : withoutAdmin(ceiling), catalogueOf(resource)),
    namesTables: true,
    scopes: own.scopes.filter((scope) => above.scopes.includes(scope)),
  };
}

/**
 * Rights = ceiling ∩ catalogue, and for a user ∩ what the user holds. For `anyone` they are the most that there could be.
 * @returns undefined if the application has no ceiling for the resource, that is, may not have tokens for it
 */
export async function findRights(
  view: RoleView,
  application: Application,
  resource: Resource,
  user?: ForWhom,
): Promise<ResourceRights | undefined> {
  const bounds = await findBounds(view, application, resource, user);
  if (!bounds || resource.organization !== application.organization) return undefined;
  const { written, ceiling, scopes: allowedScopes, ...facts } = bounds;
  const steps = [
    { name: `ceiling of application ${application.name}`, permissions: written },
    { name: `catalogue of resource ${resource.name}`, permissions: ceiling },
  ];
  if (!user || user === 'anyone') {
    return { ...facts, permissions: ceiling, scopes: new Set(allowedScopes), roles: [], roleIds: [], steps };
  }
  const { as, permissions, scopes, roles, roleIds } = await findHeld(view, user, resource);
  steps.push({ name: `${as} ${user.username}`, permissions });
  const both = intersect(ceiling, permissions);
  return {
    ...facts,
    permissions: facts.namesTables ? expandAll(both, catalogueOf(resource)) : both,
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
  const written = withValues(fromStored(connection.permissions), owner);
  const own = withinCatalogue(written, catalogueOf(resource));
  const both = intersect(rights.permissions, own);
  return {
    permissions: rights.namesTables ? expandAll(both, catalogueOf(resource)) : both,
    ...(rights.namesTables && { namesTables: true }),
    scopes: new Set(connection.scopes.filter((scope) => rights.scopes.has(scope))),
    roleIds: rights.roleIds,
    steps: [...rights.steps, { name: `connection ${connection.name}`, permissions: own }],
  };
}

/**
 * What an agent gets of a resource where nothing names tables: some of what it may have, and never all of it. As an operator
 * wrote it, with groups, and with variables that have no values yet.
 * @param resource identifier
 * @returns undefined: an agent must name tables there
 */
export async function findAgentDefault(
  view: Pick<RoleView, 'findApplicationById'>,
  { registeredThrough = '' }: Application,
  resource: string | undefined,
): Promise<Permissions | undefined> {
  const template = (await view.findApplicationById(registeredThrough))?.application;
  if (!template?.default || !isSameResource(resource, template.resource)) return undefined;
  return fromStored(template.default);
}
