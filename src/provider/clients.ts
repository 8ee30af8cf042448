/**
 * Applications as the engine's clients. To the engine every client is a public one: `clients/authentication.ts` decides
 * whether a client is the one it says, before the engine sees the request.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { ActiveApplication } from '../directory/directory.ts';
import { type Application, titleOf } from '../nouns/index.ts';
import { OPENID_SCOPES } from '../nouns/openid-scopes.ts';
import { mayOmitPkce } from '../nouns/redirect-uris.ts';
import type { SigningAlg } from '../nouns/signing-algs.ts';
import { DETAIL_TYPES } from '../permissions/details.ts';
import type { Grant } from '../tokens/grant.ts';

type Client = InstanceType<Provider['Client']>;

/** Our own members of a client's metadata. */
const APPLICATION = 'application_id';
const PKCE = 'pkce';
const AUTH_METHOD = 'registered_auth_method';
const AGENT = 'agent';
export const OWN_CLIENT_METADATA = [APPLICATION, PKCE, AUTH_METHOD, AGENT];

/** The resource that a request is about, as far as it has been read; at userinfo that of the token. */
export function resourceOf({ oidc, query, state }: KoaContextWithOIDC): unknown {
  return state.resourceOfToken ?? oidc?.params?.resource ?? query.resource;
}

/** Whether an authorization request of this client needs a code challenge. */
export function isPkceRequired(client: Client, redirectUri: unknown): boolean {
  const application = {
    pkce: String(client[PKCE]),
    authMethod: String(client[AUTH_METHOD]),
    native: client.applicationType === 'native',
  };
  return !mayOmitPkce(application, String(redirectUri));
}

/** Whether it cannot keep a secret (RFC 6749 section 2.1). */
export function isPublicClient(client: Client | undefined): boolean {
  return client?.[AUTH_METHOD] === 'none';
}

/** Whether it registered itself. */
export function isAgent(client: Client | undefined): boolean {
  return client?.[AGENT] === true;
}

/**
 * OpenID Connect registration metadata of an application.
 * @param idTokenAlg the algorithm that signs its ID tokens at this moment
 */
export function toClientMetadata(
  application: Application,
  grants: readonly Grant[],
  idTokenAlg: SigningAlg,
): Record<string, unknown> {
  // An application that a person registered may have no redirect URI; the engine accepts no such client with codes.
  const usesCode = application.grants.includes('authorization_code') && application.redirectUris.length > 0;
  const allowed = grants.filter(({ name }) => application.grants.includes(name)).map(({ type }) => type);
  return {
    client_id: application.clientId,
    client_name: titleOf(application),
    application_type: application.native ? 'native' : 'web',
    token_endpoint_auth_method: 'none',
    grant_types: allowed,
    response_types: usesCode ? ['code'] : [],
    redirect_uris: usesCode ? [...application.redirectUris] : [],
    post_logout_redirect_uris: [...application.postLogoutRedirectUris],
    ...(usesCode && { scope: OPENID_SCOPES.join(' ') }),
    authorization_details_types: [...DETAIL_TYPES],
    // Agents of two organizations may say the same of themselves.
    [APPLICATION]: application.id,
    [PKCE]: application.pkce ?? 'required',
    [AUTH_METHOD]: application.authMethod,
    [AGENT]: application.agent !== undefined,
    id_token_signed_response_alg: idTokenAlg,
  };
}

/** Routes of the engine, by its names, to which a client comes by way of a browser or with an access token. */
const WITHOUT_AUTHENTICATION = [
  'authorization',
  'resume',
  'userinfo',
  'end_session',
  'end_session_confirm',
  'end_session_success',
];

/** @throws InvalidClientAuth where the engine would take a client at its word */
function requireAuthenticated(clientId: string): void {
  const { oidc, state } = Provider.ctx ?? {};
  if (!oidc || WITHOUT_AUTHENTICATION.includes(String(oidc.route)) || oidc.client) return;
  if (state?.client?.application.clientId !== clientId)
    throw new errors.InvalidClientAuth('not authenticated');
}

/** Finds the application of the request under way. */
type FindActive = (clientId: string) => Promise<ActiveApplication | undefined>;

type ToClient = (active: ActiveApplication) => Promise<Client>;

const building = new AsyncLocalStorage<ActiveApplication>();
const makers = new WeakMap<Provider, ToClient>();

/** The application whose client the engine asks its store for. */
export function applicationBeingBuilt(): ActiveApplication | undefined {
  return building.getStore();
}

/** The engine's client for an application. */
export function toClient(provider: Provider, active: ActiveApplication): Promise<Client> {
  const make = makers.get(provider);
  if (!make) throw new Error('the engine has no clients yet');
  return make(active);
}

/**
 * Clients are built from their metadata once for each state of their application, instead of at each request; whether
 * they are still enabled is seen at each request because the view is of the latest revision.
 */
export function rememberClients(provider: Provider, findActive: FindActive): void {
  const Client = provider.Client as unknown as { find(id: string): Promise<Client | undefined> };
  const build = Client.find.bind(Client);
  const clients = new WeakMap<ActiveApplication, Client>();
  makers.set(provider, async (active) => {
    const known = clients.get(active);
    if (known) return known;
    const client = await building.run(active, () => build(active.application.clientId));
    if (!client) throw new Error('the engine has no client for the application');
    clients.set(active, client);
    return client;
  });
  Client.find = async (id) => {
    if (typeof id !== 'string' || id === '') return undefined;
    requireAuthenticated(id);
    const active = await findActive(id);
    return active && toClient(provider, active);
  };
}
