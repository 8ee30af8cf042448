/** What people, and applications for them, do to the directory through an API instead of in an operator's file. */
import { type AccountMails, createAccountMails } from '../directory/account-mails.ts';
import { createFindAdministrators, type FindAdministrators } from '../directory/administrators.ts';
import { type Applications, createApplications } from '../directory/applications.ts';
import type { Author } from '../directory/changes.ts';
import { createOneTimeTokens } from '../directory/one-time-tokens.ts';
import { createPasswordChange, type PasswordChange } from '../directory/password-change.ts';
import { createRegister, type Register } from '../directory/registration.ts';
import { createRegisterByMail, type RegisterByMail } from '../directory/registration-by-mail.ts';
import { createRoleChanges, type RoleChanges } from '../directory/role-changes.ts';
import type { Logger } from '../http/log.ts';
import { createMail } from '../mail/mail.ts';
import type { LoginRow } from '../storage/contract.ts';
import type { User } from '../storage/nouns.ts';
import type { Foundations } from './foundations.ts';

export interface SelfAdministration {
  readonly register: Register;
  readonly removeUser: (user: User, author: Author) => Promise<void>;
  readonly findAdministrators: FindAdministrators;
  readonly registerByMail: RegisterByMail;
  /** Takes one registration, or one mail, that strangers asked for from an address. @throws TooManyAttempts */
  readonly limitRegistration: (address: string) => Promise<void>;
  /** Takes one change that a person makes of what is theirs, by their id. @throws TooManyAttempts */
  readonly limitPerson: (user: string) => Promise<void>;
  readonly passwordChange: PasswordChange;
  readonly accountMails: AccountMails;
  readonly applications: Applications;
  readonly roleChanges: RoleChanges;
  /** The living login that a refresh token belongs to, in whatever form it was given out. */
  readonly findLogin: (refreshToken: string) => Promise<LoginRow | undefined>;
}

export function createSelfAdministration(foundations: Foundations, log: Logger): SelfAdministration {
  const { config, artifacts, changes, throttle, presentedTokens, now } = foundations;
  const passwordChange = createPasswordChange(foundations);
  const register = createRegister(foundations);
  const limitRegistration = (address: string): Promise<void> => throttle.registration(address);
  const limitPerson = (user: string): Promise<void> => throttle.ownChange(user);
  const accountMails = createAccountMails({
    ...foundations,
    mail: createMail({ ...config, smtp: config.smtp, log, now }),
    tokens: createOneTimeTokens({ artifacts, now }),
    passwordChange,
    limits: throttle,
    onFailure: (error) => log.error({ err: error }, 'a mail could not be sent'),
  });
  return {
    register,
    removeUser: (user, author) => changes.users.remove(user, author),
    findAdministrators: createFindAdministrators(foundations.store, now),
    registerByMail: createRegisterByMail({ register, accountMails, changes, limitRegistration }),
    limitRegistration,
    limitPerson,
    passwordChange,
    accountMails,
    applications: createApplications({ ...foundations, limit: limitPerson }),
    roleChanges: createRoleChanges(foundations),
    async findLogin(refreshToken) {
      const living = await presentedTokens.findLiving(refreshToken);
      return living?.kind === 'refresh token' ? living.row : undefined;
    },
  };
}
