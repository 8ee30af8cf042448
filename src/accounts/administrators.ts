/** People who administer the whole server: how an operator or a one-time link makes them, and the way back in. */
import { type Author, inAudit } from '../changes/author.ts';
import type { Changes, New } from '../changes/changes.ts';
import { eachListed, findListed } from '../directory/collections.ts';
import { AlreadyTaken } from '../errors/domain.ts';
import { MANAGEMENT } from '../nouns/built-in.ts';
import type { User } from '../nouns/index.ts';
import type { Told } from '../nouns/initial-values.ts';
import { MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import type { AuditLog, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { checkNewPassword, type Passwords } from './passwords.ts';
import { canonicalNames, findHolder } from './registration.ts';

/** Where they log in, and the share of the hash queue that their passwords take. */
const REALM = 'management';

export interface NewAdministrator {
  readonly username: string;
  readonly email?: string;
  readonly password: string;
}

type Prepared = New<Told<'users'>>;

export type Administrators = ReturnType<typeof createAdministrators>;

export function createAdministrators({
  store,
  changes,
  passwords,
  audit,
  now,
}: {
  readonly store: Pick<DirectoryStore, 'users' | 'roles'>;
  readonly changes: Pick<Changes, 'users'>;
  readonly passwords: Pick<Passwords, 'hash'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  /** Of the built-in role that gives all rights over the server. */
  async function ownerRole(): Promise<string> {
    const role = await store.roles.findBy('name', `${MANAGEMENT.id}/owner`);
    if (!role) throw new Error('the directory has no built-in roles');
    return role.id;
  }

  const hash = (password: string, { address }: Author): Promise<string> =>
    passwords.hash(password, { organization: REALM, address });

  return {
    /** Disabled ones too. */
    each: (): AsyncIterable<User> => eachListed(store.users, 'realm', REALM),
    exist: async (): Promise<boolean> => (await findListed(store.users, 'realm', REALM)) !== undefined,
    /**
     * Checks what was typed and hashes the password. Nothing is written yet.
     * @throws MalformedRequest when a name, the address or the password will not do; AlreadyTaken; Unavailable when the hash
     *   queue is full
     */
    async prepare({ username, email, password }: NewAdministrator, author: Author): Promise<Prepared> {
      const names = canonicalNames(username, email);
      checkNewPassword(password, { minLength: MIN_PASSWORD_LENGTH.administrator, username, email });
      for (const name of Object.values(names)) {
        if (!(await findHolder(store.users, REALM, name))) continue;
        throw new AlreadyTaken({
          description: 'An administrator has that username or email address already.',
        });
      }
      return {
        realm: REALM,
        username,
        ...names,
        ...defined({ email }),
        passwordHash: await hash(password, author),
        passwordChangedAt: now(),
        roles: [await ownerRole()],
      };
    },
    /** With all rights over the server. @throws Conflict when a name was taken meanwhile */
    create: (prepared: Prepared, author: Author): Promise<User> => changes.users.create(prepared, author),
    /**
     * Gives a person the account back who lost the password, the second factor or the rights. All their logins end.
     * @throws UnfitPassword; VersionConflict; Unavailable when the hash queue is full
     */
    async reset(user: User, password: string, author: Author): Promise<User> {
      const { username, email } = user;
      checkNewPassword(password, { minLength: MIN_PASSWORD_LENGTH.administrator, username, email });
      const wanted = {
        ...user,
        enabled: true,
        secondFactor: false,
        passwordHash: await hash(password, author),
        passwordChangedAt: now(),
        roles: [...new Set([...user.roles, await ownerRole()])],
      };
      const after = await changes.users.replace(wanted, author);
      await audit.append({
        at: now(),
        event: 'administrator.reset',
        outcome: 'changed',
        subject: user.id,
        ...inAudit(author),
        details: { name: username, wasEnabled: user.enabled, hadSecondFactor: user.secondFactor },
      });
      return after;
    },
  };
}
