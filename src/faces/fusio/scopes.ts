/** Fusio's scopes: how clients ask for them, how answers spell them, and which a person or application may have. */
import type { DirectoryView } from '../../directory/directory.ts';
import { mayHaveOfFace } from '../../directory/registered-applications.ts';
import type { Application, User } from '../../nouns/index.ts';
import { findRights } from '../../rights/rights.ts';
import type { TokenRow } from '../../storage/contract.ts';

/** Those that routes of this face ask for, in the order in which they are told. */
export const OWN_SCOPES: readonly string[] = ['authorization', 'consumer', 'default'];

/** @param text separated by commas if there is one, else by blanks @returns undefined for none, which asks for all */
export function parseScopes(text: string): readonly string[] | undefined {
  if (text === '') return undefined;
  return text
    .split(text.includes(',') ? ',' : ' ')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Those of the allowed ones that are meant, in their order: a name without a dot stands for its `name.*` too. */
export function pickScopes(asked: readonly string[] | undefined, allowed: readonly string[]): string[] {
  if (asked === undefined) return [...allowed];
  const wanted = new Set(asked);
  return allowed.filter((scope) => wanted.has(scope) || wanted.has(scope.split('.', 1)[0] as string));
}

/** A person cannot give an application more than their own token has. */
export function within(scopes: readonly string[], { scope }: Pick<TokenRow, 'scope'>): string[] {
  const own = new Set(scope.split(' '));
  return scopes.filter((name) => own.has(name));
}

/** All scopes of an application, or of a person through it. */
export async function findScopes(view: DirectoryView, application: Application, user?: User) {
  const { resource: identifier } = application;
  const own = OWN_SCOPES.filter((scope) => mayHaveOfFace(application, scope));
  const resource = identifier === undefined ? undefined : await view.findResource(identifier);
  const rights = resource && (await findRights(view, application, resource, user));
  return [...new Set([...own, ...(rights?.scopes ?? [])])];
}
