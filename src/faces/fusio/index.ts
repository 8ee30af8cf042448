/**
 * Fusio: people log in, register and manage applications at `/consumer/...`, everybody gets tokens at
 * `/authorization/...`. An application's own key and secret stand in HTTP Basic; who has none is the face.
 */
import type { Face } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { createAccountRoutes } from './accounts.ts';
import { createAppRoutes } from './apps.ts';
import { createAuthorizeRoutes } from './authorize.ts';
import { fusio } from './declaration.ts';
import { createDiscoveryRoutes } from './discovery.ts';
import { createFail } from './failures.ts';
import { createTokenRoutes } from './tokens.ts';

export function createFace(deps: FaceParts): Face {
  const { issuer, prefixes: { fusio: prefix = '' } = {} } = deps;
  const base = issuer + prefix;
  return {
    name: fusio.name,
    bodies: 'json or form',
    fail: createFail(base),
    grants: (own) => own.filter((grant) => grant === 'password' || grant === 'refresh_token'),
    routes: {
      ...createTokenRoutes(deps),
      ...createAccountRoutes(deps),
      ...createAppRoutes(deps),
      ...createAuthorizeRoutes(deps),
      // At the root those paths are the server's own.
      ...(prefix !== '' && createDiscoveryRoutes(base, issuer)),
    },
  };
}
