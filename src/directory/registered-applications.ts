/** Applications that a person registered through an older API: they have at most what the one they came through has. */
import type { Application } from '../nouns/index.ts';

/** Whether one may use a grant: it asks for itself, or the application it was registered through may use the grant. */
export function mayUseGrant(grant: string, through: Pick<Application, 'grants'>): boolean {
  return grant === 'client_credentials' || through.grants.includes(grant);
}

/** Whether an application may have a scope that routes of an older API ask for: a registered one only if it names it. */
export function mayHaveOfFace(
  { registeredThrough, scopes }: Pick<Application, 'registeredThrough' | 'scopes'>,
  scope: string,
): boolean {
  return registeredThrough === undefined || scopes.includes(scope);
}
