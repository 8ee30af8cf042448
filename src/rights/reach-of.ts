/**
 * The reach of each kind of object (`reach.ts` says what a reach is), and whether rights contain it. Every write counts as control: a new email address takes over
 * a user, a redirect URI or a key an application.
 */
import { isDeepStrictEqual } from 'node:util';
import { eachListed, eachNoun, type Lookup } from '../directory/collections.ts';
import type { FaceRules } from '../directory/face-rules.ts';
import { adminResourceId, builtInRoleOf, isBuiltIn } from '../nouns/built-in.ts';
import {
  type Application,
  type CollectionName,
  type Connection,
  catalogueOf,
  type Datasource,
  type Nouns,
  type Resource,
  type Role,
  type User,
} from '../nouns/index.ts';
import { MANAGEMENT_ID } from '../nouns/names.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { applicationOf } from '../nouns/values.ts';
import { toBit } from '../permissions/actions.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import { ALL_DEVICE_ACCESS } from '../permissions/device-access.ts';
import { createPermissions, type Permissions, union } from '../permissions/permissions.ts';
import { fromStored } from '../permissions/stored.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { rightsOverOrganizations } from './administration.ts';
import { choosesByAccount, choosesByApplication, choosesByRole, choosesMore } from './mapped-claims.ts';
import {
  NO_REACH,
  type Reach,
  type ResourceReach,
  reaches,
  reachOfRights,
  SERVER_DATA,
  uniteReach,
  wholeOrganization,
  wholeResource,
} from './reach.ts';
import { type Valued, withValues } from './variable-values.ts';

export interface World extends Pick<Lookup, 'organizations' | 'roles' | 'users'> {
  readonly applications: Pick<DirectoryStore['applications'], 'get' | 'findBy' | 'page'>;
  readonly resources: Pick<DirectoryStore['resources'], 'get' | 'findBy' | 'page'>;
  /** Of the older token APIs: which of them gives rights over devices. */
  readonly faceRules: readonly FaceRules[];
}

interface Rule<T> {
  readonly of: (noun: T, world: World) => Promise<Reach>;
  /** Changes that take more than the reach of both sides: they concern the whole server. */
  readonly isOfServer?: (before: T | undefined, after: T | undefined) => boolean;
}

/** A reach for each kind of object: a new kind does not compile without one. */
const rules: { readonly [C in CollectionName]: Rule<Nouns[C]> } = {
  organizations: {
    of: async ({ id }) => wholeOrganization(id),
    // Which names and hosts lead to which organization is decided for all of them.
    isOfServer: (before, after) =>
      (['name', 'hosts', 'default'] as const).some(
        (field) => !before || !after || !isDeepStrictEqual(before[field], after[field]),
      ),
  },
  applications: { of: ofApplication },
  roles: { of: (role, world) => ofRole(role, world) },
  resources: { of: async (resource) => wholeResource(resource) },
  users: {
    of: ofUser,
    isOfServer: (before, after) => before === undefined && after?.realm === 'management',
  },
  connections: { of: ofConnection },
  datasources: { of: ofDatasource },
  // It is told what the audit log is told.
  webhooks: {
    of: ({ organization }, world) =>
      ofAdministration(organization, createPermissions([['audit', toBit('read')]]), world),
  },
};

/** @param noun as it is, or as it would be after a change */
export function reachOf<C extends CollectionName>(
  collection: C,
  noun: Nouns[C],
  world: World,
): Promise<Reach> {
  return rules[collection].of(noun, world);
}

/**
 * Whether a party may make a change as far as its rights go: they contain the object's reach before and after it. That it
 * may change such objects at all is for the caller to know.
 * @param before undefined: the object is made
 * @param after undefined: it is removed
 */
export async function containsReach<C extends CollectionName>(
  holder: Reach,
  collection: C,
  before: Nouns[C] | undefined,
  after: Nouns[C] | undefined,
  world: World,
): Promise<boolean> {
  if (holder.store) return true;
  if (!holder.server && rules[collection].isOfServer?.(before, after)) return false;
  for (const noun of [before, after]) {
    if (noun && !reaches(holder, await reachOf(collection, noun, world))) return false;
  }
  return true;
}

/** What any of them reaches. */
async function uniteAll(reaches: Iterable<Reach | undefined | Promise<Reach | undefined>>): Promise<Reach> {
  const found = await Promise.all(reaches);
  return uniteReach(found.filter((reach) => reach !== undefined));
}

/** A resource that has gone is known by its name only. */
type Named = Resource | Pick<Resource, 'identifier' | 'organization'>;

async function findNamed(
  identifier: string,
  { organization }: { readonly organization: string },
  world: Pick<World, 'resources'>,
): Promise<Named> {
  return (await world.resources.findBy('identifier', identifier)) ?? { identifier, organization };
}

/** A group reaches its tables of today and, as what it is called, those of later. */
function asCatalogued(permissions: Permissions, resource: Named): Permissions {
  return 'tables' in resource
    ? union(permissions, withinCatalogue(permissions, catalogueOf(resource)))
    : permissions;
}

function ofRights(
  resource: Named,
  { permissions, scopes }: Pick<ResourceReach, 'permissions' | 'scopes'>,
): Reach {
  return reachOfRights(resource, { permissions: asCatalogued(permissions, resource), scopes });
}

async function ofRole(role: Role, world: World, holder?: Valued): Promise<Reach> {
  const resource = await findNamed(role.resource, role, world);
  // It opens the database of a neighbour, which knows nothing of permissions.
  if ('token' in resource && choosesByRole(resource, role)) return wholeResource(resource);
  const written = fromStored(role.permissions);
  const permissions = holder ? withValues(written, holder) : written;
  const own = ofRights(resource, { permissions, scopes: new Set(role.scopes) });
  return uniteReach([own, await grantedBy(role, world)]);
}

/** What administrators with the role may hand out: an owner everything of the organization. */
export async function grantedBy(role: Role, world: Pick<World, 'resources'>): Promise<Reach> {
  if (builtInRoleOf(role) === 'owner') return wholeOrganization(role.organization);
  const granted = (role.mayGrant ?? []).map(async ({ resource, permissions, scopes }) => {
    const named = await findNamed(resource, role, world);
    // Rights over the administration are handed out only within those that the token has.
    if ('number' in named && isBuiltIn(named)) return undefined;
    return ofRights(named, { permissions: fromStored(permissions), scopes: new Set(scopes) });
  });
  return uniteAll(granted);
}

/** Rights over the administration of an organization. @param organization id */
async function ofAdministration(
  organization: string,
  permissions: Permissions,
  { resources }: Pick<World, 'resources'>,
): Promise<Reach> {
  const resource = await resources.get(adminResourceId(organization));
  return resource ? ofRights(resource, { permissions, scopes: new Set() }) : NO_REACH;
}

/** @param holder whose values variables have; without one they may have any */
async function ofRoles(ids: readonly string[], world: World, holder?: Valued): Promise<Reach> {
  const found = [...new Set(ids)].map(async (id) => {
    const role = await world.roles.get(id);
    return role && ofRole(role, world, holder);
  });
  return uniteAll(found);
}

/** An administrator without an organization is one that any of them could get. */
async function ofUser(user: User, world: World): Promise<Reach> {
  const { id, organization, realm, administers, roles } = user;
  if (realm === 'management' && administers.length === 0 && roles.length === 0) return SERVER_DATA;
  return uniteAll([
    organization === undefined ? undefined : { ...NO_REACH, people: new Map([[id, organization]]) },
    ...administers.map(wholeOrganization),
    realm === 'management' ? ofAdministered(administers, world) : undefined,
    ofRoles(roles, world, user),
    ofAttributes(user, world),
    devicesOfUser(user, world),
  ]);
}

/** On the server's administration, they have what an owner of each of the organizations has. */
async function ofAdministered(administers: readonly string[], world: World): Promise<Reach> {
  const found = await Promise.all(administers.map((id) => world.organizations.get(id)));
  const names = found.flatMap((each) => each?.name ?? []);
  return ofAdministration(MANAGEMENT_ID, rightsOverOrganizations(names), world);
}

/** What neighbours are told of a person may open their databases, for resources that the person's tokens can be for. */
async function ofAttributes(user: User, world: World): Promise<Reach> {
  const roles = await Promise.all(user.roles.map((id) => world.roles.get(id)));
  const opens = (resource: Resource) => choosesMore(resource, user);
  return uniteAll([
    ofOpenedTo(user, opens, world),
    ofOpened(
      roles.flatMap((role) => role?.resource ?? []),
      opens,
      world,
    ),
  ]);
}

/** As `ofOpened`, of the resources that tokens of the people of a realm can be for. */
async function ofOpenedTo(
  { realm, organization }: Pick<User, 'realm' | 'organization'>,
  opens: (resource: Resource) => boolean,
  world: World,
): Promise<Reach> {
  const own = applicationOf(realm);
  if (own !== undefined) return ofOpened(ceilingsOf(await world.applications.get(own)), opens, world);
  if (organization === undefined) return NO_REACH;
  const opened: Reach[] = [];
  // Few resources choose by anything, and there may be many applications.
  for await (const resource of eachNoun(world.resources, organization)) {
    if (opens(resource) && (await isForRealm(resource, realm, world))) opened.push(wholeResource(resource));
  }
  return uniteReach(opened);
}

async function isForRealm(
  { identifier }: Resource,
  realm: string,
  { applications }: Pick<World, 'applications'>,
): Promise<boolean> {
  for await (const each of eachListed(applications, 'resource', identifier)) {
    if (each.realm === realm && ceilingsOf(each).includes(identifier)) return true;
  }
  return false;
}

const ceilingsOf = (application: Pick<Application, 'ceilings'> | undefined): string[] =>
  (application?.ceilings ?? []).map(({ resource }) => resource);

/** The resources whose neighbours open their databases by what is written: the whole of them. */
async function ofOpened(
  identifiers: readonly string[],
  opens: (resource: Resource) => boolean,
  { resources }: Pick<World, 'resources'>,
): Promise<Reach> {
  const opened = [...new Set(identifiers)].map(async (identifier) => {
    const resource = await resources.findBy('identifier', identifier);
    return resource && opens(resource) ? wholeResource(resource) : undefined;
  });
  return uniteAll(opened);
}

async function devicesOfUser(user: User, world: World): Promise<Reach | undefined> {
  const face = world.faceRules.find(({ findDeviceRights }) => findDeviceRights);
  const { organization: id } = user;
  const organization = id === undefined ? undefined : await world.organizations.get(id);
  if (!face?.findDeviceRights || !organization) return undefined;
  if (!(organization.faces?.[face.name] ?? user.faces?.[face.name])) return undefined;
  const access = face.findDeviceRights(user, organization);
  return { ...NO_REACH, devices: new Map([[organization.id, [access]]]) };
}

/**
 * An application that a person registered may do at most what that person may, and is the person's. What other people let
 * it do when they log in is theirs to decide, unless it does not ask them.
 */
async function ofApplication(application: Application, world: World): Promise<Reach> {
  const { organization, isOrganization, introspects, owner, firstParty } = application;
  if (isOrganization) return wholeOrganization(organization);
  const registrant = owner === undefined ? undefined : await world.users.get(owner);
  // A resource server is given the tokens of all that use the resource.
  const served = introspects.map(async (identifier) =>
    wholeResource(await findNamed(identifier, application, world)),
  );
  return uniteAll([
    registrant && ofUser(registrant, world),
    registrant && !firstParty ? undefined : ofItself(application, world),
    administeredThrough(application, world),
    ofOpened(ceilingsOf(application), (resource) => choosesByApplication(resource, application), world),
    ...served,
  ]);
}

/** Those through which people administer are listed by owners. */
async function administeredThrough(
  { ceilings, organization }: Application,
  { resources }: World,
): Promise<Reach | undefined> {
  const found = await Promise.all(ceilings.map(({ resource }) => resources.findBy('identifier', resource)));
  return found.some((each) => each && isBuiltIn(each)) ? wholeOrganization(organization) : undefined;
}

async function ofItself(application: Application, world: World): Promise<Reach> {
  const others = application.mayExchange.filter((other) => other !== application.id);
  const ofOthers = others.map(async (id) => {
    const other = await world.applications.get(id);
    return other && ofCeilings(other, world);
  });
  return uniteAll([ofCeilings(application, world), ...ofOthers, devicesOfApplication(application, world)]);
}

async function ofCeilings(application: Application, world: World): Promise<Reach> {
  const { id, organization, ceilings, registeredCeiling } = application;
  const scopes = application.scopes.filter((scope) => !isOpenIdScope(scope));
  const declaredBy = (resource: Named): readonly string[] => ('scopes' in resource ? resource.scopes : []);
  const named = await Promise.all(
    ceilings.map(async ({ resource, permissions }) => ({
      resource: await findNamed(resource, application, world),
      permissions: fromStored(permissions),
    })),
  );
  const declared = new Set(named.flatMap(({ resource }) => declaredBy(resource)));
  const parts = named.map(({ resource, permissions }) => {
    const own = declaredBy(resource);
    // One that no resource declares could be declared by any.
    const had = scopes.filter((scope) => own.includes(scope) || !declared.has(scope));
    return ofRights(resource, { permissions, scopes: new Set(had) });
  });
  const registered = registeredCeiling && {
    organization,
    permissions: fromStored(registeredCeiling),
    scopes: new Set(scopes),
  };
  return uniteAll([...parts, registered && { ...NO_REACH, registered: new Map([[id, registered]]) }]);
}

/** An application has power over people of its own, whose rights over devices no ceiling bounds. */
async function devicesOfApplication(
  { id, organization }: Application,
  world: World,
): Promise<Reach | undefined> {
  const face = world.faceRules.find(({ findDeviceRights }) => findDeviceRights);
  const settings = face && (await world.organizations.get(organization))?.faces?.[face.name];
  if (settings?.application !== id) return undefined;
  return { ...NO_REACH, devices: new Map([[organization, [ALL_DEVICE_ACCESS]]]) };
}

/** One that belongs to a person allows at most what that person may, and is the person's. */
async function ofConnection(connection: Connection, world: World): Promise<Reach> {
  const { owner: id, permissions, scopes } = connection;
  const owner = id === undefined ? undefined : await world.users.get(id);
  if (owner) return ofUser(owner, world);
  return ofRights(await findNamed(connection.resource, connection, world), {
    permissions: fromStored(permissions),
    scopes: new Set(scopes),
  });
}

/** Control of a database, or of which one it is, is control of every account that could be in it. */
function ofDatasource({ organization, userTables }: Datasource, world: World): Promise<Reach> {
  const ids = userTables.flatMap(({ roles, roleMap }) => [...roles, ...roleMap.map(({ role }) => role)]);
  const opened = userTables.map(({ realm, claims }) => {
    const columns = claims.map(({ column }) => column);
    return columns.length === 0
      ? undefined
      : ofOpenedTo({ realm, organization }, (resource) => choosesByAccount(resource, columns), world);
  });
  return uniteAll([ofRoles(ids, world), ...opened]);
}
