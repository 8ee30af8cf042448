/** What is left of a token's rights after something above it shrank: stored ∩ the current rights of all that bound it. */
import { intersect, isEmpty, type Permissions } from '../permissions/permissions.ts';
import { fromStored, toStored } from '../permissions/stored.ts';
import type { Rights } from '../registry/registry.ts';
import type { Bound, DirectoryStore, LoginRow, TokenRow } from '../storage/contract.ts';
import type { Application, Connection, Resource } from '../storage/nouns.ts';
import type { Directory, DirectoryView } from './directory.ts';
import { findConnectionRights, findRights } from './rights.ts';
import type { Users } from './users.ts';

/** Scopes of OpenID Connect say who somebody is; rights over a resource do not touch them. */
const IDENTITY_SCOPES = ['openid', 'profile', 'email', 'offline_access'];

interface Held {
  readonly permissions: Permissions;
  readonly scopes: ReadonlySet<string>;
}

export interface RecomputeDeps {
  readonly directory: Directory;
  readonly users: Pick<Users, 'find' | 'findBySubject'>;
  readonly connections: Pick<DirectoryStore['connections'], 'get'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Whether a connection may be used at all at this moment. */
export function isUsable({ enabled, expiresAt }: Connection, now: number): boolean {
  return enabled && (expiresAt === undefined || expiresAt > now);
}

/** From the first of an exchange chain to the token's own application and user. */
function authoritiesOf(row: TokenRow | LoginRow): readonly Bound[] {
  const own = { application: row.application, ...(row.user !== undefined && { subject: row.subject }) };
  return [...(('bounds' in row && row.bounds) || []), own];
}

/** Each application must still let the next one exchange its tokens. */
async function findApplications(
  view: DirectoryView,
  authorities: readonly Bound[],
): Promise<Application[] | undefined> {
  const applications: Application[] = [];
  for (const authority of authorities) {
    const application = (await view.findApplicationById(authority.application))?.application;
    const previous = applications.at(-1);
    if (!application) return undefined;
    if (previous && previous.id !== application.id && !previous.mayExchange.includes(application.id)) {
      return undefined;
    }
    applications.push(application);
  }
  return applications;
}

/**
 * @returns a function that gives the rights left, or undefined: somebody or something above is gone or disabled, or
 *   nothing is left of permissions that were there
 */
export function createRecompute({
  directory,
  users,
  connections,
  now,
}: RecomputeDeps): (row: TokenRow | LoginRow) => Promise<Rights | undefined> {
  async function heldThroughConnection(
    view: DirectoryView,
    id: string,
    resource: Resource,
  ): Promise<Held | undefined> {
    const connection = await connections.get(id);
    if (!connection || !isUsable(connection, now())) return undefined;
    const application = (await view.findApplicationById(connection.application))?.application;
    const owner = connection.owner === undefined ? undefined : await users.find(connection.owner);
    if (!application || (connection.owner !== undefined && !owner?.enabled)) return undefined;
    return findConnectionRights(view, connection, application, resource, owner);
  }

  /** One for each of those that bound it; undefined if one of them is gone or may nothing here. */
  async function findHeld(
    view: DirectoryView,
    row: TokenRow | LoginRow,
    resource: Resource | undefined,
  ): Promise<Held[] | undefined> {
    const authorities = authoritiesOf(row);
    const applications = await findApplications(view, authorities);
    if (!applications) return undefined;
    const held: Held[] = [];
    for (const [index, { subject }] of authorities.entries()) {
      const user = subject === undefined ? undefined : await users.findBySubject(subject);
      if (subject !== undefined && !user) return undefined;
      const rights = resource && (await findRights(view, applications[index] as Application, resource, user));
      if (resource && !rights) return undefined;
      if (rights) held.push(rights);
    }
    const connection = 'connection' in row ? row.connection : undefined;
    if (connection === undefined || !resource) return held;
    const through = await heldThroughConnection(view, connection, resource);
    return through && [...held, through];
  }

  return async (row) => {
    const view = await directory.view();
    const resource = row.resource === undefined ? undefined : await view.findResource(row.resource);
    if (row.resource !== undefined && !resource) return undefined;
    const held = await findHeld(view, row, resource);
    if (!held) return undefined;
    if (!resource) return { scope: row.scope, permissions: row.permissions };
    const stored = fromStored(row.permissions);
    const left = held.reduce((sofar, { permissions }) => intersect(sofar, permissions), stored);
    if (isEmpty(left) && !isEmpty(stored)) return undefined;
    const scope = row.scope
      .split(' ')
      .filter((name) => IDENTITY_SCOPES.includes(name) || held.every(({ scopes }) => scopes.has(name)))
      .join(' ');
    return { scope, permissions: toStored(left) };
  };
}
