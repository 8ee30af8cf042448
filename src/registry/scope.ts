/** What resource servers learn of a token's scopes. */
import type { LoginRow, TokenRow } from '../storage/contract.ts';

/**
 * Its scopes without those that only routes of an older API ask for: a resource may have scopes of the same names, and
 * those are not what was given.
 * @returns as a member of claims and of introspection answers; none if nothing is left
 */
export function scopeMember({ scope, faceScopes = [] }: Pick<TokenRow | LoginRow, 'scope' | 'faceScopes'>): {
  scope?: string;
} {
  if (faceScopes.length === 0) return scope === '' ? {} : { scope };
  const left = scope.split(' ').filter((name) => !faceScopes.includes(name));
  return left.length === 0 ? {} : { scope: left.join(' ') };
}
