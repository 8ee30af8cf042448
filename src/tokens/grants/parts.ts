/** The parts of the server that grants work with; each grant picks what it needs. */

import type { AuthenticateUser } from '../../accounts/authenticate-user.ts';
import type { IdentityAssertions } from '../../clients/identity-assertions.ts';
import type { Connections } from '../../connections/connections.ts';
import type { ExchangeLimit } from '../../connections/exchange-limit.ts';
import type { DatabaseLogins } from '../../datasources/logins.ts';
import type { Users } from '../../directory/users.ts';
import type { Registry } from '../../registry/registry.ts';
import type { RefreshTokens } from '../../registry/secrets.ts';
import type { AuditLog, LoginStore } from '../../storage/contract.ts';
import type { EngineHandle } from '../engine-handle.ts';
import type { LoginLifetimes } from '../expiry.ts';
import type { PresentedTokens } from '../identify.ts';
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
  readonly databaseLogins: DatabaseLogins;
  readonly connections: Connections;
  readonly limit: ExchangeLimit;
  readonly identityAssertions: IdentityAssertions;
  readonly consents: Pick<RememberedConsents, 'forget'>;
  readonly audit: AuditLog;
  readonly lifetimes: LoginLifetimes;
  /** Milliseconds. */
  readonly now: () => number;
}
