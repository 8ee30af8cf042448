/** Users and administrators of an apply file. */
import { checkNewPassword, toImportedHash } from '../../accounts/passwords.ts';
import { DomainError } from '../../errors/domain.ts';
import { builtInFaces } from '../../faces/index.ts';
import type { Application, Organization, Realm, User } from '../../nouns/index.ts';
import { canonicalEmail, canonicalUsername } from '../../nouns/usernames.ts';
import { MIN_PASSWORD_LENGTH } from '../../nouns/values.ts';
import { defined } from '../../storage/defined.ts';
import type { ApplyAdministrator, ApplyUser } from '../schema.ts';
import { planNoun } from './noun.ts';
import type { Extras, Plan, Planning } from './plan.ts';

/** People are looked at side by side, because comparing a password takes its time, and added in the file's order. */
export type AddToPlan = () => void;

export async function planUser(
  plan: Plan,
  organization: Organization,
  entry: ApplyUser,
  deps: Planning,
): Promise<AddToPlan | undefined> {
  const path = [organization.name, entry.application, entry.username].filter((part) => part !== undefined);
  const name = `user ${path.join('/')}`;
  const application =
    entry.application === undefined
      ? undefined
      : await plan.findApplication(name, organization.id, entry.application);
  if (entry.application !== undefined && !application) return undefined;
  const realm = application
    ? ownRealm(plan, name, application)
    : (`organization:${organization.id}` as const);
  if (!realm) return undefined;
  return planPerson(plan, name, realm, entry, deps, {
    organization: organization.id,
    emailVerified: entry.emailVerified,
    faces: facesOf(entry),
    minPasswordLength: application?.minPasswordLength ?? MIN_PASSWORD_LENGTH.user,
  });
}

/** What the file says of them under the names of faces. */
function facesOf(entry: ApplyUser): User['faces'] {
  const file: Readonly<Record<string, unknown>> = entry;
  const said = builtInFaces.filter(({ name, ofUser }) => ofUser && file[name] !== undefined);
  if (said.length === 0) return undefined;
  return Object.fromEntries(said.map(({ name }) => [name, file[name] as Readonly<Record<string, unknown>>]));
}

/** A person in a realm that no application asks could never log in. */
function ownRealm(
  plan: Plan,
  name: string,
  { id, realm, name: application }: Application,
): Realm | undefined {
  if (realm === `application:${id}`) return realm;
  plan.problems.push(
    `${name}: the users of the application ${application} are its organization's, so leave application out`,
  );
  return undefined;
}

export async function planAdministrator(
  plan: Plan,
  entry: ApplyAdministrator,
  deps: Planning,
): Promise<AddToPlan | undefined> {
  return planPerson(plan, `administrator ${entry.username}`, 'management', entry, deps, {
    minPasswordLength: MIN_PASSWORD_LENGTH.administrator,
  });
}

interface Person {
  /** Absent: an administrator. */
  readonly organization?: string;
  /** What the file says; undefined: what is there stays. */
  readonly emailVerified?: boolean | undefined;
  readonly faces?: User['faces'];
  readonly minPasswordLength: number;
}

async function planPerson(
  plan: Plan,
  name: string,
  realm: Realm,
  entry: ApplyUser | ApplyAdministrator,
  deps: Planning,
  person: Person,
): Promise<AddToPlan | undefined> {
  const names = canonicalNames(plan, name, entry);
  if (!names) return undefined;
  const before = await plan.findBefore('users', 'username', `${realm}/${names.canonicalUsername}`);
  const { organization, emailVerified, faces } = person;
  const kept = plan.isCleared('users', 'email') ? undefined : before?.canonicalEmail;
  const canonicalEmail = names.canonicalEmail ?? kept;
  const moved = before !== undefined && before.canonicalEmail !== canonicalEmail;
  const { password, generated, ...hash } = await planPassword(plan, name, entry, before, deps, person);
  const given = {
    id: before ? undefined : plan.findReservedId(`${realm}/${names.canonicalUsername}`),
    organization,
    realm,
    canonicalUsername: names.canonicalUsername,
    canonicalEmail,
    // A person who has verified one address has not verified another.
    emailVerified: emailVerified ?? (moved ? false : (before?.emailVerified ?? false)),
    ...hash,
    faces: faces ? { ...before?.faces, ...faces } : before?.faces,
  };
  const wanted = await planNoun(plan, 'users', name, { entry, before, given });
  const extras = defined({ password, generated });
  return () => plan.add('users', name, before, wanted, extras);
}

function canonicalNames(
  plan: Plan,
  name: string,
  { username, email }: ApplyUser | ApplyAdministrator,
): { canonicalUsername: string; canonicalEmail?: string } | undefined {
  try {
    return {
      canonicalUsername: canonicalUsername(username),
      ...defined({ canonicalEmail: email === undefined ? undefined : canonicalEmail(email) }),
    };
  } catch (error) {
    plan.problems.push(`${name}: ${requireDescription(error)}`);
    return undefined;
  }
}

function requireDescription(error: unknown): string {
  if (error instanceof DomainError && error.description !== undefined) return error.description;
  throw error;
}

type PasswordPlan = Pick<User, 'passwordHash' | 'passwordChangedAt'> & Pick<Extras, 'password' | 'generated'>;

async function planPassword(
  plan: Plan,
  name: string,
  { password, passwordHash, username, email }: ApplyUser | ApplyAdministrator,
  before: User | undefined,
  { passwords, now, resetPasswords, comparePasswords }: Planning,
  { organization = 'management', minPasswordLength }: Person,
): Promise<PasswordPlan> {
  const kept = before ? pickPassword(before) : {};
  if (before && !resetPasswords && !(comparePasswords && password !== undefined)) return kept;
  if (passwordHash !== undefined) {
    const imported = toImportedHash(passwordHash);
    return imported === before?.passwordHash ? kept : { passwordHash: imported, passwordChangedAt: now() };
  }
  if (password === undefined) {
    if (before) return kept;
    const value = plan.secretBytes('password', 18).toString('base64url');
    return { password: value, generated: { kind: 'password', value } };
  }
  if (before && (await passwords.verify(password, before.passwordHash, { organization })).ok) return kept;
  if (before && !resetPasswords) {
    plan.notes.push(`${name} has another password than the file says; it stays (--reset-passwords sets it)`);
    return kept;
  }
  try {
    checkNewPassword(password, { minLength: minPasswordLength, username, email });
  } catch (error) {
    plan.problems.push(`${name}: ${requireDescription(error)}`);
  }
  return { ...kept, password };
}

function pickPassword({ passwordHash, passwordChangedAt }: User): PasswordPlan {
  return defined({ passwordHash, passwordChangedAt });
}
