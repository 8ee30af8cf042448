/** The endpoints of OAuth and AuthZEN: where they are, which methods they answer, and who calls them. Other lists derive from this one. */

interface Endpoint {
  readonly path: string;
  /** The methods that it answers; a preflight is answered everywhere but where browsers are sent. */
  readonly methods: readonly string[];
  /**
   * `redirects`: a client sends a person's browser there. `pages`: scripts of the origins that a client lists may call
   * it. `servers`: no page may. `strangers`: every page may call it. `all`: every page may read it.
   */
  readonly callers: 'redirects' | 'pages' | 'servers' | 'strangers' | 'all';
  /** Whether it answers under the further hosts too, which people never see. */
  readonly furtherHosts: boolean;
}

const FOR_SERVERS = { methods: ['POST'], callers: 'servers', furtherHosts: true } as const;

/** Those that the engine routes, by its names. */
const ROUTED_BY_ENGINE = {
  authorization: {
    path: '/oauth/authorize',
    methods: ['GET', 'POST'],
    callers: 'redirects',
    furtherHosts: false,
  },
  token: { path: '/oauth/token', methods: ['POST'], callers: 'pages', furtherHosts: true },
  introspection: { path: '/oauth/introspect', ...FOR_SERVERS },
  revocation: { path: '/oauth/revoke', methods: ['POST'], callers: 'pages', furtherHosts: true },
  userinfo: { path: '/oauth/userinfo', methods: ['GET', 'POST'], callers: 'pages', furtherHosts: false },
  jwks: { path: '/oauth/jwks', methods: ['GET', 'HEAD'], callers: 'all', furtherHosts: true },
  end_session: { path: '/oauth/logout', methods: ['GET', 'POST'], callers: 'redirects', furtherHosts: false },
} as const satisfies Record<string, Endpoint>;

const METADATA = { methods: ['GET', 'HEAD'], callers: 'all', furtherHosts: true } as const;

const OTHERS = {
  registration: { path: '/oauth/register', methods: ['POST'], callers: 'strangers', furtherHosts: true },
  revocations: { path: '/oauth/revocations', ...FOR_SERVERS, methods: ['GET', 'POST'] },
  access_evaluation: { path: '/access/v1/evaluation', ...FOR_SERVERS },
  access_evaluations: { path: '/access/v1/evaluations', ...FOR_SERVERS },
  authzen_metadata: { path: '/.well-known/authzen-configuration', ...METADATA },
  openid_metadata: { path: '/.well-known/openid-configuration', ...METADATA },
  oauth_metadata: { path: '/.well-known/oauth-authorization-server', ...METADATA },
} as const satisfies Record<string, Endpoint>;

type Paths<T extends Record<string, Endpoint>> = { readonly [Name in keyof T]: T[Name]['path'] };

function pathsOf<T extends Record<string, Endpoint>>(endpoints: T): Paths<T> {
  const entries = Object.entries(endpoints).map(([name, { path }]) => [name, path]);
  return Object.fromEntries(entries) as Paths<T>;
}

export const ENDPOINTS: readonly Endpoint[] = Object.values({ ...ROUTED_BY_ENGINE, ...OTHERS });
export const ENGINE_PATHS = pathsOf(ROUTED_BY_ENGINE);
export const PATHS = { ...ENGINE_PATHS, ...pathsOf(OTHERS) };
export const METADATA_PATHS: readonly string[] = [PATHS.openid_metadata, PATHS.oauth_metadata];

/** The paths of the endpoints that these callers use. */
export function pathsFor(callers: Endpoint['callers']): string[] {
  return ENDPOINTS.filter((endpoint) => endpoint.callers === callers).map(({ path }) => path);
}

/** Where an agent that registered reads, changes and removes itself: the `client_id` follows. */
export const REGISTERED_PREFIX = `${PATHS.registration}/`;
