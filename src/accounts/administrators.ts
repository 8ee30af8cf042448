/** People who administer the whole server: how an operator or a one-time link makes them, and the way back in. */
import { type Author, inAudit } from '../changes/author.ts';
import type { Changes, New } from '../changes/changes.ts';
import { eachListed, findListed } from '../directory/collections.ts';
import { AlreadyTaken } from '../errors/domain.ts';
import { MANAGEMENT } from '../nouns/built-in.ts';
import type { User } from '../nouns/index.ts';
import { canonicalEmail, canonicalUsername } from '../nouns/usernames.ts';
import { MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import type { AuditLog, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { checkNewPassword, type Passwords } from './passwords.ts';

/** Where they log in, and the share of the hash queue that their passwords take. */
const REALM = 'management';

export interface NewAdministrator {
  readonly username: string;
  readonly email?: string;
  readonly password: string;
}

export interface Administrators {
  /** Disabled ones too. */
  each(): AsyncIterable<User>;
  exist(): Promise<boolean>;
  /**
   * Checks what was typed and hashes the password. Nothing is written yet.
   * @throws MalformedRequest when a name, the address or the password will not do; AlreadyTaken; Unavailable when the hash
   *   queue is full
   */
  prepare(wanted: NewAdministrator, author: Author): Promise<New<User>>;
  /** With all rights over the server. @throws Conflict when a name was taken meanwhile */
  create(prepared: New<User>, author: Author): Promise<User>;
  /**
   * Gives a person the account back who lost the password, the second factor or the rights. All their logins end.
   * @throws UnfitPassword; VersionConflict; Unavailable when the hash queue is full
   */
  reset(user: User, password: string, author: Author): Promise<User>;
}

export interface AdministratorsDeps {
  readonly store: Pick<DirectoryStore, 'users' | 'roles'>;
  readonly changes: Pick<Changes, 'users'>;
  readonly passwords: Pick<Passwords, 'hash'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createAdministrators(deps: AdministratorsDeps): Administrators {
  const { store, changes, passwords, audit, now } = deps;
  const each = () => eachListed(store.users, 'realm', REALM);

  /** Of the built-in role that gives all rights over the server. */
  async function ownerRole(): Promise<string> {
    const role = await store.roles.findBy('name', `${MANAGEMENT.id}/owner`);
    if (!role) throw new Error('the directory has no built-in roles');
    return role.id;
  }

  const hash = (password: string, { address }: Author): Promise<string> =>
    passwords.hash(password, defined({ organization: REALM, address }));

  /** Names and addresses are typed into one field, so no name may equal an address. */
  async function requireFree(names: readonly (string | undefined)[]): Promise<void> {
    for (const name of names.filter((each) => each !== undefined)) {
      for (const key of ['username', 'email'] as const) {
        if (!(await store.users.findBy(key, `${REALM}/${name}`))) continue;
        throw new AlreadyTaken({
          description: 'An administrator has that username or email address already.',
        });
      }
    }
  }

  return {
    each,
    exist: async () => (await findListed(store.users, 'realm', REALM)) !== undefined,
    async prepare({ username, email, password }, author) {
      const names = defined({
        canonicalUsername: canonicalUsername(username),
        canonicalEmail: email === undefined ? undefined : canonicalEmail(email),
      });
      checkNewPassword(password, { minLength: MIN_PASSWORD_LENGTH.administrator, username, email });
      await requireFree([names.canonicalUsername, names.canonicalEmail]);
      return {
        enabled: true,
        realm: REALM,
        username,
        ...names,
        ...defined({ email }),
        emailVerified: false,
        secondFactor: false,
        passwordHash: await hash(password, author),
        passwordChangedAt: now(),
        roles: [await ownerRole()],
        administers: [],
      };
    },
    create: (prepared, author) => changes.users.create(prepared, author),
    async reset(user, password, author) {
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
