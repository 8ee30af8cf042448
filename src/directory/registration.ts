/** Strangers who register: a user with a password of their own choice, and the roles that everybody gets. */
import { AlreadyTaken } from '../errors/domain.ts';
import { Conflict, type DirectoryStore } from '../storage/contract.ts';
import type { Application, User } from '../storage/nouns.ts';
import type { Author, Changes } from './changes.ts';
import { eachNoun } from './collections.ts';
import { checkNewPassword, type Passwords } from './passwords.ts';
import { canonicalEmail, canonicalUsername } from './usernames.ts';

const MIN_PASSWORD_LENGTH = 8;

export interface Registrant {
  /** Whose realm it is. */
  readonly application: Application;
  /** Good as user name too. */
  readonly email: string;
  readonly password: string;
  readonly displayName?: string;
  readonly author: Author;
}

/**
 * @throws MalformedRequest when the address or the password will not do; AlreadyTaken; Unavailable when the hash queue
 *   is full
 */
export type Register = (registrant: Registrant) => Promise<User>;

export function createRegister({
  store,
  changes,
  passwords,
  now,
}: {
  store: Pick<DirectoryStore, 'roles' | 'users'>;
  changes: Pick<Changes, 'users'>;
  passwords: Passwords;
  /** Milliseconds. */
  now: () => number;
}): Register {
  async function defaultRoles(organization: string): Promise<string[]> {
    const roles: string[] = [];
    for await (const role of eachNoun(store.roles, organization)) if (role.default) roles.push(role.id);
    return roles;
  }

  return async ({ application, email, password, displayName, author }) => {
    const { realm, organization, minPasswordLength } = application;
    const names = { canonicalUsername: canonicalUsername(email), canonicalEmail: canonicalEmail(email) };
    checkNewPassword(password, {
      minLength: minPasswordLength ?? MIN_PASSWORD_LENGTH,
      username: email,
      email,
    });
    const isTaken = async (): Promise<boolean> =>
      (await store.users.findBy('username', `${realm}/${names.canonicalUsername}`)) !== undefined ||
      (await store.users.findBy('email', `${realm}/${names.canonicalEmail}`)) !== undefined;
    if (await isTaken()) throw new AlreadyTaken({ description: 'the email address is registered already' });
    const passwordHash = await passwords.hash(password, organization);
    try {
      return await changes.users.create(
        {
          enabled: true,
          realm,
          organization,
          username: email,
          email,
          ...names,
          emailVerified: false,
          ...(displayName !== undefined && { displayName }),
          passwordHash,
          passwordChangedAt: now(),
          secondFactor: false,
          roles: await defaultRoles(organization),
          administers: [],
        },
        author,
      );
    } catch (error) {
      // Somebody registered it in the meantime, whichever check found him first.
      if (!(error instanceof Conflict) && !(await isTaken())) throw error;
      throw new AlreadyTaken({ description: 'the email address is registered already', cause: error });
    }
  };
}
