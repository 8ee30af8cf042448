/**
 * What a resource server knows of a token once it is verified. Of rights to tables `authorization_details` says all,
 * `permissions` only those without limits.
 */
import {
  parseAuthorizationDetails,
  TABLE_ACCESS,
  TABLE_ACCESS_SET,
} from '../permissions/authorization-details.ts';
import type { TableColumns } from '../permissions/column-limits.ts';
import { createPermissions, equals, namedMasks, type Permissions } from '../permissions/permissions.ts';
import { parsePermissions } from '../permissions/permissions-json.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { AccessError } from './errors.ts';
import { TokenAccess } from './token-access.ts';

export interface VerifiedToken {
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  /** `permissions.allows(table, action)` says what is allowed on all rows and columns. */
  readonly permissions: Permissions;
  /** What is allowed on some rows and columns. */
  readonly access: TokenAccess;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** All that the token, or the introspection of it, said. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch: when the authorization server was asked. Undefined for a JWT that was verified here. */
  readonly introspectedAt?: number | undefined;
}

/**
 * @param claims of an RFC 9068 access token or an RFC 7662 answer
 * @param resource identifier of the one that the token must speak of
 * @param tables the declared types of columns
 * @param introspectedAt milliseconds
 * @throws AccessError invalid_token when something that every token has is not there, or it is bound to a key
 */
export function toVerifiedToken(
  claims: Readonly<Record<string, unknown>>,
  { resource, tables }: { readonly resource: string; readonly tables: TableColumns },
  introspectedAt?: number,
): VerifiedToken {
  const { sub, client_id: clientId, exp, scope, cnf } = claims;
  // A verifier sees no proof (RFC 7800), so a stolen token would do.
  if (cnf !== undefined) {
    throw new AccessError('invalid_token', 'The token is bound to a key, and nothing proves the key here.');
  }
  if (typeof sub !== 'string' || typeof clientId !== 'string' || typeof exp !== 'number') {
    throw new AccessError('invalid_token', 'The token has no sub, no client_id or no exp.');
  }
  const permissions = readRights(claims, resource);
  return {
    subject: sub,
    clientId,
    scopes: new Set(scopesOf(scope)),
    permissions,
    access: new TokenAccess(permissions, tables),
    expiresAt: exp,
    claims,
    introspectedAt,
  };
}

/**
 * The rights that both claims say, or the only one of them that is there. The authorization server writes both from one
 * set, so that claims which say different things of rights without limits were not written by it, or not as it meant
 * them: which of them is right cannot be told, and the token is refused.
 * @param resource that the details must speak of
 * @throws AccessError invalid_token
 */
export function readRights(claims: Readonly<Record<string, unknown>>, resource: string): Permissions {
  const plain = unreadableIfThrown(() => readPermissions(claims.permissions));
  const whole = unreadableIfThrown(() => readDetails(claims.authorization_details, resource));
  if (plain && whole && !equals(plain, withoutLimits(whole))) {
    const message = 'The permissions and the details of the token contradict each other.';
    throw new AccessError('invalid_token', message);
  }
  const rights = whole ?? plain;
  if (rights) return rights;
  throw new AccessError('invalid_token', 'The token says nothing of permissions.');
}

function unreadableIfThrown<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new AccessError('invalid_token', 'The permissions of the token cannot be read.', { cause });
  }
}

function readPermissions(claim: unknown): Permissions | undefined {
  return claim === undefined
    ? undefined
    : parsePermissions(claim, { unknownFlags: 'refuse', origin: 'issued' });
}

/** Details of other types, such as those of devices, are about other things than tables. */
function readDetails(claim: unknown, resource: string): Permissions | undefined {
  if (claim === undefined) return undefined;
  const details = Array.isArray(claim) ? claim.filter((detail) => !isOfOtherType(detail)) : claim;
  return parseAuthorizationDetails(details, resource, 'issued').permissions;
}

function isOfOtherType(detail: unknown): boolean {
  const type = typeof detail === 'object' && detail !== null && 'type' in detail ? detail.type : undefined;
  return typeof type === 'string' && type !== TABLE_ACCESS && type !== TABLE_ACCESS_SET;
}

function withoutLimits(permissions: Permissions): Permissions {
  return permissions.limits.size === 0 ? permissions : createPermissions(namedMasks(permissions));
}
