/** The scopes of a token as its client and resource servers see them. */
import { fromStored } from '../permissions/stored.ts';
import { scopesOf, toTableScopes } from '../permissions/table-scopes.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';

type Row = Pick<TokenRow | LoginRow, 'scope' | 'faceScopes' | 'permissions' | 'asScopes'>;

/**
 * Its current scopes: those that it holds by name, and the table scopes that were asked for, derived from the remaining
 * permissions. Without scopes that only routes of an older API require: a resource may have other scopes of the same
 * names.
 * @returns as a member of claims and of answers; empty if no scope is left
 */
export function scopeMember({ scope, faceScopes = [], permissions, asScopes = false }: Row): {
  scope?: string;
} {
  if (faceScopes.length === 0 && !asScopes) return scope === '' ? {} : { scope };
  const named = scopesOf(scope).filter((name) => !faceScopes.includes(name));
  const tables = asScopes ? toTableScopes(fromStored(permissions)) : [];
  const all = [...named, ...tables];
  return all.length === 0 ? {} : { scope: all.join(' ') };
}
