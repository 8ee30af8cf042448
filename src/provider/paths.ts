/** The paths of the OAuth endpoints. */

/** Those that the engine routes, by its names. */
export const ENGINE_PATHS = {
  authorization: '/oauth/authorize',
  token: '/oauth/token',
  introspection: '/oauth/introspect',
  revocation: '/oauth/revoke',
  userinfo: '/oauth/userinfo',
  jwks: '/oauth/jwks',
  end_session: '/oauth/logout',
} as const;

export const PATHS = { ...ENGINE_PATHS, revocations: '/oauth/revocations' } as const;

export const METADATA_PATHS = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
] as const;
