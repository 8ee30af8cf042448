/** Where things are, for clients that ask. Every URL comes from the issuer and the prefix, none from a header. */
import { PATHS } from '../../provider/paths.ts';
import type { FaceRequest, FaceRoutes } from '../face.ts';
import { findScopes } from './scopes.ts';

/**
 * @param base where the face is
 * @param issuer whose keys tokens are signed with
 */
export function createDiscoveryRoutes(base: string, issuer: string): FaceRoutes {
  /** RFC 8414 section 2. */
  async function describe({ view, client }: FaceRequest): Promise<Record<string, unknown>> {
    return {
      issuer: base,
      token_endpoint: `${base}/authorization/token`,
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      userinfo_endpoint: `${base}/authorization/whoami`,
      jwks_uri: issuer + PATHS.jwks,
      scopes_supported: await findScopes(view, client.application),
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'client_credentials', 'password', 'refresh_token'],
      claims_supported: ['iss', 'sub', 'iat', 'exp', 'name'],
    };
  }

  return {
    'GET /.well-known/oauth-authorization-server': describe,

    async 'GET /.well-known/openid-configuration'(request) {
      const { view, client } = request;
      const { resource: identifier } = client.application;
      const resource = identifier === undefined ? undefined : await view.findResource(identifier);
      return {
        ...(await describe(request)),
        subject_types_supported: ['public'],
        // Not the original's: tokens are verified with the public keys.
        id_token_signing_alg_values_supported: resource ? [resource.token.alg] : [],
      };
    },

    /** RFC 9728 section 2. */
    async 'GET /.well-known/oauth-protected-resource'({ view, client }) {
      return {
        resource: base,
        authorization_servers: [base],
        scopes_supported: await findScopes(view, client.application),
        bearer_methods_supported: ['header'],
      };
    },
  };
}
