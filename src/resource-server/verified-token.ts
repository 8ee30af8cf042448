/** What a resource server knows of a token once it is verified. */
import type { Permissions } from '../permissions/permissions.ts';
import { parsePermissions } from '../permissions/permissions-json.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { AccessError } from './errors.ts';

export interface VerifiedToken {
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  /** `permissions.allows(table, action)` is the question to ask. */
  readonly permissions: Permissions;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** All that the token, or the introspection of it, said. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * @param claims of an RFC 9068 access token or an RFC 7662 answer
 * @throws AccessError invalid_token when something that every token has is not there
 */
export function toVerifiedToken(claims: Readonly<Record<string, unknown>>): VerifiedToken {
  const { sub, client_id: clientId, exp, scope } = claims;
  if (typeof sub !== 'string' || typeof clientId !== 'string' || typeof exp !== 'number') {
    throw new AccessError('invalid_token', 'The token has no sub, no client_id or no exp.');
  }
  return {
    subject: sub,
    clientId,
    scopes: new Set(scopesOf(scope)),
    permissions: readPermissions(claims.permissions),
    expiresAt: exp,
    claims,
  };
}

function readPermissions(permissions: unknown): Permissions {
  try {
    return parsePermissions(permissions, { unknownFlags: 'refuse' });
  } catch (cause) {
    throw new AccessError('invalid_token', 'The permissions of the token cannot be read.', { cause });
  }
}
