/** Who has power over an application: what it may do, its secret, the roles and people that it uses. */
import { isBuiltIn } from '../nouns/built-in.ts';
import type { Application, User } from '../nouns/index.ts';
import { type Reach, uniteReach } from './reach.ts';
import { containsReach, reachOf, type World } from './reach-of.ts';

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

const isItself = ({ user, application }: Powerful): boolean =>
  user === undefined && application?.isOrganization !== true;

/** The same over its people: those who log in elsewhere too are not an application's own. */
export function hasPowerOverUsers(powerful: Powerful, over: Over): boolean {
  return hasPowerOver(powerful, over) && (!isItself(powerful) || over.realm === `application:${over.id}`);
}

/** The roles that say nothing of the administration, which no application gives. */
async function withoutAdministration(ids: readonly string[], world: World): Promise<string[]> {
  const found = ids.map(async (id) => {
    const role = await world.roles.get(id);
    const resource = role && (await world.resources.findBy('identifier', role.resource));
    return resource && isBuiltIn(resource) ? [] : [id];
  });
  return (await Promise.all(found)).flat();
}

/** What an application's own people may do through it is bounded by it; what they administer is not. */
async function findReach(powerful: Powerful, person: User, world: World): Promise<Reach> {
  const { user, application } = powerful;
  if (user) return reachOf('users', user, world);
  const roles = await withoutAdministration(person.roles, world);
  const bounded = isItself(powerful)
    ? [await reachOf('users', { ...person, roles, administers: [] }, world)]
    : [];
  return uniteReach(application ? [await reachOf('applications', application, world), ...bounded] : bounded);
}

/** The same over one of its people, to set a password for example: not over a person who may do more. */
export async function hasPowerOverUser(
  powerful: Powerful,
  over: Over,
  person: User,
  world: World,
): Promise<boolean> {
  if (!hasPowerOverUsers(powerful, over)) return false;
  return containsReach(await findReach(powerful, person, world), 'users', person, person, world);
}
