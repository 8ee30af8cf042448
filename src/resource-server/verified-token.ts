/** What a resource server knows of a token once it is verified. */

import type { TableColumns } from '../permissions/column-limits.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { AccessError } from './errors.ts';
import { TokenAccess } from './token-access.ts';
import { readRights } from './token-rights.ts';

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
