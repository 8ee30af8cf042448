/** Effective permissions = asked ∩ ceiling ∩ subject's rights ∩ parent's. Asking for more is refused, never clipped. */
import type { DirectoryView } from '../directory/directory.ts';
import { PermissionsNotAllowed, ScopeNotAllowed } from '../errors/domain.ts';
import { type Application, catalogueOf, type Resource } from '../nouns/index.ts';
import { isOpenIdScope, OPENID_SCOPES } from '../nouns/openid-scopes.ts';
import { expandAll, requireWithinCatalogue, withinCatalogue } from '../permissions/catalogue.ts';
import {
  containsAccess,
  type DeviceAccess,
  describeMissingAccess,
  intersectAccess,
  missingAccess,
  namesNoAction,
} from '../permissions/device-access.ts';
import { MAX_COMPUTED_ALTERNATIVES, MAX_COMPUTED_CONDITIONS } from '../permissions/limits.ts';
import {
  beyondAllowed,
  describeDifference,
  intersect,
  isNone,
  isWhole,
  NOTHING,
  type Permissions,
} from '../permissions/permissions.ts';
import type { ResourceRights } from '../rights/rights.ts';
import { type Asked, rethrowPermissionsError } from './asked.ts';
import type { Decision, Proof } from './grant.ts';
import type { Through } from './through.ts';

type IsKnown = (scope: string) => boolean;

interface Remembered {
  readonly isKnown: IsKnown;
  /** Of the application's organization. */
  readonly revision: number;
}

const remembered = new WeakMap<Application, Remembered>();

/** Whether a scope is declared by a resource of the application: then it is not the name of a table. */
export async function knownScopes(view: DirectoryView, application: Application): Promise<IsKnown> {
  const revision = view.revisionOf(application.organization);
  const before = remembered.get(application);
  if (before?.revision === revision) return before.isKnown;
  const known = new Set<string>(OPENID_SCOPES);
  for (const { resource } of application.ceilings) {
    for (const scope of (await view.findResource(resource))?.scopes ?? []) known.add(scope);
  }
  const isKnown: IsKnown = (scope) => known.has(scope);
  remembered.set(application, { isKnown, revision });
  return isKnown;
}

/** A login's own; or, if they are named, those of the login behind an exchanged token. */
function openIdScopes(asked: readonly string[] | undefined, { openid, parent }: Proof): ReadonlySet<string> {
  const scopes = new Set((openid ?? parent?.openid)?.scope.split(' ').filter(isOpenIdScope));
  if (openid) return scopes;
  // An exchanged token cannot be refreshed.
  scopes.delete('offline_access');
  return asked?.includes('openid') ? scopes : new Set();
}

function narrowScopes(
  asked: readonly string[] | undefined,
  allowed: ReadonlySet<string>,
  openidScopes: ReadonlySet<string>,
  parent: Proof['parent'],
  pick: Through['pickScopes'],
): string[] {
  const granted = parent?.scope.split(' ').filter((scope) => scope !== '');
  const isAllowed = (scope: string): boolean =>
    (isOpenIdScope(scope) ? openidScopes.has(scope) : allowed.has(scope)) &&
    (granted === undefined || granted.includes(scope));
  if (asked === undefined) return (granted ?? [...openidScopes, ...allowed]).filter(isAllowed);
  if (pick) {
    const picked = pick(asked, (granted ?? [...allowed]).filter(isAllowed));
    if (picked.length === 0)
      throw new ScopeNotAllowed({ description: 'The application may not have any of these scopes.' });
    return [...picked].filter(isAllowed);
  }
  const beyond = asked.filter((scope) => !isAllowed(scope));
  if (beyond.length > 0) {
    const shown = beyond.slice(0, 5).join(' ').slice(0, 200);
    throw new ScopeNotAllowed({ description: `The scope is not allowed: ${shown}.` });
  }
  return [...asked];
}

/** An administrator's rights cover every table, also one that a closed catalogue does not have. */
function refuseUnknownTables(asked: Permissions, resource: Resource): void {
  try {
    requireWithinCatalogue(asked, catalogueOf(resource));
  } catch (error) {
    rethrowPermissionsError(error);
  }
}

/**
 * A right that is asked for without limits means what there is of it, with its limits.
 * @throws PermissionsNotAllowed
 */
export function refuseBeyond(
  asked: Permissions,
  { permissions: allowed, namesTables }: Pick<ResourceRights, 'permissions' | 'namesTables'>,
  resource: Resource,
): void {
  refuseUnknownTables(asked, resource);
  if (namesTables && asked.all !== 0) {
    throw new PermissionsNotAllowed({
      description: 'A registered application cannot have all tables (*): name them.',
    });
  }
  const beyond = beyondAllowed(withinCatalogue(asked, catalogueOf(resource)), allowed);
  if (!isNone(beyond)) throw new PermissionsNotAllowed({ description: describeDifference(beyond) });
}

/** Some alternatives were dropped: what is left is not what the roles and ceilings say. */
function refuseCut(permissions: Permissions): Permissions {
  if (!permissions.isCut) return permissions;
  throw new PermissionsNotAllowed({
    description: `Roles and ceilings together limit one right in more than ${MAX_COMPUTED_ALTERNATIVES} ways, or by more than ${MAX_COMPUTED_CONDITIONS} columns. Ask for rights to other tables only.`,
  });
}

/** `asScopes`: they were asked for as table scopes, here or where the login began. */
function narrowPermissions(
  { permissions: asked, asScopes = false }: Asked,
  resource: Resource,
  rights: ResourceRights,
  parent: Proof['parent'],
): Pick<Decision, 'permissions' | 'asScopes'> {
  // A column may have another type since, or be gone.
  const above = parent && withinCatalogue(parent.permissions, catalogueOf(resource));
  const both = above ? intersect(rights.permissions, above) : rights.permissions;
  const allowed = rights.namesTables ? expandAll(both, catalogueOf(resource)) : both;
  if (asked === undefined) {
    return {
      permissions: refuseCut(allowed),
      asScopes: parent?.asScopes === true && isWhole(parent.permissions, allowed),
    };
  }
  try {
    refuseBeyond(asked, { ...rights, permissions: allowed }, resource);
  } catch (error) {
    if (!asScopes || !(error instanceof PermissionsNotAllowed)) throw error;
    throw new ScopeNotAllowed({ description: error.told, cause: error });
  }
  const given = intersect(withinCatalogue(asked, catalogueOf(resource)), allowed);
  return { permissions: refuseCut(given), asScopes };
}

function narrowDevices(
  wanted: Asked['devices'],
  held: DeviceAccess | undefined,
  parent: Proof['parent'],
): DeviceAccess | undefined {
  const above = parent ? parent.devices : held;
  const allowed = held && above && intersectAccess(held, above);
  if (wanted === undefined) return allowed;
  if (!allowed && namesNoAction(wanted)) return undefined;
  if (!allowed) throw new PermissionsNotAllowed({ description: 'The token cannot hold rights on devices.' });
  const asked = { ...allowed, ...wanted };
  if (!containsAccess(allowed, asked)) {
    throw new PermissionsNotAllowed({ description: describeMissingAccess(missingAccess(asked, allowed)) });
  }
  return asked;
}

/** What a request asks for, and what bounds it. */
interface DownscopeInput {
  readonly asked: Asked;
  readonly proof: Proof;
  /** Undefined for a token that is good at userinfo only. */
  readonly resource: Resource | undefined;
  readonly rights: ResourceRights | undefined;
  /** What the subject may do with devices; undefined where the token does not speak of them. */
  readonly devices?: DeviceAccess | undefined;
  /** Scopes of the face that it is asked for through. */
  readonly faceScopes?: readonly string[];
  readonly pickScopes?: Through['pickScopes'];
  /** Its reader knows tables by name only: all (`*`) are given as those of this moment. */
  readonly byName?: boolean;
}

/** @throws PermissionsNotAllowed, ScopeNotAllowed */
export function downscope(input: DownscopeInput) {
  const { asked, proof, resource, rights, faceScopes = [], pickScopes, byName = false } = input;
  const openid = openIdScopes(asked.scopes, proof);
  const allowed = new Set([...faceScopes, ...(rights?.scopes ?? [])]);
  const scopes = narrowScopes(asked.scopes, allowed, openid, proof.parent, pickScopes);
  if (!resource || !rights) {
    if (asked.permissions)
      throw new PermissionsNotAllowed({ description: 'Permissions need a resource: name one.' });
    return { permissions: NOTHING, asScopes: false, scopes, devices: undefined };
  }
  const { permissions, asScopes } = narrowPermissions(asked, resource, rights, proof.parent);
  return {
    permissions: byName ? expandAll(permissions, catalogueOf(resource)) : permissions,
    asScopes,
    scopes,
    devices: narrowDevices(asked.devices, input.devices, proof.parent),
  };
}
