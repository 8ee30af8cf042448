/** The scopes of a token as its client and resource servers see them. */
import { fromStored } from '../permissions/stored.ts';
import { scopesOf, toTableScopes } from '../permissions/table-scopes.ts';
import type { LoginRow, TokenRow } from '../storage/contract.ts';

type Row = Pick<TokenRow | LoginRow, 'scope' | 'faceScopes' | 'permissions' | 'asScopes'>;

const NONE: readonly string[] = [];

/**
 * Its current scopes: those that it holds by name, and the table scopes that were asked for, derived from the remaining
 * permissions.
 * @param hidden those that only routes of an older API require: only the client is told of them, because a resource may
 *   have other scopes of the same names
 * @returns as a member of claims and of answers; empty if no scope is left
 */
export function scopeMember(
  { scope, faceScopes = NONE, permissions, asScopes = false }: Row,
  hidden = faceScopes,
): { scope?: string } {
  if (hidden.length === 0 && !asScopes) return scope === '' ? {} : { scope };
  const named = scopesOf(scope).filter((name) => !hidden.includes(name));
  const tables = asScopes ? toTableScopes(fromStored(permissions)) : [];
  const all = [...named, ...tables];
  return all.length === 0 ? {} : { scope: all.join(' ') };
}
