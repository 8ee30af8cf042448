/** Strangers who register, and show with a mail that the email address is theirs before they can log in. */

import type { Changes } from '../changes/changes.ts';
import { type AccountMails, requireMails } from './account-mails.ts';
import { EmailTaken, type Register, type Registrant } from './registration.ts';

/**
 * The caller does not learn whether an email address is registered already: a mail tells its owner, and the answer and
 * its time are as for a new one. An account that is never activated stays until an operator removes it; the owner of
 * the address does not lose it, because a password that is set by mail activates the account.
 * @param link where the mail leads to, with `{token}` in it; without it the mail has the token alone
 * @throws as `Register`, but for EmailTaken; TooManyAttempts from one address; Unavailable when the mail cannot be sent,
 *   and then no account is made
 */
export type RegisterByMail = (
  registrant: Omit<Registrant, 'pending' | 'email'> & { readonly email: string },
  link: string | undefined,
) => Promise<void>;

export function createRegisterByMail({
  register,
  accountMails,
  changes,
  limitRegistration,
}: {
  register: Register;
  accountMails: Pick<AccountMails, 'available' | 'sendActivation' | 'sendAlreadyRegistered'>;
  changes: Pick<Changes, 'users'>;
  /** Takes one registration from an address. @throws TooManyAttempts */
  limitRegistration: (address: string) => Promise<void>;
}): RegisterByMail {
  return async (registrant, link) => {
    requireMails(accountMails);
    await limitRegistration(registrant.author.address ?? '');
    const { application, email, author } = registrant;
    const user = await register({ ...registrant, pending: true }).catch(async (error: unknown) => {
      if (!(error instanceof EmailTaken)) throw error;
      await accountMails.sendAlreadyRegistered(application, email, error.holder, author);
    });
    if (!user) return;
    try {
      await accountMails.sendActivation(user, link);
    } catch (error) {
      // The name would be taken by an account that has no way to log in.
      await changes.users.remove(user, author);
      throw error;
    }
  };
}
