/** Effective permissions = asked ∩ ceiling ∩ subject's rights ∩ parent's. Asking for more is refused, never clipped. */
import type { DirectoryView } from '../directory/directory.ts';
import type { ResourceRights } from '../directory/rights.ts';
import { PermissionsNotAllowed, ScopeNotAllowed } from '../errors/domain.ts';
import {
  contains,
  describeDifference,
  difference,
  intersect,
  NOTHING,
  type Permissions,
  requireKnownTables,
} from '../permissions/permissions.ts';
import type { Application, Resource } from '../storage/nouns.ts';
import type { Proof } from './contract.ts';
import { type Asked, rethrowPermissionsError } from './request.ts';

/** OpenID Connect scopes; they belong to logins in the browser, not to a resource. */
export const OPENID_SCOPES = ['openid', 'profile', 'email', 'offline_access'] as const;

const isOpenIdScope = (scope: string): boolean => (OPENID_SCOPES as readonly string[]).includes(scope);

type IsKnown = (scope: string) => boolean;

/** An application is one object within a view and another in the next, so what is kept here cannot be stale. */
const remembered = new WeakMap<Application, IsKnown>();

/** Whether a scope is declared by the application or one of its resources: then it is not the name of a table. */
export async function knownScopes(view: DirectoryView, application: Application): Promise<IsKnown> {
  const isKnown = remembered.get(application);
  if (isKnown) return isKnown;
  const known = new Set<string>([...OPENID_SCOPES, ...application.scopes]);
  for (const { resource } of application.ceilings) {
    for (const scope of (await view.findResource(resource))?.scopes ?? []) known.add(scope);
  }
  const answer: IsKnown = (scope) => known.has(scope);
  remembered.set(application, answer);
  return answer;
}

function cutScopes(
  asked: readonly string[] | undefined,
  allowed: ReadonlySet<string>,
  openid: string,
  parent: Proof['parent'],
): string[] {
  const granted = parent?.scope.split(' ').filter((scope) => scope !== '');
  const openidScopes = new Set(openid.split(' ').filter(isOpenIdScope));
  const isAllowed = (scope: string): boolean =>
    (isOpenIdScope(scope) ? openidScopes.has(scope) : allowed.has(scope)) &&
    (granted === undefined || granted.includes(scope));
  if (asked === undefined) return (granted ?? [...openidScopes, ...allowed]).filter(isAllowed);
  const beyond = asked.filter((scope) => !isAllowed(scope));
  if (beyond.length > 0) {
    const shown = beyond.slice(0, 5).join(' ').slice(0, 200);
    throw new ScopeNotAllowed({ description: `scope is not allowed: ${shown}` });
  }
  return [...asked];
}

/** An administrator's rights cover every table, also one that a closed catalogue does not have. */
export function refuseUnknownTables(asked: Permissions, resource: Resource): void {
  if (resource.catalogue === 'open') return;
  try {
    requireKnownTables(asked, new Set(resource.tables.map(({ id }) => id)));
  } catch (error) {
    rethrowPermissionsError(error);
  }
}

function cutPermissions(
  asked: Permissions | undefined,
  resource: Resource,
  rights: ResourceRights,
  parent: Proof['parent'],
): Permissions {
  const allowed = parent ? intersect(rights.permissions, parent.permissions) : rights.permissions;
  if (asked === undefined) return allowed;
  refuseUnknownTables(asked, resource);
  if (!contains(allowed, asked)) {
    const beyond = describeDifference(difference(asked, allowed));
    throw new PermissionsNotAllowed({ description: beyond });
  }
  return asked;
}

/**
 * @param resource undefined for a token that is good at userinfo only
 * @throws PermissionsNotAllowed, ScopeNotAllowed
 */
export function cutDown({
  asked,
  proof,
  resource,
  rights,
}: {
  asked: Asked;
  proof: Proof;
  resource: Resource | undefined;
  rights: ResourceRights | undefined;
}): { permissions: Permissions; scopes: string[] } {
  const openid = proof.openid?.scope ?? '';
  if (!resource || !rights) {
    if (asked.permissions) throw new PermissionsNotAllowed({ description: 'permissions need a resource' });
    return { permissions: NOTHING, scopes: cutScopes(asked.scopes, new Set(), openid, proof.parent) };
  }
  return {
    permissions: cutPermissions(asked.permissions, resource, rights, proof.parent),
    scopes: cutScopes(asked.scopes, rights.scopes, openid, proof.parent),
  };
}
