/** People: finding them, and proving who they are with a password. One path for every door that takes one. */
import { AccountClosed, ProofRejected } from '../errors/domain.ts';
import type { AuditLog, DirectoryStore } from '../storage/contract.ts';
import type { Realm, User } from '../storage/nouns.ts';
import type { Passwords } from './passwords.ts';
import { parseUserSubject } from './subjects.ts';
import { findableEmail, findableUsername } from './usernames.ts';

/** Counts guesses; what it throws is what the caller gets. */
export interface GuessLimits {
  /** Takes one guess before the password is looked at. @throws TooManyAttempts */
  passwordAttempt(account: string, address: string): Promise<Guess>;
}

/** Exactly one of its methods is called. */
export interface Guess {
  succeeded(): Promise<void>;
  failed(): Promise<void>;
  /** The password was not looked at. */
  abandoned(): Promise<void>;
}

export interface Users {
  find(id: string): Promise<User | undefined>;
  /** @param number as older APIs name people */
  findNumber(number: number): Promise<User | undefined>;
  /** The enabled user that a token's subject names, only if the realm fits too. */
  findBySubject(subject: string): Promise<User | undefined>;
  /** By username or, if it looks like one, email address. */
  findByLogin(realm: Realm, login: string): Promise<User | undefined>;
  /**
   * @param queue whose share of the hash queue it takes: the organization's id
   * @throws ProofRejected alike for unknown and wrong; AccountClosed for a right password of somebody who may not log
   *   in; TooManyAttempts; Unavailable when the queue is full
   */
  authenticate(request: {
    realm: Realm;
    login: string;
    password: string;
    address: string;
    queue: string;
  }): Promise<User>;
}

/** Whether somebody may log in and have tokens. */
export function isActive({ enabled, pending }: Pick<User, 'enabled' | 'pending'>): boolean {
  return enabled && pending !== true;
}

export interface UsersDeps {
  readonly store: Pick<DirectoryStore, 'users'>;
  readonly passwords: Passwords;
  readonly limits: GuessLimits;
  readonly audit: AuditLog;
  readonly now: () => number;
}

export function createUsers({ store, passwords, limits, audit, now }: UsersDeps): Users {
  const { users } = store;

  async function findByLogin(realm: Realm, login: string): Promise<User | undefined> {
    const username = findableUsername(login);
    const byName =
      username === undefined ? undefined : await users.findBy('username', `${realm}/${username}`);
    if (byName || !login.includes('@')) return byName;
    const email = findableEmail(login);
    return email === undefined ? undefined : users.findBy('email', `${realm}/${email}`);
  }

  /** A stale write is no loss: the next login tries again. */
  async function rehash(user: User, password: string, queue: string): Promise<User> {
    const passwordHash = await passwords.hash(password, queue);
    return users.replace({ ...user, passwordHash });
  }

  return {
    find: (id) => users.get(id),
    findNumber: (number) => users.findNumber(number),
    async findBySubject(subject) {
      const named = parseUserSubject(subject);
      const user = named && (await users.get(named.id));
      return user && isActive(user) && user.realm === named?.realm ? user : undefined;
    },
    findByLogin,
    async authenticate({ realm, login, password, address, queue }) {
      const user = await findByLogin(realm, login);
      // One account has one counter whichever of its names was typed; a name without account is counted as itself.
      const account = `${realm}/${user ? user.canonicalUsername : (findableUsername(login) ?? login)}`;
      const attempt = await limits.passwordAttempt(account, address);
      const { ok, rehash: outdated } = await passwords
        .verify(password, user?.passwordHash, queue)
        .catch(async (error) => {
          await attempt.abandoned();
          throw error;
        });
      if (!user || !ok) {
        await attempt.failed();
        throw new ProofRejected({ reason: user ? 'wrong password' : 'unknown user' });
      }
      if (!isActive(user)) {
        await attempt.failed();
        throw new AccountClosed(user.enabled ? 'pending' : 'disabled');
      }
      await attempt.succeeded();
      if (!outdated) return user;
      try {
        return await rehash(user, password, queue);
      } catch (cause) {
        await audit.append({
          at: now(),
          event: 'password.rehash',
          outcome: 'denied',
          subject: user.id,
          reason: cause instanceof Error ? cause.name : 'unknown',
        });
        return user;
      }
    },
  };
}
