/** People: finding them by what they are called, or by the application that they registered. */
import { type Application, type Identity, identityKey, type Realm, type User } from '../nouns/index.ts';
import { findableEmail, findableUsername } from '../nouns/usernames.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { parseUserSubject } from './subjects.ts';

/** Whether a user may log in and have tokens. */
export function isActive({ enabled, pending }: Pick<User, 'enabled' | 'pending'>): boolean {
  return enabled && pending !== true;
}

export type Users = ReturnType<typeof createUsers>;

export function createUsers({ users }: Pick<DirectoryStore, 'users'>) {
  return {
    find: (id: string) => users.get(id),
    /** @param number as older APIs name people */
    findNumber: (number: number) => users.findNumber(number),
    /** The enabled user that a token's subject names, only if the realm fits too. */
    async findBySubject(subject: string): Promise<User | undefined> {
      const named = parseUserSubject(subject);
      const user = named && (await users.get(named.id));
      return user && isActive(user) && user.realm === named?.realm ? user : undefined;
    },
    /** By who they are at another issuer; disabled ones too. */
    findByIdentity: (realm: Realm, identity: Identity) =>
      users.findBy('identity', identityKey(realm, identity)),
    /** By username or, if it looks like one, email address. */
    async findByLogin(realm: Realm, login: string): Promise<User | undefined> {
      const username = findableUsername(login);
      const byName =
        username === undefined ? undefined : await users.findBy('username', `${realm}/${username}`);
      if (byName || !login.includes('@')) return byName;
      const email = findableEmail(login);
      return email === undefined ? undefined : users.findBy('email', `${realm}/${email}`);
    },
  };
}

/**
 * The person who registered an application: without them it cannot be used.
 * @returns without a registrant for one that an operator made; undefined: they are gone or disabled
 */
export async function findRegistrant(
  { owner }: Pick<Application, 'owner'>,
  users: Pick<Users, 'find'>,
): Promise<{ readonly registrant?: User } | undefined> {
  if (owner === undefined) return {};
  const registrant = await users.find(owner);
  return registrant && isActive(registrant) ? { registrant } : undefined;
}
