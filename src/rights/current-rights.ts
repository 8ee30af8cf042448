/**
 * What is left of a token's rights after something above it shrank: stored ∩ catalogue ∩ the current rights of all that
 * bound it.
 */

import type { Directory, DirectoryView } from '../directory/directory.ts';
import { mayHaveOfFace } from '../directory/registered-applications.ts';
import { findRegistrant, type Users } from '../directory/users.ts';
import { type Application, type Connection, catalogueOf, type Resource, type User } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { withinCatalogue, withoutGroups } from '../permissions/catalogue.ts';
import {
  allowsNothing,
  type DeviceAccess,
  fromStoredAccess,
  intersectAccess,
  toStoredAccess,
} from '../permissions/device-access.ts';
import type { Step } from '../permissions/explain.ts';
import { intersect, isEmpty, isWhole, type Permissions } from '../permissions/permissions.ts';
import { fromStored, toStored } from '../permissions/stored.ts';
import type { Rights } from '../registry/registry.ts';
import type { Bound, DirectoryStore, LoginRow, TokenRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { findAccountHolder } from './database-accounts.ts';
import { findConnectionRights, findRights, type Holder } from './rights.ts';

/** The current rights of one party that bounds a token. */
export interface BoundRights {
  readonly permissions: Permissions;
  /** Of a user with access to devices. */
  readonly devices?: DeviceAccess;
  readonly scopes: ReadonlySet<string>;
  readonly roleIds: readonly string[];
  readonly steps: readonly Step<Permissions>[];
  readonly application: Application;
  /** The party whose variables have values. */
  readonly holder?: Holder;
  readonly connection?: Connection;
}

export type CurrentRights = ReturnType<typeof createCurrentRights>;

/** Whether a connection may be used at all at this moment. */
export function isUsable({ enabled, expiresAt }: Connection, now: number): boolean {
  return enabled && (expiresAt === undefined || expiresAt > now);
}

/** From the first of an exchange chain to the token's own application and user. */
function authoritiesOf(row: TokenRow | LoginRow): readonly Bound[] {
  const isSomebody = row.user !== undefined || row.account !== undefined;
  const own = defined({
    application: row.application,
    subject: isSomebody ? row.subject : undefined,
    account: row.account,
  });
  return [...(('bounds' in row && row.bounds) || []), own];
}

/** Each application must still let the next one exchange its tokens, unless its subject acted for the next one's. */
async function findApplications(
  view: DirectoryView,
  authorities: readonly Bound[],
): Promise<Application[] | undefined> {
  const applications: Application[] = [];
  for (const [index, authority] of authorities.entries()) {
    const application = (await view.findApplicationById(authority.application))?.application;
    if (!application) return undefined;
    const previous = applications.at(-1);
    const isFree = !previous || previous.id === application.id || authorities[index - 1]?.acts === true;
    if (!isFree && !previous.mayExchange.includes(application.id)) return undefined;
    applications.push(application);
  }
  return applications;
}

export function createCurrentRights({
  directory,
  users,
  connections,
  now,
}: {
  readonly directory: Directory;
  readonly users: Pick<Users, 'find' | 'findBySubject'>;
  readonly connections: Pick<DirectoryStore['connections'], 'get'>;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  /** @returns undefined if the user whose rights bound it is gone */
  async function findBounding(
    view: DirectoryView,
    { subject, account }: Bound,
    application: Application,
  ): Promise<{ readonly holder?: Holder; readonly user?: User } | undefined> {
    const registered = await findRegistrant(application, users);
    if (!registered) return undefined;
    if (subject === undefined) return defined({ holder: registered.registrant });
    if (account) {
      const holder = await findAccountHolder(view, subject, account);
      return holder && { holder };
    }
    const user = await users.findBySubject(subject);
    return user && { holder: user, user };
  }

  /** Administrators use an older API as long as the organization lets them. */
  async function isLetIn(
    view: DirectoryView,
    { realm }: User,
    application: Application,
    { face, organization }: TokenRow | LoginRow,
  ): Promise<boolean> {
    if (face === undefined || realm !== 'management' || application.realm === realm) return true;
    const { faces } = (await view.findOrganization(organization)) ?? {};
    return faces?.[face]?.administrators === true;
  }

  async function rightsThroughConnection(
    view: DirectoryView,
    id: string,
    resource: Resource,
  ): Promise<BoundRights | undefined> {
    const connection = await connections.get(id);
    if (!connection || !isUsable(connection, now())) return undefined;
    const application = (await view.findApplicationById(connection.application))?.application;
    const owner = connection.owner === undefined ? undefined : await users.find(connection.owner);
    if (!application || (connection.owner !== undefined && !owner?.enabled)) return undefined;
    const rights = await findConnectionRights(view, connection, application, resource, owner);
    return rights && { ...rights, application, connection, ...defined({ holder: owner }) };
  }

  /**
   * In the order of the chain, the connection last; undefined if one of them is gone or may nothing here. Empty for a
   * token without a resource.
   */
  async function findBoundRights(row: TokenRow | LoginRow): Promise<readonly BoundRights[] | undefined> {
    const view = await directory.view();
    const resource = row.resource === undefined ? undefined : await view.findResource(row.resource);
    if (row.resource !== undefined && !resource) return undefined;
    const authorities = authoritiesOf(row);
    const applications = await findApplications(view, authorities);
    if (!applications) return undefined;
    const connection = 'connection' in row ? row.connection : undefined;
    const isThrough = connection !== undefined && resource !== undefined;
    const through = isThrough ? await rightsThroughConnection(view, connection, resource) : undefined;
    if (isThrough && !through) return undefined;
    const held: BoundRights[] = [];
    for (const [index, authority] of authorities.entries()) {
      const application = applications[index] as Application;
      const bounding = await findBounding(view, authority, application);
      if (!bounding) return undefined;
      // Below a connection of a person, variables mean that person.
      const { holder = through?.holder, user } = bounding;
      const rights = resource && (await findRights(view, application, resource, holder));
      if (resource && !rights) return undefined;
      if (user && !(await isLetIn(view, user, application, row))) return undefined;
      const devices = user && row.devices && (await view.findDeviceRights(user, row.organization));
      // Only a user who may do everything with devices may have a pair made for another user.
      const isAnother = authority.subject !== undefined && authority.subject !== row.subject;
      if (devices && isAnother && devices.actions !== '*') return undefined;
      if (rights) held.push({ ...rights, application, ...defined({ devices, holder }) });
    }
    return through ? [...held, through] : held;
  }

  /** The rights left; undefined if a party above is gone or nothing is left of the token's rights. */
  async function recompute(row: TokenRow | LoginRow): Promise<Rights | undefined> {
    const held = await findBoundRights(row);
    if (!held) return undefined;
    if (row.resource === undefined) return { scope: row.scope, permissions: row.permissions };
    const view = await directory.view();
    const resource = await view.findResource(row.resource);
    const application = (await view.findApplicationById(row.application))?.application;
    if (!resource || !application) return undefined;
    const stored = fromStored(row.permissions);
    const left = held.reduce(
      (sofar, { permissions }) => intersect(sofar, permissions),
      withinCatalogue(withoutGroups(stored), catalogueOf(resource)),
    );
    const storedDevices = row.devices && fromStoredAccess(row.devices);
    const devices = held.reduce(
      (sofar, step) => sofar && (step.devices ? intersectAccess(sofar, step.devices) : sofar),
      storedDevices,
    );
    const hadDevices = storedDevices !== undefined && !allowsNothing(storedDevices);
    const isNothingLeft = isEmpty(left) && (!devices || allowsNothing(devices));
    if (isNothingLeft && (!isEmpty(stored) || hadDevices)) return undefined;
    const isKept = (name: string): boolean =>
      isOpenIdScope(name) ||
      (row.faceScopes?.includes(name) === true && mayHaveOfFace(application, name)) ||
      held.every(({ scopes }) => scopes.has(name));
    return defined({
      scope: row.scope.split(' ').filter(isKept).join(' '),
      permissions: toStored(left),
      asScopes: row.asScopes && isWhole(stored, left),
      devices: devices && toStoredAccess(devices),
    });
  }

  return { findBoundRights, recompute };
}
