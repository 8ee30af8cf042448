/** Strangers who register, and show with a mail that the email address is theirs before they can log in. */
import { type AccountMails, requireMails } from './account-mails.ts';
import type { Changes } from './changes.ts';
import { EmailTaken, type Register, type Registrant } from './registration.ts';

/**
 * Nobody learns whether an email address is registered already: whoever has it is told by mail, and the answer and the
 * time that it takes are as for a new one. Whoever never activates stays until an operator removes them; the address is
 * not lost to whose it is, because a password that is set by mail activates the account.
 * @param link where the mail leads to, with `{token}` in it; without it the mail has the token alone
 * @throws as `Register`, but for EmailTaken; TooManyAttempts from one address; Unavailable when the mail cannot be sent,
 *   and then nobody is registered
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
      // The name would be taken by somebody who has nothing to get in with.
      await changes.users.remove(user, author);
      throw error;
    }
  };
}
