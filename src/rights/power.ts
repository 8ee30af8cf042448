/** Who has power over an application: what it may do, its secret, the roles and people that it uses. */
import type { Application, User } from '../nouns/index.ts';

/** An administrator, or an application that asks for itself. */
export interface Powerful {
  readonly user?: User | undefined;
  readonly application?: Application | undefined;
}

type Over = Pick<Application, 'id' | 'organization' | 'realm' | 'owner'>;

/**
 * Administrators of the organization, the organization as a client, and the application itself; but not one that
 * a person registered, which shares users, roles and lifetimes with the one that it was registered through.
 */
export function hasPowerOver({ user, application }: Powerful, over: Over): boolean {
  if (user) return user.administers.includes(over.organization);
  if (application?.organization !== over.organization) return false;
  return application.isOrganization === true || (application.id === over.id && over.owner === undefined);
}

/** The same over its people: those who log in elsewhere too are not an application's own. */
export function hasPowerOverUsers(powerful: Powerful, over: Over): boolean {
  const isOwn = powerful.application?.isOrganization !== true && powerful.user === undefined;
  return hasPowerOver(powerful, over) && (!isOwn || over.realm === `application:${over.id}`);
}
