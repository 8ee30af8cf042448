/** The last owner of an organization, or of the server, cannot be removed, demoted or locked out. */
import { eachListed } from '../directory/collections.ts';
import { isActive } from '../directory/users.ts';
import { DomainError } from '../errors/domain.ts';
import { builtInRoleId, parseBuiltInId } from '../nouns/built-in.ts';
import type { Application, CollectionName, Nouns, User } from '../nouns/index.ts';
import { applicationOf } from '../nouns/values.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** Without an owner, no person could give rights to administrators. */
export class LastOwner extends DomainError {
  override readonly plainStatus = 409;
}

interface Store {
  readonly users: Pick<DirectoryStore['users'], 'page'>;
  readonly applications: Pick<DirectoryStore['applications'], 'get'>;
}

const canLogIn = (user: User): boolean => isActive(user) && user.passwordHash !== undefined;

/** Whether people of the application's own realm log in through it. No other application lets them in. */
const letsIn = ({ enabled, realm, id }: Application): boolean => enabled && applicationOf(realm) === id;

async function isLetIn({ realm }: User, { applications }: Store): Promise<boolean> {
  const id = applicationOf(realm);
  if (id === undefined) return true;
  const application = await applications.get(id);
  return application !== undefined && letsIn(application);
}

/** Ids of the roles by which a person owns something at this moment. */
function ownerRolesOf(user: User): string[] {
  return canLogIn(user) ? user.roles.filter((id) => parseBuiltInId(id)?.kind === 'owner') : [];
}

/** The owner roles that a change takes from a person. @param after undefined: the person is removed */
export function lostOwnerships(before: User, after: User | undefined): string[] {
  const left = new Set(after && ownerRolesOf(after));
  return ownerRolesOf(before).filter((role) => !left.has(role));
}

/** Whether people may lose what they own, who then must have successors before it. */
export function mayTakeOwnerships<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
): boolean {
  if (collection === 'users') return lostOwnerships(before as User, after as User).length > 0;
  return collection === 'applications' && letsIn(before as Application) && !letsIn(after as Application);
}

/** The owner role of an application's people, if one who is locked out has it. */
async function lockedOutOwnerships(before: Application, store: Store): Promise<string[]> {
  const role = builtInRoleId(before.organization, 'owner');
  for await (const user of eachListed(store.users, 'role', role)) {
    if (applicationOf(user.realm) === before.id && canLogIn(user)) return [role];
  }
  return [];
}

/** The owner roles that a change takes from a person, or from people who it locks out. */
export async function findLostOwnerships<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
  store: Store,
): Promise<string[]> {
  if (!mayTakeOwnerships(collection, before, after)) return [];
  return collection === 'users'
    ? lostOwnerships(before as User, after as User)
    : lockedOutOwnerships(before as Application, store);
}

/** @param without id of the person, or of the application with the people, about to lose the roles @throws LastOwner */
export async function requireOwners(store: Store, roles: readonly string[], without?: string): Promise<void> {
  for (const role of roles) {
    let isOwned = false;
    for await (const user of eachListed(store.users, 'role', role)) {
      const stays = without === undefined || (user.id !== without && applicationOf(user.realm) !== without);
      isOwned = stays && canLogIn(user) && (await isLetIn(user, store));
      if (isOwned) break;
    }
    if (isOwned) continue;
    throw new LastOwner({ description: 'This is the last owner. Make another person owner before.' });
  }
}
