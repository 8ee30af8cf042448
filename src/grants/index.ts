/** The grants that are live. A grant is added by its file and a line here. */
import type { ExchangeLimit } from '../connections/exchange-limit.ts';
import type { DatabaseLogins } from '../datasources/logins.ts';
import type { Users } from '../directory/users.ts';
import type { Registry } from '../registry/registry.ts';
import type { RefreshTokens } from '../registry/secrets.ts';
import type { AuditLog, LoginStore } from '../storage/contract.ts';
import type { Tokens } from '../tokens/identify.ts';
import { createActForUserGrant } from './act-for-user.ts';
import { createAuthorizationCodeGrant } from './authorization-code.ts';
import { clientCredentials } from './client-credentials.ts';
import { type ConnectDeps, createConnectGrant } from './connect.ts';
import type { Grant } from './contract.ts';
import { createDatabaseUserGrant } from './database-user.ts';
import { createDerivedLoginGrant } from './derived-login.ts';
import type { EngineHandle } from './engine-handle.ts';
import type { LoginLifetimes } from './expiry.ts';
import type { LostAnswers } from './lost-answers.ts';
import { createPasswordGrant } from './password.ts';
import { createRefreshTokenGrant } from './refresh-token.ts';
import type { RememberedConsents } from './remembered-consents.ts';
import type { SubjectTokens } from './subject-token.ts';
import { createTokenExchangeGrant } from './token-exchange.ts';

export interface GrantsDeps {
  readonly engine: EngineHandle;
  readonly registry: Registry;
  readonly logins: LoginStore;
  readonly lostAnswers: LostAnswers;
  readonly refreshTokens: RefreshTokens;
  readonly tokens: Tokens;
  readonly users: Users;
  readonly databaseLogins: DatabaseLogins;
  readonly subjectTokens: SubjectTokens;
  readonly limit: ExchangeLimit;
  readonly connect: ConnectDeps;
  readonly consents: Pick<RememberedConsents, 'forget'>;
  readonly audit: AuditLog;
  readonly lifetimes: LoginLifetimes;
  /** Milliseconds. */
  readonly now: () => number;
}

export function createGrants(deps: GrantsDeps): readonly Grant[] {
  return [
    clientCredentials,
    createPasswordGrant(deps),
    createDatabaseUserGrant(deps),
    createRefreshTokenGrant(deps),
    createAuthorizationCodeGrant(deps),
    createTokenExchangeGrant(deps),
    createDerivedLoginGrant(deps),
    createActForUserGrant(deps),
    createConnectGrant(deps.connect),
  ];
}
