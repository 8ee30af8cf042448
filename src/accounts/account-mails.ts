/**
 * Mails to people about their accounts: activating one that was registered, and setting a forgotten password. Each has a
 * secret that is good once, for a short time, and only while the account has the address that it was mailed to. No link
 * is made of anything that a request says.
 *
 * A caller cannot learn who has an account: Grantable does the same for an address without one, except for the mail.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Author, inAudit } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { retryOnConflict } from '../changes/retry-on-conflict.ts';
import { DomainError, MalformedRequest, ProofRejected, Unavailable } from '../errors/domain.ts';
import type { Application, User } from '../nouns/index.ts';
import { findableEmail } from '../nouns/usernames.ts';
import { MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import type { AuditEntry, AuditLog, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { Refusals } from '../storage/refusals.ts';
import type { MailedPurpose, OneTimeTokens, Redeemed } from './one-time-tokens.ts';
import type { PasswordChange } from './password-change.ts';
import { checkNewPassword } from './passwords.ts';

/** @param user undefined until the token has shown who it is */
export type AuthorOf = (user?: User) => Author;

export type AccountMails = ReturnType<typeof createAccountMails>;

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
  readonly tokens: Pick<OneTimeTokens, 'create' | 'redeem'>;
  readonly store: { readonly users: Pick<DirectoryStore['users'], 'get' | 'findBy'> };
  readonly changes: Pick<Changes, 'users'>;
  readonly passwordChange: PasswordChange;
  /** For requests that an address may make so rarely that each gets its own row. */
  readonly audit: Pick<AuditLog, 'append'>;
  readonly refusals: Pick<Refusals, 'append'>;
  readonly limits: {
    /** Takes one mail to a recipient. @returns whether it may be sent */
    mail(kind: MailedPurpose, recipient: string): Promise<boolean>;
    /** Gives one back that could not be sent. */
    mailAbandoned(kind: MailedPurpose, recipient: string): Promise<void>;
    /** @throws TooManyAttempts */
    requireAddressNotBlocked(address: string): void;
    addressFailure(address: string): Promise<void>;
  };
  /** Milliseconds. */
  readonly now: () => number;
  /** Work in the background begins after it. Injected by tests. */
  readonly delay?: () => Promise<void>;
  /** Told of failures in the background. */
  readonly onFailure: (error: unknown) => void;
}

/** Seconds, and the same in words. */
const LIFETIMES: { readonly [P in MailedPurpose]: readonly [number, string] } = {
  activation: [3600, 'one hour'],
  'password-reset': [900, '15 minutes'],
};
/** Seconds. */
const RETRY_AFTER = 3600;
/** Milliseconds. */
const SHORTEST_DELAY = 100;
const LONGEST_DELAY = 600;

/** @throws Unavailable */
export function requireMails({ available }: Pick<Mails, 'available'>): void {
  if (!available) throw new Unavailable(RETRY_AFTER, { reason: 'there is no mail server' });
}

/** Random, so that a caller cannot tell when the work begins. */
const aWhile = (): Promise<void> => sleep(randomInt(SHORTEST_DELAY, LONGEST_DELAY));

function letterOf(intro: string, purpose: MailedPurpose, token: string, link: string | undefined): string {
  const leads = link === undefined ? [] : [link.replace('{token}', encodeURIComponent(token)), ''];
  const lifetime = `It is good once, for ${LIFETIMES[purpose][1]}.`;
  return [intro, '', ...leads, `Token: ${token}`, '', lifetime, ''].join('\n');
}

export function createAccountMails(deps: AccountMailsDeps) {
  const { mail, tokens, store, changes, passwordChange, audit, limits, now, delay = aWhile } = deps;

  const underWay = new Set<Promise<void>>();
  /** Work in the background: only stopping the server waits for it. */
  function later(work: Promise<void>): void {
    const done = work.catch(deps.onFailure).finally(() => underWay.delete(done));
    underWay.add(done);
  }

  function toEntry(
    event: string,
    { clientId, organization }: Application,
    author: Author,
    { subject, reason }: { readonly subject?: string | undefined; readonly reason?: string | undefined },
  ): AuditEntry {
    return {
      at: now(),
      event,
      outcome: reason === undefined ? 'allowed' : 'denied',
      ...inAudit(author),
      client: clientId,
      organization,
      ...defined({ subject, reason }),
    };
  }

  const createToken = (purpose: MailedPurpose, user: string, email: string | undefined): Promise<string> =>
    tokens.create(purpose, user, LIFETIMES[purpose][0], email);

  /** The same work as for a real token, whose value is thrown away. */
  async function createDecoy(purpose: MailedPurpose, email: string | undefined): Promise<void> {
    await createToken(purpose, randomUUID(), email);
  }

  /** @throws ProofRejected; AccountGone */
  async function requireUser({ user: id, email }: Redeemed, { realm }: Application): Promise<User> {
    const user = await store.users.get(id);
    if (!user) throw new AccountGone({ reason: 'the account was removed' });
    if (user.realm !== realm) throw new ProofRejected({ reason: 'the one-time token is of another realm' });
    if (email === undefined || user.canonicalEmail !== email) {
      throw new ProofRejected({ reason: 'the email address was changed since' });
    }
    return user;
  }

  /** Uses the token up, and records what is refused. */
  async function redeem(
    { purpose, event, token }: { purpose: MailedPurpose; event: string; token: string },
    application: Application,
    authorOf: AuthorOf,
    use: (user: User, redeemed: Redeemed) => Promise<void>,
  ): Promise<void> {
    const stranger = authorOf();
    const address = stranger.address ?? '';
    limits.requireAddressNotBlocked(address);
    const redeemed = await tokens.redeem(purpose, token);
    try {
      if (!redeemed) throw new ProofRejected({ reason: 'no such one-time token' });
      await retryOnConflict(async () => use(await requireUser(redeemed, application), redeemed));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      if (error instanceof ProofRejected) await limits.addressFailure(address);
      const reason = error.reason ?? error.description ?? error.error;
      await deps.refusals.append(
        toEntry(event, application, stranger, { subject: redeemed?.user, reason }),
        false,
      );
      throw error;
    }
  }

  async function sendReset(
    application: Application,
    email: string,
    link: string | undefined,
    author: Author,
  ): Promise<void> {
    const { realm } = application;
    const purpose = 'password-reset';
    const address = findableEmail(email);
    const isWithin = await limits.mail(purpose, `${realm}/${address ?? email}`);
    // By the address only: a stranger who knows a username cannot make Grantable send mails.
    const user = await store.users.findBy('email', `${realm}/${address ?? ''}`);
    const isServed = isWithin && user?.enabled === true;
    const reason = !isWithin ? 'too many mails' : user ? 'user disabled' : 'unknown email address';
    const facts = { subject: user?.id, reason: isServed ? undefined : reason };
    await audit.append(toEntry('password_reset.requested', application, author, facts));
    if (!isServed || user.email === undefined) return createDecoy(purpose, address);
    const token = await createToken(purpose, user.id, user.canonicalEmail);
    const intro = 'A request was made to set a new password for your account. If it was not you, do nothing.';
    const text = letterOf(intro, purpose, token, link);
    await mail.send({ to: user.email, subject: 'Set a new password', text });
  }

  /** A stranger who reads the person's mail may have set it. The change holds even if this mail fails. */
  async function tellChanged({ username, email }: User): Promise<void> {
    if (email === undefined) return;
    const text = [
      `A new password was set for your account ${username}, and everybody who was logged in there has been logged out.`,
      'If it was not you, ask for another one, and look through the applications that are registered in your name.',
      '',
    ].join('\n');
    await mail.send({ to: email, subject: 'Your password was changed', text });
  }

  return {
    /** Whether mails can be sent at all. */
    get available(): boolean {
      return mail.available;
    },
    /** @param link where the mail leads to, with `{token}` in it; without it the mail has the token alone */
    async sendActivation(user: User, link: string | undefined): Promise<void> {
      if (user.email === undefined)
        throw new MalformedRequest({ description: 'The user has no email address.' });
      const purpose = 'activation';
      // Counted and never refused: there is one for each account, and it is the only way in. Uncounted, one mail more
      // about an address would tell that it was not registered before.
      await limits.mail(purpose, `${user.realm}/${user.canonicalEmail}`);
      const token = await createToken(purpose, user.id, user.canonicalEmail);
      const intro =
        `Welcome, ${user.username}. Activate your account to log in.\n` +
        'If it was not you who registered, do nothing: another person knows the password.';
      const text = letterOf(intro, purpose, token, link);
      await mail.send({ to: user.email, subject: 'Activate your account', text });
    },
    /**
     * Tells the owner of an address that was to be registered that there is an account already. The mail has no token. It
     * takes as long as `sendActivation` and fails as it does.
     * @param holder the user with this address, if it is known
     */
    async sendAlreadyRegistered(
      application: Application,
      email: string,
      holder: User | undefined,
      author: Author,
    ): Promise<void> {
      const purpose = 'activation';
      const address = findableEmail(email);
      const recipient = `${application.realm}/${address ?? email}`;
      const isWithin = await limits.mail(purpose, recipient);
      await createDecoy(purpose, address);
      const reason = 'the email address is registered already';
      const facts = { subject: holder?.id, reason };
      await audit.append(toEntry('registration.refused', application, author, facts));
      if (!isWithin) return;
      // What was typed may be another mailbox that is compared as the same.
      const to = (holder?.canonicalEmail === address ? holder?.email : undefined) ?? email;
      const text = [
        'A person tried to register an account with this email address, and there is one already.',
        'If it was you, log in, or ask for a new password if you do not know it. If it was not you, do nothing.',
        '',
      ].join('\n');
      // While no mail can be sent a new address is told so each time, and so is this one.
      await mail.send({ to, subject: 'You have an account already', text }).catch(async (error) => {
        await limits.mailAbandoned(purpose, recipient);
        throw error;
      });
    },
    /**
     * Lets a registered person log in.
     * @throws ProofRejected for a token that is not good; AccountGone; TooManyAttempts
     */
    async activate(token: string, application: Application, authorOf: AuthorOf): Promise<void> {
      const asked = { purpose: 'activation', event: 'activation.refused', token } as const;
      await redeem(asked, application, authorOf, async (user) => {
        if (!user.pending) throw new ProofRejected({ reason: 'the account is active already' });
        const { pending: _, ...activated } = user;
        await changes.users.replace({ ...activated, emailVerified: true }, authorOf(user));
      });
    },
    /**
     * Mails the user with that email address; the caller does not learn whether there is one. A user who has not activated
     * the account gets the same mail: setting a password with it activates the account too, and replaces a password that
     * a stranger may have registered it with. The caller does not wait, because the time would tell what was done. For
     * the same reason the work begins some time later, so that it does not slow down the next request.
     * @param link as for `sendActivation`
     * @throws Unavailable when no mails can be sent at all
     */
    sendPasswordReset(
      application: Application,
      email: string,
      link: string | undefined,
      author: Author,
    ): void {
      requireMails(mail);
      later(delay().then(() => sendReset(application, email, link, author)));
    },
    /** To be called before the store is closed: what was answered already is done. */
    async settle(): Promise<void> {
      await Promise.all(underWay);
    },
    /**
     * Also activates an account that is not active yet. A mail tells the user that it was done.
     * @throws ProofRejected for a token that is not good; TooManyAttempts; MalformedRequest when the password will not do,
     *   and then the token is good as before, unless the password is the person's own name
     */
    async resetPassword(
      token: string,
      newPassword: string,
      application: Application,
      authorOf: AuthorOf,
    ): Promise<void> {
      const { minPasswordLength: minLength, organization: queue } = application;
      checkNewPassword(newPassword, { minLength: minLength ?? MIN_PASSWORD_LENGTH.user });
      const asked = { purpose: 'password-reset', event: 'password_reset.refused', token } as const;
      await redeem(asked, application, authorOf, async (user, { createdAt }) => {
        if (!user.enabled || (user.passwordChangedAt ?? 0) > createdAt) {
          throw new ProofRejected({ reason: 'the account is closed, or its password was changed since' });
        }
        const activates = user.pending === true;
        await passwordChange({ user, newPassword, minLength, queue, activates, author: authorOf(user) });
        later(tellChanged(user));
      });
    },
  };
}
