/** What people, and applications for them, do to the directory through an API instead of in an operator's file. */
import { createAccountMails } from '../accounts/account-mails.ts';
import { createOneTimeTokens } from '../accounts/one-time-tokens.ts';
import { createPasswordChange } from '../accounts/password-change.ts';
import { createPasswordLinks } from '../accounts/password-links.ts';
import { createRegister } from '../accounts/registration.ts';
import { createRegisterByMail } from '../accounts/registration-by-mail.ts';
import { createRegistrations } from '../agents/registration.ts';
import { createApplications } from '../changes/applications.ts';
import type { Author } from '../changes/author.ts';
import { createRoleChanges } from '../changes/role-changes.ts';
import { firstListed } from '../directory/collections.ts';
import type { Logger } from '../http/log.ts';
import { createMail } from '../mail/mail.ts';
import type { Organization, User } from '../nouns/index.ts';
import type { LoginRow } from '../storage/contract.ts';
import type { Foundations } from './foundations.ts';

export function createSelfAdministration(foundations: Foundations, log: Logger) {
  const { config, artifacts, changes, throttle, presentedTokens, now } = foundations;
  const passwordChange = createPasswordChange(foundations);
  const register = createRegister(foundations);
  const { registration: limitRegistration, ownChange: limitPerson } = throttle;
  const mailing = {
    ...foundations,
    mail: createMail({ ...config, smtp: config.smtp, log, now }),
    tokens: createOneTimeTokens({ artifacts, now }),
    passwordChange,
    limits: throttle,
  };
  const accountMails = createAccountMails({
    ...mailing,
    onFailure: (error) => log.error({ err: error }, 'a mail could not be sent'),
  });
  return {
    register,
    removeUser: (user: User, author: Author) => changes.users.remove(user, author),
    findAdministrators: ({ id }: Organization) => firstListed(foundations.store.users, 'administers', id),
    registerByMail: createRegisterByMail({ register, accountMails, changes, limitRegistration }),
    limitRegistration,
    limitPerson,
    passwordChange,
    accountMails,
    passwordLinks: createPasswordLinks(mailing),
    registrations: createRegistrations({ ...foundations, limits: throttle }),
    applications: createApplications({ ...foundations, limit: limitPerson }),
    roleChanges: createRoleChanges(foundations),
    async findLogin(refreshToken: string): Promise<LoginRow | undefined> {
      const living = await presentedTokens.findLiving(refreshToken);
      return living?.kind === 'refresh token' ? living.row : undefined;
    },
  };
}
