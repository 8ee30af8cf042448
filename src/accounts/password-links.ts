/**
 * Links with which a person sets a new password, asked for by an administrator: mailed to the person, or handed over in
 * another way. A link is good once, for an hour, and only until the account gets another password or email address.
 */
import { type Author, inAudit } from '../changes/author.ts';
import { retryOnConflict } from '../changes/retry-on-conflict.ts';
import { MalformedRequest, ProofRejected, TooManyAttempts } from '../errors/domain.ts';
import type { User } from '../nouns/index.ts';
import { applicationOf } from '../nouns/values.ts';
import type { AuditLog, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { type AccountMailsDeps, type AuthorOf, requireMails } from './account-mails.ts';
import type { OneTimeTokens, Redeemed } from './one-time-tokens.ts';
import { minLengthIn } from './password-change.ts';
import { checkNewPassword } from './passwords.ts';

export const NEW_PASSWORD_PATH = '/account/new-password';

const PURPOSE = 'password-link';
/** Seconds. */
const LIFETIME = 3_600;

export interface PasswordLink {
  readonly link: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export type PasswordLinks = ReturnType<typeof createPasswordLinks>;

export interface PasswordLinksDeps
  extends Pick<AccountMailsDeps, 'mail' | 'refusals' | 'now' | 'passwordChange'> {
  readonly issuer: string;
  readonly tokens: OneTimeTokens;
  readonly store: Pick<DirectoryStore, 'users' | 'applications'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly limits: Pick<AccountMailsDeps['limits'], 'requireAddressNotBlocked' | 'addressFailure'> & {
    /** Takes one mail to a recipient. @returns whether it may be sent */
    mail(kind: typeof PURPOSE, recipient: string): Promise<boolean>;
  };
}

export function createPasswordLinks(deps: PasswordLinksDeps) {
  const { issuer, mail, tokens, store, limits, passwordChange, audit, refusals, now } = deps;

  async function createLink(user: User, email?: string): Promise<PasswordLink> {
    const token = await tokens.create(PURPOSE, user.id, LIFETIME, email);
    return { link: `${issuer}${NEW_PASSWORD_PATH}?token=${token}`, expiresAt: now() + LIFETIME * 1000 };
  }

  async function record({ id, organization }: User, author: Author, by: 'link' | 'mail'): Promise<void> {
    await audit.append({
      at: now(),
      event: 'password_reset.requested',
      outcome: 'allowed',
      ...inAudit(author),
      ...defined({ subject: id, organization }),
      details: { by },
    });
  }

  /** @throws ProofRejected */
  async function requireUser({ user: id, email, createdAt }: Redeemed): Promise<User> {
    const user = await store.users.get(id);
    if (!user?.enabled) throw new ProofRejected({ reason: 'the account is gone or disabled' });
    if ((user.passwordChangedAt ?? 0) > createdAt) {
      throw new ProofRejected({ reason: 'the password was changed since' });
    }
    if (email !== undefined && user.canonicalEmail !== email) {
      throw new ProofRejected({ reason: 'the email address was changed since' });
    }
    return user;
  }

  async function minLengthOf({ realm }: User): Promise<number> {
    const application = await store.applications.get(applicationOf(realm) ?? '');
    return minLengthIn(realm, application?.minPasswordLength);
  }

  /** A wrong link counts against the address that has it, and is recorded. */
  async function withLink<T>(
    token: string,
    authorOf: AuthorOf,
    use: (user: User, found: Redeemed) => Promise<T>,
  ): Promise<T> {
    const stranger = authorOf();
    const address = stranger.address ?? '';
    limits.requireAddressNotBlocked(address);
    const found = await tokens.find(PURPOSE, token);
    try {
      if (!found) throw new ProofRejected({ reason: 'no such link' });
      return await use(await requireUser(found), found);
    } catch (error) {
      if (!(error instanceof ProofRejected)) throw error;
      await limits.addressFailure(address);
      const entry = {
        at: now(),
        event: 'password_reset.refused',
        outcome: 'denied',
        ...inAudit(stranger),
        ...defined({ subject: found?.user, reason: error.reason }),
      } as const;
      await refusals.append(entry, false);
      throw error;
    }
  }

  return {
    /** For whom the administrator knows how to reach. Nothing else tells the link. */
    async create(user: User, author: Author): Promise<PasswordLink> {
      const link = await createLink(user);
      await record(user, author, 'link');
      return link;
    },

    /**
     * @returns until when the mailed link is good, in milliseconds since the epoch
     * @throws MalformedRequest for a user without an address; TooManyAttempts when the person got several a moment ago;
     *   Unavailable
     */
    async mail(user: User, author: Author): Promise<number> {
      requireMails(mail);
      const { email, canonicalEmail, realm, username } = user;
      if (email === undefined) {
        throw new MalformedRequest({
          description: `The user ${username} has no email address. Make a link and hand it over yourself.`,
        });
      }
      if (!(await limits.mail(PURPOSE, `${realm}/${canonicalEmail}`))) {
        throw new TooManyAttempts(900, { description: 'The user was sent several such mails a moment ago.' });
      }
      const { link, expiresAt } = await createLink(user, canonicalEmail);
      const text = [
        `An administrator lets you set a new password for your account ${username}.`,
        '',
        link,
        '',
        'It is good once, for one hour. If you did not ask for it, tell the administrator.',
        '',
      ].join('\n');
      await mail.send({ to: email, subject: 'Set a new password', text });
      await record(user, author, 'mail');
      return expiresAt;
    },

    /**
     * Whose link it is, without using it up.
     * @returns with `minLength`, the characters that the new password needs
     * @throws ProofRejected, TooManyAttempts as `redeem`
     */
    find(token: string, authorOf: AuthorOf): Promise<User & { readonly minLength: number }> {
      return withLink(token, authorOf, async (user) => ({ ...user, minLength: await minLengthOf(user) }));
    },

    /**
     * Sets the password and ends all logins. Activates an account that waits for that.
     * @throws ProofRejected for a link that is not good; UnfitPassword, and then the link is good as before; TooManyAttempts
     */
    redeem(token: string, newPassword: string, authorOf: AuthorOf): Promise<User> {
      return withLink(token, authorOf, async (user, found) => {
        const { username, email, organization: queue = 'management' } = user;
        const minLength = await minLengthOf(user);
        checkNewPassword(newPassword, { minLength, username, email });
        if (!(await tokens.redeem(PURPOSE, token)))
          throw new ProofRejected({ reason: 'the link is used up' });
        // Only a mailed link shows that the address is theirs.
        const activates = user.pending === true && found.email !== undefined;
        await retryOnConflict(async () => {
          const current = await requireUser(found);
          const author = authorOf(current);
          await passwordChange({ user: current, newPassword, minLength, queue, activates, author });
        });
        return user;
      });
    },
  };
}
