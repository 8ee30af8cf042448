/** A new password, which ends every login that was made with the old one. */

import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import type { Realm, User } from '../nouns/index.ts';
import { MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import { checkNewPassword, type Passwords } from './passwords.ts';

export interface PasswordChangeRequest {
  readonly user: User;
  readonly newPassword: string;
  /** Of the realm, where it says so. */
  readonly minLength: number | undefined;
  /** Whose share of the hash queue it takes. */
  readonly queue: string;
  /**
   * The person has shown that the email address is theirs, so a registered account that waits for that becomes active:
   * with the new password, never with one that a stranger chose before.
   */
  readonly activates?: boolean;
  readonly author: Author;
}

/**
 * @throws UnfitPassword; Unavailable when the hash queue is full; VersionConflict when the user changed meanwhile
 */
export type PasswordChange = (request: PasswordChangeRequest) => Promise<void>;

/** Characters that a new password needs. @param said of the realm, where it says so */
export function minLengthIn(realm: Realm, said: number | undefined): number {
  return realm === 'management' ? MIN_PASSWORD_LENGTH.administrator : (said ?? MIN_PASSWORD_LENGTH.user);
}

export function createPasswordChange({
  changes,
  passwords,
  now,
}: {
  readonly changes: Pick<Changes, 'users'>;
  readonly passwords: Pick<Passwords, 'hash'>;
  /** Milliseconds. */
  readonly now: () => number;
}): PasswordChange {
  return async ({ user, newPassword, minLength, queue, activates, author }) => {
    const { realm, username, email } = user;
    checkNewPassword(newPassword, { minLength: minLengthIn(realm, minLength), username, email });
    const passwordHash = await passwords.hash(newPassword, { organization: queue, address: author.address });
    // The hash changed, so `changes` ends what is older: before it is written and once more after.
    const changed = { ...user, passwordHash, passwordChangedAt: now() };
    const { pending: _, ...activated } = changed;
    await changes.users.replace(activates ? { ...activated, emailVerified: true } : changed, author);
  };
}
