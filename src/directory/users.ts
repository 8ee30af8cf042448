/** People: finding them by what they are called. */

import { type Identity, identityKey, type Realm, type User } from '../nouns/index.ts';
import { findableEmail, findableUsername } from '../nouns/usernames.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { parseUserSubject } from './subjects.ts';

export interface Users {
  find(id: string): Promise<User | undefined>;
  /** @param number as older APIs name people */
  findNumber(number: number): Promise<User | undefined>;
  /** The enabled user that a token's subject names, only if the realm fits too. */
  findBySubject(subject: string): Promise<User | undefined>;
  /** By username or, if it looks like one, email address. */
  findByLogin(realm: Realm, login: string): Promise<User | undefined>;
  /** By who they are at another issuer; disabled ones too. */
  findByIdentity(realm: Realm, identity: Identity): Promise<User | undefined>;
}

/** Whether a user may log in and have tokens. */
export function isActive({ enabled, pending }: Pick<User, 'enabled' | 'pending'>): boolean {
  return enabled && pending !== true;
}

export function createUsers({ users }: Pick<DirectoryStore, 'users'>): Users {
  return {
    find: (id) => users.get(id),
    findNumber: (number) => users.findNumber(number),
    async findBySubject(subject) {
      const named = parseUserSubject(subject);
      const user = named && (await users.get(named.id));
      return user && isActive(user) && user.realm === named?.realm ? user : undefined;
    },
    findByIdentity: (realm, identity) => users.findBy('identity', identityKey(realm, identity)),
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
