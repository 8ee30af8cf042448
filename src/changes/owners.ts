/** The last owner of an organization, or of the server, cannot be removed, demoted or locked out. */
import { eachListed } from '../directory/collections.ts';
import { isActive } from '../directory/users.ts';
import { DomainError } from '../errors/domain.ts';
import { parseBuiltInId } from '../nouns/built-in.ts';
import type { User } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** Without an owner, no person could give rights to administrators. */
export class LastOwner extends DomainError {
  override readonly plainStatus = 409;
}

const canLogIn = (user: User): boolean => isActive(user) && user.passwordHash !== undefined;

/** Ids of the roles by which a person owns something at this moment. */
function ownerRolesOf(user: User): string[] {
  return canLogIn(user) ? user.roles.filter((id) => parseBuiltInId(id)?.kind === 'owner') : [];
}

/** The owner roles that a change takes from a person. @param after undefined: the person is removed */
export function lostOwnerships(before: User, after: User | undefined): string[] {
  const left = new Set(after && ownerRolesOf(after));
  return ownerRolesOf(before).filter((role) => !left.has(role));
}

/** @param without id of the person who is about to lose the roles @throws LastOwner */
export async function requireOwners(
  { users }: Pick<DirectoryStore, 'users'>,
  roles: readonly string[],
  without?: string,
): Promise<void> {
  for (const role of roles) {
    let isOwned = false;
    for await (const user of eachListed(users, 'role', role)) {
      isOwned = user.id !== without && canLogIn(user);
      if (isOwned) break;
    }
    if (isOwned) continue;
    throw new LastOwner({ description: 'This is the last owner. Make another person owner before.' });
  }
}
