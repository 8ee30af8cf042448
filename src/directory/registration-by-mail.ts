/** Strangers who register, and show with a mail that the email address is theirs before they can log in. */
import type { User } from '../storage/nouns.ts';
import { type AccountMails, requireMails } from './account-mails.ts';
import type { Changes } from './changes.ts';
import type { Register, Registrant } from './registration.ts';

/**
 * @param link where the mail leads to, with `{token}` in it; without it the mail has the token alone
 * @throws as `Register`; TooManyAttempts from one address; Unavailable when the mail cannot be sent, and then nobody is
 *   registered
 */
export type RegisterByMail = (
  registrant: Omit<Registrant, 'pending' | 'email'> & { readonly email: string },
  link: string | undefined,
) => Promise<User>;

export function createRegisterByMail({
  register,
  accountMails,
  changes,
  limitRegistration,
}: {
  register: Register;
  accountMails: Pick<AccountMails, 'available' | 'sendActivation'>;
  changes: Pick<Changes, 'users'>;
  /** Takes one registration from an address. @throws TooManyAttempts */
  limitRegistration: (address: string) => Promise<void>;
}): RegisterByMail {
  return async (registrant, link) => {
    requireMails(accountMails);
    await limitRegistration(registrant.author.address ?? '');
    const user = await register({ ...registrant, pending: true });
    try {
      await accountMails.sendActivation(user, link);
    } catch (error) {
      // The name would be taken by somebody who has nothing to get in with.
      await changes.users.remove(user, registrant.author);
      throw error;
    }
    return user;
  };
}
