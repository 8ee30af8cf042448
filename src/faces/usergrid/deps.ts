/** What the routes of this face call beside the token service. */
import type { FindAdministrators } from '../../directory/administrators.ts';
import type { Applications } from '../../directory/applications.ts';
import type { Author } from '../../directory/changes.ts';
import type { PasswordChange } from '../../directory/password-change.ts';
import type { Register } from '../../directory/registration.ts';
import type { Revocations } from '../../directory/revocations.ts';
import type { RoleChanges } from '../../directory/role-changes.ts';
import type { Users } from '../../directory/users.ts';
import type { LoginRow } from '../../storage/contract.ts';
import type { User } from '../../storage/nouns.ts';
import type { FaceTokens } from '../face.ts';

export interface UsergridDeps {
  readonly issuer: string;
  /** Paths below which faces are served, by their names. */
  readonly prefixes: Readonly<Record<string, string>>;
  readonly users: Pick<Users, 'find' | 'findByLogin'>;
  readonly findAdministrators: FindAdministrators;
  readonly applications: Pick<Applications, 'showSecret' | 'renewSecret' | 'limitUserTokens'>;
  readonly roleChanges: RoleChanges;
  readonly register: Register;
  readonly passwordChange: PasswordChange;
  readonly revocations: Pick<Revocations, 'revokeToken' | 'revokeLogin' | 'revokeAllOf'>;
  readonly presentedTokens: FaceTokens;
  /** The living login that a refresh token belongs to; undefined for anything else. */
  readonly findLogin: (refreshToken: string) => Promise<LoginRow | undefined>;
  readonly removeUser: (user: User, author: Author) => Promise<void>;
  /** Takes one registration from an address. @throws TooManyAttempts */
  readonly limitRegistration: (address: string) => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** The URL below which the face is served. */
export function baseOf({ issuer, prefixes }: Pick<UsergridDeps, 'issuer' | 'prefixes'>): string {
  return issuer + (prefixes.usergrid ?? '');
}
