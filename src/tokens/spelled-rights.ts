/** What was decided of permissions, as a token's row, its answer and its JWT spell it. */
import type { Resource } from '../nouns/index.ts';
import type { AuthorizationDetail } from '../permissions/authorization-details.ts';
import { toDetails } from '../permissions/details.ts';
import type { DeviceAccess, DeviceAccessDetail } from '../permissions/device-access.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { type PermissionsJson, toPermissionsJson } from '../permissions/permissions-json.ts';
import { type StoredPermissions, toStored } from '../permissions/stored.ts';
import { fitsIntoToken, type TokenClaims, toTokenClaims } from '../permissions/token-claims.ts';
import type { Decision } from './grant.ts';

/** In full, for readers with room. */
export interface FullRights {
  readonly permissions: PermissionsJson;
  readonly authorization_details: readonly (AuthorizationDetail | DeviceAccessDetail)[];
}

export function spellInFull(
  permissions: Permissions,
  devices: DeviceAccess | undefined,
  resource: string,
): FullRights {
  return {
    permissions: toPermissionsJson(permissions),
    authorization_details: toDetails(permissions, devices, resource),
  };
}

export class SpelledRights {
  readonly resource: Resource | undefined;
  readonly stored: StoredPermissions;
  readonly full: FullRights;
  readonly #permissions: Permissions;
  readonly #devices: DeviceAccess | undefined;
  #claims: TokenClaims | undefined;
  #fits: boolean | undefined;

  constructor({ permissions, devices, resource }: Pick<Decision, 'permissions' | 'devices' | 'resource'>) {
    this.resource = resource;
    this.stored = toStored(permissions);
    this.full = spellInFull(permissions, devices, resource?.identifier ?? '');
    this.#permissions = permissions;
    this.#devices = devices;
  }

  /** Of a JWT. */
  get claims(): TokenClaims {
    const { identifier = '', token } = this.resource ?? {};
    this.#claims ??= toTokenClaims(this.#permissions, this.#devices, identifier, token?.claims);
    return this.#claims;
  }

  /**
   * Whether the claims leave room for all else in a JWT.
   * @param besides bytes that further claims take
   */
  fitIntoToken(besides: number): boolean {
    if (besides > 0) return this.#fitBeside(besides);
    this.#fits ??= this.#fitBeside(0);
    return this.#fits;
  }

  #fitBeside(besides: number): boolean {
    return fitsIntoToken(this.#permissions, this.resource?.identifier ?? '', this.claims, besides);
  }
}

/**
 * What a ceiling, a role or a parent allows is one object as long as it stays the same. Permissions and resources are never
 * changed, so the same objects have the same spelling.
 */
const spelledBefore = new WeakMap<Permissions, SpelledRights>();

export function spellRights(decision: Decision): SpelledRights {
  const { permissions, devices, resource } = decision;
  const known = spelledBefore.get(permissions);
  if (known && known.resource === resource && !devices) return known;
  const spelled = new SpelledRights(decision);
  if (!devices) spelledBefore.set(permissions, spelled);
  return spelled;
}
