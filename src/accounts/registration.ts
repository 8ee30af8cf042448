/** Strangers who register: a user with a password of their own choice, and the roles that everybody gets. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { removeCurrent } from '../changes/retry-on-conflict.ts';
import { eachListed } from '../directory/collections.ts';
import { AlreadyTaken, MalformedRequest, RegistrationClosed } from '../errors/domain.ts';
import type { Application, Realm, User } from '../nouns/index.ts';
import { canonicalEmail, canonicalUsername } from '../nouns/usernames.ts';
import { MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import { Conflict, type DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { checkNewPassword, type Passwords } from './passwords.ts';

/**
 * How often, and after how many milliseconds, one looks again whether the other of two has gone: a busy store takes long to
 * remove it.
 */
const LOOKS = 50;
const LOOK_AGAIN_AFTER = 40;

export interface Registrant {
  /** Whose realm it is. */
  readonly application: Application;
  /** The email address if absent. */
  readonly username?: string;
  readonly email?: string;
  /** Without one the user cannot log in until one is set: only for callers who may set it. */
  readonly password?: string;
  /** They must show that the email address is theirs before they can log in. */
  readonly pending?: boolean;
  readonly displayName?: string;
  readonly author: Author;
}

/** The name is free and the email address is taken, which a caller may keep secret. */
export class EmailTaken extends AlreadyTaken {
  /** Absent if they are gone already. */
  readonly holder: User | undefined;
  constructor(description: string, holder: User | undefined, cause?: unknown) {
    super(defined({ description, cause }));
    this.holder = holder;
  }
}

/** In the form that is compared. @throws MalformedRequest */
export function canonicalNames(username: string, email: string | undefined) {
  return defined({
    canonicalUsername: canonicalUsername(username),
    canonicalEmail: email === undefined ? undefined : canonicalEmail(email),
  });
}

/** Names and addresses are typed into one field, so no name may equal an address. @param except id of a user */
export async function findHolder(
  users: Pick<DirectoryStore['users'], 'findBy'>,
  realm: Realm,
  name: string,
  except?: string,
): Promise<User | undefined> {
  for (const key of ['username', 'email'] as const) {
    const user = await users.findBy(key, `${realm}/${name}`);
    if (user && user.id !== except) return user;
  }
  return undefined;
}

/**
 * @throws MalformedRequest when the address or the password will not do; AlreadyTaken; EmailTaken, which takes as long
 *   as a registration; RegistrationClosed when the application ends meanwhile; Unavailable when the hash queue is full
 */
export type Register = (registrant: Registrant) => Promise<User>;

export function createRegister({
  store,
  changes,
  passwords,
  now,
}: {
  store: Pick<DirectoryStore, 'applications' | 'roles' | 'users'>;
  changes: Pick<Changes, 'users'>;
  passwords: Passwords;
  /** Milliseconds. */
  now: () => number;
}): Register {
  async function defaultRoles(organization: string): Promise<string[]> {
    const roles: string[] = [];
    for await (const { id } of eachListed(store.roles, 'default', organization)) roles.push(id);
    return roles;
  }

  /** The user who has the name as their address, or the address as their name. */
  async function findOther({ id, realm, canonicalUsername: name, canonicalEmail: email }: User) {
    const other = await findHolder(store.users, realm, name, id);
    return other || email === undefined ? other : findHolder(store.users, realm, email, id);
  }

  /**
   * No index of the store spans names and addresses, so of two who register at once each looks once more when both are
   * written: the later one goes. A store may give out the lower number and write it last, and then the other one has
   * not seen it: the one that finds the other one staying goes too.
   * @throws AlreadyTaken when the user has been removed again
   */
  async function requireAlone(user: User, description: string, author: Author): Promise<void> {
    for (let look = 1; ; look += 1) {
      const other = await findOther(user);
      if (!other) return;
      if (other.number < user.number || look === LOOKS) break;
      await sleep(LOOK_AGAIN_AFTER);
    }
    await removeCurrent(store.users, changes.users, user, author);
    throw new AlreadyTaken({ description });
  }

  /**
   * An application that is removed is disabled first, and then looked at for its users: one of both sees the other.
   * @throws RegistrationClosed when the user has been removed again
   */
  async function requireStillOpen(user: User, { id, enabled }: Application, author: Author): Promise<void> {
    if (!enabled || user.realm !== `application:${id}`) return;
    if ((await store.applications.get(id))?.enabled) return;
    await removeCurrent(store.users, changes.users, user, author);
    throw new RegistrationClosed({ description: 'The application was disabled or removed.' });
  }

  return async ({ application, email, password, displayName, pending, author, ...given }) => {
    const { realm, organization, minPasswordLength } = application;
    const username = given.username ?? email;
    if (username === undefined) throw new MalformedRequest({ description: 'The username is missing.' });
    const names = canonicalNames(username, email);
    const minLength = minPasswordLength ?? MIN_PASSWORD_LENGTH.user;
    if (password !== undefined) checkNewPassword(password, { minLength, username, email });
    const taken = given.username === undefined ? 'The email address' : 'The user name or the email address';
    const description = `${taken} is registered already.`;
    const find = (name?: string) => (name === undefined ? undefined : findHolder(store.users, realm, name));
    const nameHolder = await find(names.canonicalUsername);
    if (nameHolder) throw new AlreadyTaken({ description });
    const emailHolder = await find(names.canonicalEmail);
    // Also where the address is taken: how long it takes must not tell.
    const share = { organization, address: author.address };
    const passwordHash = password === undefined ? undefined : await passwords.hash(password, share);
    if (emailHolder) throw new EmailTaken(description, emailHolder);
    let user: User;
    try {
      user = await changes.users.create(
        {
          realm,
          organization,
          username,
          ...names,
          ...defined({
            email,
            displayName,
            passwordHash,
            passwordChangedAt: passwordHash === undefined ? undefined : now(),
            pending: pending || undefined,
          }),
          roles: await defaultRoles(organization),
        },
        author,
      );
    } catch (error) {
      // Another request registered it in the meantime, whichever check found it first.
      if (await find(names.canonicalUsername)) throw new AlreadyTaken({ description, cause: error });
      const holder = await find(names.canonicalEmail);
      if (holder || error instanceof Conflict) throw new EmailTaken(description, holder, error);
      throw error;
    }
    await requireAlone(user, description, author);
    await requireStillOpen(user, application, author);
    return user;
  };
}
