/** What a JWT says of permissions, and how much of it fits. */
import { toCompactDetails } from './authorization-details.ts';
import { toDetails } from './details.ts';
import type { DeviceAccess } from './device-access.ts';
import type { Permissions } from './permissions.ts';
import { toCompactJson } from './permissions-json.ts';

/** The claims in which a token can say it. Only the second has room for limits. */
export const RIGHTS_CLAIMS = ['permissions', 'authorization_details'] as const;

export type RightsClaim = (typeof RIGHTS_CLAIMS)[number];

export interface TokenClaims {
  permissions?: ReturnType<typeof toCompactJson>;
  authorization_details?: ReturnType<typeof toDetails>;
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
    said.authorization_details = toDetails(permissions, devices, resource, toCompactDetails);
  }
  return said;
}

/**
 * Permissions and mapped claims that would add more than this to a token are refused or handed out behind an opaque one, so that a token
 * with all its other claims and its signature stays below the 8 KB that servers commonly allow one header.
 */
export const MAX_TOKEN_PERMISSIONS_BYTES = 6144;

/** Bytes of a header that servers commonly allow, without its name and scheme. */
const MAX_TOKEN_BYTES = 8192 - 'Authorization: Bearer '.length;
/** The largest signature, of RSA with 2048 bits, and the header of the JWT. */
const AROUND_CLAIMS = 350 + 150;

/** @param claims as JSON; whether a JWT of them fits into a header */
export function fitsIntoHeader(claims: string): boolean {
  return inBase64(Buffer.byteLength(claims)) + AROUND_CLAIMS <= MAX_TOKEN_BYTES;
}

/** Bytes that JSON makes of one UTF-16 unit of a name at most: names have no control characters. */
const LONGEST_CHARACTER = 3;
/** Around the id of a table in both claims, and around a set of tables. */
const AROUND_TABLE = 70;
const AROUND_SET = 160;

/** Counts generously, so that most permissions need not be spelled to know their size. */
function mayBeLarge({ all, masks, limits }: Permissions, resource: string, besides: number): boolean {
  if (limits.size > 0) return true;
  const sets = new Set([all, ...masks.values()]).size;
  let bytes = AROUND_TABLE + sets * (AROUND_SET + LONGEST_CHARACTER * resource.length);
  for (const table of masks.keys()) bytes += AROUND_TABLE + 2 * LONGEST_CHARACTER * table.length;
  return inBase64(bytes) + besides > MAX_TOKEN_PERMISSIONS_BYTES;
}

const inBase64 = (bytes: number): number => Math.ceil((bytes * 4) / 3);

/** Bytes that the claims add to a JWT: their JSON in UTF-8 as it travels, in base64url. */
export function claimsSize(claims: object): number {
  return inBase64(Buffer.byteLength(JSON.stringify(claims)));
}

/**
 * @param claims of the permissions, for the resource
 * @param besides bytes that claims take which the resource adds for neighbours
 */
export function fitsIntoToken(
  permissions: Permissions,
  resource: string,
  claims: TokenClaims,
  besides = 0,
): boolean {
  if (!mayBeLarge(permissions, resource, besides)) return true;
  return claimsSize(claims) + besides <= MAX_TOKEN_PERMISSIONS_BYTES;
}
