/**
 * Reads what a token, or an answer about it, says of rights to tables. `authorization_details` says all of them,
 * `permissions` only those without limits.
 */
import {
  parseAuthorizationDetails,
  TABLE_ACCESS,
  TABLE_ACCESS_SET,
} from '../permissions/authorization-details.ts';
import { createPermissions, equals, namedMasks, type Permissions } from '../permissions/permissions.ts';
import { parsePermissions } from '../permissions/permissions-json.ts';
import { AccessError } from './errors.ts';

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
    throw new AccessError(
      'invalid_token',
      'The permissions and the details of the token contradict each other.',
    );
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
