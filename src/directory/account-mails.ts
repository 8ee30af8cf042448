/**
 * Mails to people about their accounts: activating one that was registered, and setting a forgotten password. Each has a
 * secret that is good once, for an hour. No link is made of anything that a request says.
 */
import { MalformedRequest, ProofRejected, Unavailable } from '../errors/domain.ts';
import type { Application, Realm, User } from '../storage/nouns.ts';
import type { Author, Changes } from './changes.ts';
import { despiteOthers } from './despite-others.ts';
import type { OneTimeTokens } from './one-time-tokens.ts';
import { type PasswordChange, requireAcceptable } from './password-change.ts';
import { isActive, type Users } from './users.ts';

/** Where mails lead to, with `{token}` in it; a mail without one has the token alone. */
export interface MailLinks {
  readonly activation: string | undefined;
  readonly passwordReset: string | undefined;
}

export interface AccountMails {
  /** Whether mails can be sent at all. */
  readonly available: boolean;
  /** @param link where the mail leads to, with `{token}` in it; without it the mail has the token alone */
  sendActivation(user: User, link: string | undefined): Promise<void>;
  /** Lets somebody who registered log in. @throws ProofRejected for a token that is not good; AccountGone */
  activate(token: string, realm: Realm, author: (user: User) => Author): Promise<void>;
  /**
   * To whoever has that email address; nobody learns whether anybody has. Who has not activated the account yet gets
   * that mail anew, or would never get in when the first one was lost. The caller does not wait for it: how long it
   * takes says what it did.
   * @throws Unavailable when no mails can be sent at all
   */
  sendPasswordReset(realm: Realm, email: string, links: MailLinks): void;
  /**
   * @throws ProofRejected for a token that is not good; MalformedRequest when the password will not do, and then the
   *   token is good as before, unless the password is the person's own name
   */
  resetPassword(
    token: string,
    newPassword: string,
    application: Application,
    author: (user: User) => Author,
  ): Promise<void>;
}

/** The token was good, and whom it was for is not there any more. */
export class AccountGone extends ProofRejected {}

/** Who sends mails. */
export interface Mails {
  readonly available: boolean;
  /** @throws MalformedRequest for what cannot be sent; Unavailable */
  send(letter: { readonly to: string; readonly subject: string; readonly text: string }): Promise<void>;
}

export interface AccountMailsDeps {
  readonly mail: Mails;
  readonly tokens: OneTimeTokens;
  readonly users: Pick<Users, 'find' | 'findByLogin'>;
  readonly changes: Pick<Changes, 'users'>;
  readonly passwordChange: PasswordChange;
  /** Told of what nobody waits for. */
  readonly onFailure: (error: unknown) => void;
}

/** Seconds. */
const LIFETIME = 3600;
const RETRY_AFTER = 3600;

/** @throws Unavailable */
export function requireMails({ available }: Pick<Mails, 'available'>): void {
  if (!available) throw new Unavailable(RETRY_AFTER, { reason: 'there is no mail server' });
}

function letterOf(intro: string, token: string, link: string | undefined): string {
  const leads = link === undefined ? [] : [link.replace('{token}', encodeURIComponent(token)), ''];
  return [intro, '', ...leads, `Token: ${token}`, '', 'It is good once, for one hour.', ''].join('\n');
}

export function createAccountMails(deps: AccountMailsDeps): AccountMails {
  const { mail, tokens, users, changes, passwordChange, onFailure } = deps;

  async function requireUser(id: string | undefined, realm: Realm): Promise<User> {
    const user = id === undefined ? undefined : await users.find(id);
    if (id !== undefined && !user) throw new AccountGone({ reason: 'the account was removed' });
    if (user?.realm !== realm) throw new ProofRejected({ reason: 'no such one-time token of this realm' });
    return user;
  }

  async function sendActivation(user: User, link: string | undefined): Promise<void> {
    if (user.email === undefined) throw new MalformedRequest({ description: 'there is no email address' });
    const token = await tokens.create('activation', user.id, LIFETIME);
    const intro = `Welcome, ${user.username}. Activate your account to log in.`;
    await mail.send({ to: user.email, subject: 'Activate your account', text: letterOf(intro, token, link) });
  }

  async function sendReset(realm: Realm, email: string, links: MailLinks): Promise<void> {
    const user = await users.findByLogin(realm, email);
    if (user?.email === undefined || !user.enabled) return;
    if (!isActive(user)) return sendActivation(user, links.activation);
    const token = await tokens.create('password-reset', user.id, LIFETIME);
    const intro = 'Somebody asked to set a new password for your account. If it was not you, do nothing.';
    const text = letterOf(intro, token, links.passwordReset);
    await mail.send({ to: user.email, subject: 'Set a new password', text });
  }

  return {
    get available() {
      return mail.available;
    },
    sendActivation,
    async activate(token, realm, author) {
      const redeemed = await tokens.redeem('activation', token);
      await despiteOthers(async () => {
        const user = await requireUser(redeemed?.user, realm);
        if (!user.pending) throw new ProofRejected({ reason: 'the account is active already' });
        const { pending: _, ...activated } = user;
        await changes.users.replace({ ...activated, emailVerified: true }, author(user));
      });
    },
    sendPasswordReset(realm, email, links) {
      requireMails(mail);
      void sendReset(realm, email, links).catch(onFailure);
    },
    async resetPassword(token, newPassword, application, author) {
      const { realm, minPasswordLength: minLength, organization: queue } = application;
      requireAcceptable(newPassword, minLength);
      const redeemed = await tokens.redeem('password-reset', token);
      await despiteOthers(async () => {
        const user = await requireUser(redeemed?.user, realm);
        const changedAt = user.passwordChangedAt ?? 0;
        if (!redeemed || !isActive(user) || changedAt > redeemed.createdAt) {
          throw new ProofRejected({ reason: 'the account is closed, or its password was changed since' });
        }
        await passwordChange({ user, newPassword, minLength, queue, author: author(user) });
      });
    },
  };
}
