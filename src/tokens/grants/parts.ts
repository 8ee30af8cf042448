/** The parts of the server that grants work with; each grant picks what it needs. */

import type { AuthenticateUser } from '../../accounts/authenticate-user.ts';
import type { Register } from '../../accounts/registration.ts';
import type { Author } from '../../changes/author.ts';
import type { IdentityAssertions } from '../../clients/identity-assertions.ts';
import type { Connections } from '../../connections/connections.ts';
import type { Domains } from '../../connections/domains.ts';
import type { ExchangeLimit } from '../../connections/exchange-limit.ts';
import type { DatabaseLogins } from '../../datasources/logins.ts';
import type { Users } from '../../directory/users.ts';
import type { User } from '../../nouns/index.ts';
import type { RefreshTokens } from '../../registry/refresh-tokens.ts';
import type { Registry } from '../../registry/registry.ts';
import type { AuditLog, LoginStore } from '../../storage/contract.ts';
import type { EngineHandle } from '../engine-handle.ts';
import type { LoginLifetimes } from '../expiry.ts';
import type { PresentedTokens } from '../presented-tokens.ts';
import type { RememberedConsents } from '../remembered-consents.ts';
import type { LostAnswers } from './lost-answers.ts';

export interface GrantParts {
  readonly engine: EngineHandle;
  readonly registry: Registry;
  readonly logins: LoginStore;
  readonly lostAnswers: LostAnswers;
  readonly refreshTokens: RefreshTokens;
  readonly presentedTokens: PresentedTokens;
  readonly users: Users;
  readonly authenticateUser: AuthenticateUser;
  readonly register: Register;
  readonly removeUser: (user: User, author: Author) => Promise<void>;
  /** Takes one registration from an address. @throws TooManyAttempts */
  readonly limitRegistration: (address: string) => Promise<void>;
  /** Takes one change that a person makes of what is theirs, by their id. @throws TooManyAttempts */
  readonly limitPerson: (user: string) => Promise<void>;
  readonly databaseLogins: DatabaseLogins;
  readonly connections: Connections;
  readonly domains: Domains;
  readonly exchangeLimit: ExchangeLimit;
  readonly identityAssertions: IdentityAssertions;
  readonly consents: Pick<RememberedConsents, 'forget'>;
  readonly audit: AuditLog;
  readonly lifetimes: LoginLifetimes;
  /** Milliseconds. */
  readonly now: () => number;
}
