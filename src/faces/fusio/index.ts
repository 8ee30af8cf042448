/**
 * Fusio: people log in, register and manage applications at `/consumer/...`, everybody gets tokens at
 * `/authorization/...`. An application's own key and secret stand in HTTP Basic; who has none is the face.
 */
import type { Face } from '../face.ts';
import { type AccountsDeps, createAccountRoutes } from './accounts.ts';
import { type AppsDeps, createAppRoutes } from './apps.ts';
import { type AuthorizeDeps, createAuthorizeRoutes } from './authorize.ts';
import { createDiscoveryRoutes } from './discovery.ts';
import { createFail } from './failures.ts';
import { createLoginRoutes, type LoginDeps } from './login.ts';
import { createTokenEndpoint, type TokenEndpointDeps } from './token-endpoint.ts';

const BODY_LIMIT = 64 * 1024;

export interface FusioDeps extends LoginDeps, TokenEndpointDeps, AccountsDeps, AppsDeps, AuthorizeDeps {
  readonly users: LoginDeps['users'] & AppsDeps['users'];
  readonly codes: TokenEndpointDeps['codes'] & AuthorizeDeps['codes'];
  readonly issuer: string;
  /** Paths below which faces are served instead of at the root, by their names. */
  readonly prefixes: Readonly<Record<string, string>>;
}

export function createFusio(deps: FusioDeps): Face {
  const { issuer, prefixes: { fusio: prefix = '' } = {} } = deps;
  const base = issuer + prefix;
  return {
    name: 'fusio',
    bodies: 'json or form',
    origins: 'listed',
    headers: [],
    bodyLimit: BODY_LIMIT,
    fail: createFail(base),
    grants: (own) => own.filter((grant) => grant === 'password' || grant === 'refresh_token'),
    routes: {
      ...createLoginRoutes(deps),
      ...createTokenEndpoint(deps),
      ...createAccountRoutes(deps),
      ...createAppRoutes(deps),
      ...createAuthorizeRoutes(deps),
      // At the root those paths are the server's own.
      ...(prefix !== '' && createDiscoveryRoutes(base, issuer)),
    },
  };
}
