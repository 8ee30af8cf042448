/** Our choices for the engine: what is live, what it stores, who is asked. */
import type { Configuration, FindAccount, interactionPolicy, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { CLAIMS_BY_SCOPE, userClaims } from '../accounts/user-claims.ts';
import { ASSERTION_TOLERANCE } from '../clients/signed-assertions.ts';
import { userSubject } from '../directory/subjects.ts';
import { AUTH_METHODS } from '../nouns/index.ts';
import { isOpenIdScope, OPENID_SCOPES } from '../nouns/openid-scopes.ts';
import { SIGNING_ALGS } from '../nouns/signing-algs.ts';
import { DETAIL_TYPES, parseDetails } from '../permissions/details.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { findCeiling } from '../rights/rights.ts';
import type { createOidcAdapter } from '../storage/oidc-adapter.ts';
import { rethrowPermissionsError } from '../tokens/asked.ts';
import { createGrantSourceDetails, createRequestNormalizer } from './authorization-request.ts';
import { isPkceRequired, OWN_CLIENT_METADATA, resourceOf } from './clients.ts';
import type { ProviderDeps } from './deps.ts';
import { insideEngine } from './failures.ts';
import { ENGINE_PATHS } from './paths.ts';

export interface ConfigurationDeps
  extends Pick<ProviderDeps, 'issuer' | 'directory' | 'agents' | 'users' | 'lifetimes' | 'pages'> {
  readonly adapter: ReturnType<typeof createOidcAdapter>;
  readonly cookieKeys: readonly string[];
  readonly policy: interactionPolicy.DefaultPolicy;
  readonly loadExistingGrant: NonNullable<Configuration['loadExistingGrant']>;
}

const CODE_LIFETIME_SECONDS = 60;
const INTERACTION_LIFETIME_SECONDS = 3600;

function createFindAccount({ directory, agents, users }: ConfigurationDeps): FindAccount {
  return async (ctx, subject) => {
    const user = await users.findBySubject(subject);
    if (!user) return undefined;
    // A browser session belongs to a realm; the engine would serve any client with it.
    const { client } = ctx.oidc;
    if (client) {
      const { view } = await directory.viewFor(ctx.state);
      const active = await agents.find(view, { clientId: client.clientId, resource: resourceOf(ctx) });
      if (active?.application.realm !== user.realm) return undefined;
    }
    return { accountId: userSubject(user), claims: () => userClaims(user) };
  };
}

/** Whether an authorization request asks for something of a resource, or for the person's identity only. */
function asksForResource(params: Record<string, unknown> | undefined): boolean {
  if (params?.authorization_details !== undefined || params?.permissions !== undefined) return true;
  const scopes = scopesOf(params?.scope);
  return !scopes.includes('openid') || !scopes.every(isOpenIdScope);
}

/** Resource indicators (RFC 8707): the application's own unless it only wants to know who the person is. */
function createResourceIndicators({
  directory,
  agents,
}: ConfigurationDeps): NonNullable<Configuration['features']>['resourceIndicators'] {
  const findApplication = async ({ state }: KoaContextWithOIDC, clientId: string, resource?: string) => {
    const { view } = await directory.viewFor(state);
    return (await agents.find(view, { clientId, resource }))?.application;
  };
  return {
    enabled: true,
    async defaultResource(ctx, client) {
      // A request that goes on after login or consent already has its resource, or has none.
      if (ctx.oidc.route === 'resume') return [];
      const own = (await findApplication(ctx, client.clientId))?.resource;
      return own !== undefined && asksForResource(ctx.oidc.params) ? own : [];
    },
    async getResourceServerInfo(ctx, identifier, client) {
      const { view } = await directory.viewFor(ctx.state);
      const [application, resource] = await Promise.all([
        findApplication(ctx, client.clientId, identifier),
        view.findResource(identifier),
      ]);
      if (!application || !resource || !findCeiling(application, resource)) {
        throw new errors.InvalidTarget('The resource is unknown, or the application may not use it.');
      }
      return {
        scope: resource.scopes.filter((scope) => application.scopes.includes(scope)).join(' '),
        audience: resource.identifier,
        accessTokenFormat: resource.token.format,
      };
    },
    useGrantedResource: async () => true,
  };
}

function validateDetail(ctx: KoaContextWithOIDC, detail: unknown): Promise<void> {
  const resource = ctx.oidc.params?.resource;
  return insideEngine(ctx, async () => {
    try {
      parseDetails([detail], typeof resource === 'string' ? resource : undefined);
    } catch (error) {
      rethrowPermissionsError(error);
    }
  });
}

export function createConfiguration(deps: ConfigurationDeps, jwks: Configuration['jwks']): Configuration {
  const { issuer } = deps;
  const secureCookies = issuer.startsWith('https:');
  const cookie = {
    httpOnly: true,
    sameSite: 'lax',
    secure: secureCookies,
    signed: true,
    overwrite: true,
  } as const;
  return {
    adapter: deps.adapter,
    jwks,
    routes: ENGINE_PATHS,
    findAccount: createFindAccount(deps),
    loadExistingGrant: deps.loadExistingGrant,
    claims: Object.fromEntries(
      Object.entries(CLAIMS_BY_SCOPE).map(([scope, claims]) => [scope, [...claims]]),
    ),
    // Identity and tables can be had in one login; the ID token then says who, the access token which tables.
    conformIdTokenClaims: false,
    scopes: [...OPENID_SCOPES],
    responseTypes: ['code'],
    subjectTypes: ['public'],
    extraClientMetadata: { properties: [...OWN_CLIENT_METADATA] },
    pkce: { required: (ctx, client) => isPkceRequired(client, ctx.oidc.params?.redirect_uri) },
    allowOmittingSingleRegisteredRedirectUri: false,
    acceptQueryParamAccessTokens: false,
    clientAuthMethods: [...AUTH_METHODS],
    clientBasedCORS: () => true,
    // For client assertions. Codes, sessions and other rows of the engine still end on time: the store does not return
    // expired rows, and request objects are not accepted.
    clockTolerance: ASSERTION_TOLERANCE,
    // The engine calls this for every authorization request, with the parameter or without.
    extraParams: { permissions: createRequestNormalizer(deps) },
    cookies: {
      keys: [...deps.cookieKeys],
      names: {
        session: secureCookies ? '__Host-session' : 'session',
        interaction: 'interaction',
        resume: 'resume',
      },
      long: { ...cookie, path: '/' },
      short: cookie,
    },
    enabledJWA: {
      clientAuthSigningAlgValues: [...SIGNING_ALGS],
      idTokenSigningAlgValues: [...SIGNING_ALGS],
    },
    features: {
      devInteractions: { enabled: false },
      // For the metadata: `endpoints` answers these requests before they come to the engine.
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => false },
      revocation: { enabled: true, allowedPolicy: async () => false },
      userinfo: { enabled: true },
      resourceIndicators: createResourceIndicators(deps),
      richAuthorizationRequests: {
        enabled: true,
        types: Object.fromEntries(DETAIL_TYPES.map((type) => [type, { validate: validateDetail }])),
        authorizationDetailsForGrantSource: createGrantSourceDetails(deps),
      } as never,
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: deps.pages.confirmLogout,
        postLogoutSuccessSource: deps.pages.loggedOut,
      },
      // Announced here. Documents are fetched by `agents`, at the authorization endpoint only and for all processes; this engine
      // would fetch at each endpoint, and refuses documents with a grant type that it does not have.
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02', allowFetch: async () => false },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
    },
    interactions: {
      url: async (_ctx, interaction) => deps.pages.interactionUrl(interaction.uid),
      policy: deps.policy,
    },
    issueRefreshToken: async () => false,
    // Tokens that outlive the session hang below another node, so a logout keeps the Grant and still ends the rest.
    expiresWithSession: async () => true,
    revokeGrantPolicy: () => false,
    renderError: deps.pages.renderError,
    // Seconds. The engine wants a lifetime of access and refresh tokens too, which `tokens` makes.
    ttl: {
      AuthorizationCode: CODE_LIFETIME_SECONDS,
      Interaction: INTERACTION_LIFETIME_SECONDS,
      Session: deps.lifetimes.session,
      Grant: deps.lifetimes.login,
      IdToken: 3600,
      AccessToken: 3600,
      ClientCredentials: 3600,
      RefreshToken: deps.lifetimes.login,
    },
  };
}
