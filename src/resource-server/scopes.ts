/** The scopes that an API asks for, in its metadata and in its challenges. */
import { quoteName } from '../permissions/errors.ts';
import { ADMIN_SCOPE } from '../permissions/table-scopes.ts';

/** RFC 6749 section 3.3. */
const SCOPE = /^[!#-[\]-~]+$/;

/** A refresh token is the client's wish, not a need of the resource. */
const OFFLINE = 'offline_access';

/**
 * @returns the same scope
 * @throws TypeError for what is not a scope, and for `offline_access`
 */
export function requireResourceScope(scope: string): string {
  if (!SCOPE.test(scope)) {
    throw new TypeError(
      `${quoteName(scope)} is not a scope. Use visible ASCII characters without blanks, quotation marks and backslashes.`,
    );
  }
  if (scope === OFFLINE) {
    throw new TypeError(
      `A resource does not ask for ${OFFLINE}. Leave it out: clients that want refresh tokens add it themselves.`,
    );
  }
  return scope;
}

/**
 * The scopes that clients ask for first, before they know which operations they need.
 * @throws TypeError for what is not a scope, for `offline_access`, and for admin
 */
export function requireBasicScopes(scopes: readonly string[]): readonly string[] {
  for (const scope of scopes) {
    requireResourceScope(scope);
    if (scope === ADMIN_SCOPE) {
      throw new TypeError(
        `The metadata of a resource does not ask for ${ADMIN_SCOPE}. Name the scopes that basic use needs, such as orders:read.`,
      );
    }
  }
  return [...new Set(scopes)];
}
