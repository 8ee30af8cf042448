/**
 * People and their passwords: proving who a person is, hashing, registration, activation and new passwords by mail. What
 * they may do is `rights`'; what a change of an account means for living tokens is `changes`'.
 *
 * This file: proving who a person is with a password. One path for every door that takes one.
 */
import { isActive, type Users } from '../directory/users.ts';
import { AccountClosed, ProofRejected } from '../errors/domain.ts';
import type { Realm, User } from '../nouns/index.ts';
import { findableEmail, findableUsername } from '../nouns/usernames.ts';
import { applicationOf } from '../nouns/values.ts';
import type { AuditLog, DirectoryStore } from '../storage/contract.ts';
import type { HashShare } from './hash-queue.ts';
import type { Passwords } from './passwords.ts';

/** Counts guesses; what it throws is what the caller gets. */
export interface GuessLimits {
  /**
   * Takes one guess of a name as it was typed, before the account is looked up.
   * @param name with its realm, in canonical form
   * @throws TooManyAttempts when the name or the address has none left
   */
  passwordAttempt(name: string, address: string): Promise<Guess>;
}

/** One guess, taken already. Of the methods other than `reach` exactly one is called. */
export interface Guess {
  /**
   * Takes one guess of the account behind the name too. All names of an account share its guesses. Answers do not tell
   * whether two names do: with no guess left, the password is not checked and the answer is as for a wrong one.
   * @param account undefined if there is no account, which costs the same
   * @returns whether there was one left
   */
  reach(account: string | undefined): Promise<boolean>;
  /** @param names all names of the account, in canonical form: strangers cannot block any of them for this address */
  succeeded(names: readonly string[]): Promise<void>;
  failed(): Promise<void>;
  /** The password was not checked, through no fault of the client. */
  abandoned(): Promise<void>;
  /** The password was not checked because too many came at once: counts for the address, not for the name. */
  crowdedOut(): Promise<void>;
}

/**
 * @param queue whose share of the hash queue it takes: the organization's id
 * @throws ProofRejected alike for an unknown name, a wrong password, and an account whose guesses were used up under
 *   other names; AccountClosed for a right password of a person who may not log in; TooManyAttempts; Unavailable when
 *   the queue is full
 */
export type AuthenticateUser = (request: {
  realm: Realm;
  login: string;
  password: string;
  address: string;
  queue: string;
}) => Promise<User>;

/** Under which name guesses are counted. */
function nameToCount(realm: Realm, login: string): string {
  return `${realm}/${findableUsername(login) ?? findableEmail(login) ?? login}`;
}

/** What guesses of the user's password are counted by. */
export function guessedAccount({ realm, username, canonicalUsername, email }: User): {
  readonly account: string;
  readonly names: readonly string[];
} {
  const logins = [username, ...(email === undefined ? [] : [email])];
  return { account: `${realm}/${canonicalUsername}`, names: logins.map((each) => nameToCount(realm, each)) };
}

/** For the log, beside the application that was asked. */
function nameRealm(realm: Realm): string {
  if (realm === 'management') return 'the administrators';
  return applicationOf(realm) !== undefined
    ? `the users of one application (realm ${realm})`
    : `the users of the organization (realm ${realm})`;
}

export function createAuthenticateUser({
  store,
  users,
  passwords,
  limits,
  audit,
  now,
}: {
  readonly store: Pick<DirectoryStore, 'users'>;
  readonly users: Pick<Users, 'findByLogin'>;
  readonly passwords: Passwords;
  readonly limits: GuessLimits;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}): AuthenticateUser {
  /** A lost write does not matter: the next login tries again. */
  async function rehash(user: User, password: string, share: HashShare): Promise<User> {
    const passwordHash = await passwords.hash(password, share);
    return store.users.replace({ ...user, passwordHash });
  }

  return async ({ realm, login, password, address, queue }) => {
    const attempt = await limits.passwordAttempt(nameToCount(realm, login), address);
    const user = await users.findByLogin(realm, login);
    const mayLook = await attempt.reach(user && guessedAccount(user).account);
    const share = { organization: queue, address };
    const { ok, rehash: outdated } = await passwords
      .verify(password, mayLook ? user?.passwordHash : undefined, share)
      .catch(async (error) => {
        await attempt.crowdedOut();
        throw error;
      });
    if (!user || !ok) {
      await attempt.failed();
      const wrong = !user ? 'unknown user' : mayLook ? 'wrong password' : 'the account has no guesses left';
      throw new ProofRejected({ reason: `${wrong}, among ${nameRealm(realm)}` });
    }
    if (!isActive(user)) {
      await attempt.failed();
      throw new AccountClosed(user.enabled ? 'pending' : 'disabled');
    }
    await attempt.succeeded(guessedAccount(user).names);
    if (!outdated) return user;
    try {
      return await rehash(user, password, share);
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
  };
}
