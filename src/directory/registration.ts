/** Strangers who register: a user with a password of their own choice, and the roles that everybody gets. */
import { AlreadyTaken, MalformedRequest } from '../errors/domain.ts';
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
  /** The email address if absent. */
  readonly username?: string;
  readonly email?: string;
  /** Without one nobody logs in until one is set: only for who may set it. */
  readonly password?: string;
  /** They must show that the email address is theirs before they can log in. */
  readonly pending?: boolean;
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

  return async ({ application, email, password, displayName, pending, author, ...given }) => {
    const { realm, organization, minPasswordLength } = application;
    const username = given.username ?? email;
    if (username === undefined) throw new MalformedRequest({ description: 'username is missing' });
    const names = {
      canonicalUsername: canonicalUsername(username),
      ...(email !== undefined && { canonicalEmail: canonicalEmail(email) }),
    };
    if (password !== undefined) {
      checkNewPassword(password, {
        minLength: minPasswordLength ?? MIN_PASSWORD_LENGTH,
        username,
        ...(email !== undefined && { email }),
      });
    }
    // Both are typed into one field, so neither may be the other of anybody.
    const isKnown = async (name: string): Promise<boolean> =>
      (await store.users.findBy('username', `${realm}/${name}`)) !== undefined ||
      (await store.users.findBy('email', `${realm}/${name}`)) !== undefined;
    const isTaken = async (): Promise<boolean> =>
      (await isKnown(names.canonicalUsername)) ||
      (names.canonicalEmail !== undefined && (await isKnown(names.canonicalEmail)));
    const taken = given.username === undefined ? 'the email address' : 'the user name or the email address';
    if (await isTaken()) throw new AlreadyTaken({ description: `${taken} is registered already` });
    const passwordHash = password === undefined ? undefined : await passwords.hash(password, organization);
    try {
      return await changes.users.create(
        {
          enabled: true,
          realm,
          organization,
          username,
          ...(email !== undefined && { email }),
          ...names,
          emailVerified: false,
          ...(displayName !== undefined && { displayName }),
          ...(passwordHash !== undefined && { passwordHash, passwordChangedAt: now() }),
          secondFactor: false,
          ...(pending && { pending: true }),
          roles: await defaultRoles(organization),
          administers: [],
        },
        author,
      );
    } catch (error) {
      // Somebody registered it in the meantime, whichever check found him first.
      if (!(error instanceof Conflict) && !(await isTaken())) throw error;
      throw new AlreadyTaken({ description: `${taken} is registered already`, cause: error });
    }
  };
}
