/** What a JWT says of permissions, and how much of it fits. */
import { type AuthorizationDetail, toCompactDetails } from './authorization-details.ts';
import { type DeviceAccess, type DeviceAccessDetail, toDeviceAccessDetails } from './device-access.ts';
import type { Permissions } from './permissions.ts';
import { toCompactJson } from './permissions-json.ts';

/** The claims in which a token can say it. Only the second has room for limits. */
export const RIGHTS_CLAIMS = ['permissions', 'authorization_details'] as const;

export type RightsClaim = (typeof RIGHTS_CLAIMS)[number];

export interface TokenClaims {
  permissions?: ReturnType<typeof toCompactJson>;
  authorization_details?: (AuthorizationDetail | DeviceAccessDetail)[];
}

/** In the short forms, because a token has little room. @param devices undefined where nothing is said of devices */
export function toTokenClaims(
  permissions: Permissions,
  devices: DeviceAccess | undefined,
  resource: string,
  claims: readonly RightsClaim[] = RIGHTS_CLAIMS,
): TokenClaims {
  const said: TokenClaims = {};
  if (claims.includes('permissions')) said.permissions = toCompactJson(permissions);
  if (claims.includes('authorization_details')) {
    const tables = toCompactDetails(permissions, resource);
    said.authorization_details = devices ? [...tables, ...toDeviceAccessDetails(devices, resource)] : tables;
  }
  return said;
}

/**
 * Permissions that would add more than this to a token are refused or handed out behind an opaque one, so that a token
 * with all its other claims and its signature stays below the 8 KB that servers commonly allow one header.
 */
export const MAX_TOKEN_PERMISSIONS_BYTES = 6144;

/** Bytes of a header that servers commonly allow, without its name and scheme. */
const MAX_TOKEN_BYTES = 8192 - 'Authorization: Bearer '.length;
/** The largest signature, of RSA with 2048 bits, and the header of the JWT. */
const AROUND_CLAIMS = 350 + 150;

/** @param claims as JSON; whether a JWT of them fits into a header */
export function fitsIntoHeader(claims: string): boolean {
  return (Buffer.byteLength(claims) * 4) / 3 + AROUND_CLAIMS <= MAX_TOKEN_BYTES;
}

/** What JSON makes of one character at most, and both spellings of one table beside its id and the resource. */
const LONGEST_ESCAPE = 6;
const AROUND_TABLE = 250;

/** Whether the claims fit into a token. Most are so small that they need not be spelled for it. */
export function fitsIntoToken(
  permissions: Permissions,
  resource: string,
  claims?: readonly RightsClaim[],
): boolean {
  let atMost = AROUND_TABLE + LONGEST_ESCAPE * resource.length;
  for (const table of permissions.masks.keys()) {
    atMost += AROUND_TABLE + LONGEST_ESCAPE * (2 * table.length + resource.length);
  }
  if (permissions.limits.size === 0 && atMost * 4 <= MAX_TOKEN_PERMISSIONS_BYTES * 3) return true;
  return tokenSize(permissions, resource, claims) <= MAX_TOKEN_PERMISSIONS_BYTES;
}

/**
 * Bytes that the claims add to a JWT: their JSON in UTF-8 as it travels, which is base64url, a third larger than the
 * JSON.
 */
export function tokenSize(
  permissions: Permissions,
  resource: string,
  claims: readonly RightsClaim[] = RIGHTS_CLAIMS,
): number {
  const said = JSON.stringify(toTokenClaims(permissions, undefined, resource, claims));
  return Math.ceil((Buffer.byteLength(said) * 4) / 3);
}
