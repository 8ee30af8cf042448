/** Applications as the engine's clients. */
import { LRUCache } from 'lru-cache';
import { errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { usesSecret } from '../directory/applications.ts';
import { isAnyClientSecret, type SecretKeys } from '../directory/client-secrets.ts';
import type { Directory, DirectoryView } from '../directory/directory.ts';
import { mayOmitPkce } from '../directory/redirect-uris.ts';
import type { Grant } from '../grants/contract.ts';
import { OPENID_SCOPES } from '../grants/cut-down.ts';
import { DETAIL_TYPES } from '../permissions/details.ts';
import type { Application, AuthMethod } from '../storage/nouns.ts';
import type { SigningAlg } from '../storage/signing-algs.ts';
import { findAssertionProblem } from './client-assertions.ts';
import { NO_CLIENT, presentedMethod, spellingsOf } from './client-credentials.ts';
import { toEngineError } from './engine-errors.ts';

type Client = InstanceType<Provider['Client']>;

const CLIENTS_KEPT = 5_000;
/** The engine's names of the routes on which clients authenticate. */
export const AUTHENTICATED_ROUTES: readonly string[] = ['token', 'introspection', 'revocation'];

/** Our own members of a client's metadata. */
const PKCE = 'pkce';
const ASSERTION_AUDIENCE = 'assertion_audience';
export const OWN_CLIENT_METADATA = [PKCE, ASSERTION_AUDIENCE];

/** Whether an authorization request of this client needs a code challenge. */
export function isPkceRequired(client: Client, redirectUri: unknown): boolean {
  const application = { pkce: String(client[PKCE]), authMethod: client.clientAuthMethod };
  return !mayOmitPkce(application, String(redirectUri));
}

/** Whose guesses of a client's secret are counted. */
export interface SecretLimits {
  /** @throws TooManyAttempts */
  requireClientNotBlocked(clientId: string, address: string): void;
  clientSecretFailure(clientId: string, address: string): Promise<void>;
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
  // One that somebody registered need not have said where it is; the engine takes no such client as one of browsers.
  const usesCode = application.grants.includes('authorization_code') && application.redirectUris.length > 0;
  const allowed = grants.filter(({ name }) => application.grants.includes(name)).map(({ type }) => type);
  return {
    client_id: application.clientId,
    client_name: application.name,
    application_type: application.native ? 'native' : 'web',
    token_endpoint_auth_method: application.authMethod,
    // The schema wants a secret where one is needed; comparing is ours, and this opens nothing.
    ...(application.secretHash !== undefined && { client_secret: application.secretHash }),
    ...(application.jwks && { jwks: application.jwks }),
    grant_types: allowed,
    response_types: usesCode ? ['code'] : [],
    redirect_uris: usesCode ? [...application.redirectUris] : [],
    post_logout_redirect_uris: [...application.postLogoutRedirectUris],
    ...(usesCode && { scope: OPENID_SCOPES.join(' ') }),
    authorization_details_types: [...DETAIL_TYPES],
    [PKCE]: application.pkce ?? 'required',
    [ASSERTION_AUDIENCE]: application.assertionAudience ?? 'issuer',
    id_token_signed_response_alg: idTokenAlg,
  };
}

/**
 * Clients are built from their metadata once per revision of the directory, instead of at each request; whether they
 * are still enabled is seen at each request because the view is of the latest revision.
 * @param found called with each client that was looked up
 */
function rememberClients(
  provider: Provider,
  directory: Directory,
  found: (id: string, client: Client | undefined) => Promise<void>,
): void {
  const Client = provider.Client as unknown as { find(id: string): Promise<Client | undefined> };
  const build = Client.find.bind(Client);
  const clientsOf = new WeakMap<DirectoryView, LRUCache<string, Client>>();
  Client.find = async (id) => {
    if (typeof id !== 'string' || id === '') return undefined;
    const { ctx } = Provider;
    const view = ctx ? (await directory.viewFor(ctx.req)).view : await directory.view();
    let clients = clientsOf.get(view);
    if (!clients) {
      clients = new LRUCache({ max: CLIENTS_KEPT });
      clientsOf.set(view, clients);
    }
    const known = clients.get(id);
    const client = known ?? (await build(id));
    if (client && !known) clients.set(id, client);
    await found(id, client);
    return client;
  };
}

/** Why a client may not authenticate in this way, even if its proof is right; for the log. */
function findProblem(
  ctx: KoaContextWithOIDC,
  client: Client,
  used: AuthMethod,
  now: () => number,
): string | undefined {
  const { oidc } = ctx;
  const registered = client.clientAuthMethod as AuthMethod;
  const fits =
    used === registered || (usesSecret({ authMethod: used }) && usesSecret({ authMethod: registered }));
  if (!fits) return `the client used ${used}, and is registered with ${registered}`;
  if (used === 'none' && oidc.route === 'introspection') return 'a public client cannot introspect';
  if (used !== 'private_key_jwt') return undefined;
  const takesEndpoint = oidc.route === 'token' && client[ASSERTION_AUDIENCE] === 'endpoint';
  return findAssertionProblem(String(oidc.params?.client_assertion), {
    issuer: oidc.issuer,
    endpoint: takesEndpoint ? oidc.urlFor('token') : undefined,
    now,
  });
}

/** Takes over what the engine does with client secrets and refuses grants by the standard's own error. */
export function takeOverClients(
  provider: Provider,
  deps: { directory: Directory; clientSecrets: SecretKeys; limits: SecretLimits; now: () => number },
): void {
  const { limits, clientSecrets, now } = deps;

  /** Counts a guess; one that is not allowed any more is refused before it is looked at. */
  async function guess(clientId: string, isRight: () => boolean): Promise<boolean> {
    const { state } = Provider.ctx as KoaContextWithOIDC;
    const address = String(state.address ?? '');
    try {
      limits.requireClientNotBlocked(clientId, address);
    } catch (error) {
      state.failure = error;
      throw toEngineError(error);
    }
    // Nothing is waited for between the look at the count, the guess and its counting.
    const matches = isRight();
    if (!matches) await limits.clientSecretFailure(clientId, address);
    return matches;
  }

  /** The engine looks the client up after it has read the request and before it checks any proof. */
  rememberClients(provider, deps.directory, async (id, client) => {
    const { ctx } = Provider;
    if (!ctx || ctx.oidc.client || !AUTHENTICATED_ROUTES.includes(String(ctx.oidc.route))) return;
    if (id === NO_CLIENT)
      throw new errors.InvalidClientAuth('no client authentication, or not by HTTP Basic');
    const used = presentedMethod(ctx, ctx.oidc.params ?? {});
    const registered = client?.clientAuthMethod as AuthMethod | undefined;
    if (client && used !== registered) ctx.state.clientAuth = { used, registered };
    // A request without a secret is not a guess. If the client does not exist or has no secret, any secret counts as
    // wrong; otherwise the limit would tell which clients exist.
    const isSecret = usesSecret({ authMethod: used });
    const wantsSecret = registered !== undefined && usesSecret({ authMethod: registered });
    if (isSecret && !wantsSecret) await guess(id, () => false);
    if (!client) return;
    const problem = findProblem(ctx, client, used, now);
    if (problem === undefined) return;
    ctx.oidc.entity('Client', client);
    throw new errors.InvalidClientAuth(problem);
  });
  const { prototype } = provider.Client as unknown as { prototype: Client & Record<string, unknown> };

  prototype.compareClientSecret = function compareClientSecret(this: Client, secret: string) {
    const spellings = spellingsOf(Provider.ctx as KoaContextWithOIDC, secret);
    return guess(this.clientId, () => isAnyClientSecret(clientSecrets, spellings, this.clientSecret));
  } as never;

  prototype.grantTypeAllowed = function grantTypeAllowed(this: Client, type: string) {
    if (this.grantTypes?.includes(type)) return true;
    const { oidc } = (Provider.ctx as KoaContextWithOIDC | undefined) ?? {};
    // RFC 6749 section 5.2 has a code of its own for this; the engine says `invalid_request`.
    if (oidc?.route === 'token' && oidc.params?.grant_type === type) {
      throw new errors.UnauthorizedClient('the application may not use this grant');
    }
    return false;
  } as never;
}
