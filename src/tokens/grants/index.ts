/** The grants that are live. A grant is added by its file and a line here. */

import type { Grant } from '../grant.ts';
import { createActForUserGrant } from './act-for-user.ts';
import { createAuthorizationCodeGrant } from './authorization-code.ts';
import { clientCredentials } from './client-credentials.ts';
import { createConnectGrant } from './connect.ts';
import { createDatabaseUserGrant } from './database-user.ts';
import { createDerivedLoginGrant } from './derived-login.ts';
import { createIdentityAssertionGrant } from './identity-assertion.ts';
import type { GrantParts } from './parts.ts';
import { createPasswordGrant } from './password.ts';
import { createRefreshTokenGrant } from './refresh-token.ts';
import { createTokenExchangeGrant } from './token-exchange.ts';

export function createGrants(parts: GrantParts): readonly Grant[] {
  return [
    clientCredentials,
    createPasswordGrant(parts),
    createDatabaseUserGrant(parts),
    createRefreshTokenGrant(parts),
    createAuthorizationCodeGrant(parts),
    createTokenExchangeGrant(parts),
    createIdentityAssertionGrant(parts),
    createDerivedLoginGrant(parts),
    createActForUserGrant(parts),
    createConnectGrant(parts),
  ];
}
