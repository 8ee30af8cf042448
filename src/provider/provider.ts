/**
 * The protocol engine (`oidc-provider`): our configuration for it, its codes, consents and ID tokens for the token
 * service. It leaves tokens to `tokens` and `endpoints`, rights to `rights`, pages to `interaction`. Routes:
 * `/oauth/authorize`, `/oauth/userinfo`, `/oauth/logout`, `/oauth/jwks`, `/.well-known/openid-configuration`,
 * `/.well-known/oauth-authorization-server`.
 *
 * This file puts its parts together: the engine over the store, with what stands around it.
 */
import { type AdapterPayload, Provider } from 'oidc-provider';
import { idTokenAlgs } from '../nouns/signing-algs.ts';
import { logoutNode } from '../registry/nodes.ts';
import { defined } from '../storage/defined.ts';
import { createOidcAdapter } from '../storage/oidc-adapter.ts';
import { toSeconds } from '../storage/rows.ts';
import type { PresentedTokens } from '../tokens/presented-tokens.ts';
import { createFindRemaining, createLeaveOutForPerson } from './authorization-request.ts';
import { applicationBeingBuilt, toClientMetadata } from './clients.ts';
import { createCodes } from './codes.ts';
import type { ProviderDeps } from './deps.ts';
import { createEngine } from './engine.ts';
import { createLoadExistingGrant } from './existing-grant.ts';
import { createInteractions } from './interactions.ts';
import { createLoginPolicy } from './login-policy.ts';
import { createProviderRoutes } from './routes.ts';
import { createFindAskedTables } from './table-consent.ts';

/**
 * The token as the engine needs it at userinfo. It serves every token of a login, also one for a resource, which the
 * engine would refuse if it knew the audience.
 */
function createFindForUserinfo({ findAccessToken }: PresentedTokens) {
  return async (value: string): Promise<AdapterPayload | undefined> => {
    const row = await findAccessToken(value);
    const openid = row?.openid;
    // Proofs of a key are not read here (RFC 7800), so a token that is bound to one would be good without it.
    if (!row || !openid || row.sender) return undefined;
    if (Provider.ctx) Provider.ctx.state.resourceOfToken = row.resource;
    return {
      kind: 'AccessToken',
      format: 'opaque',
      jti: value,
      iat: toSeconds(row.issuedAt),
      exp: toSeconds(row.expiresAt),
      accountId: row.subject,
      clientId: openid.clientId,
      grantId: openid.grantId,
      scope: row.scope,
      ...defined({ claims: openid.claims }),
    } as AdapterPayload;
  };
}

export function createProviderParts(deps: ProviderDeps) {
  const { storage, registry, presentedTokens, service, signingKeys, consents, now } = deps;
  const adapter = createOidcAdapter({
    artifacts: storage.artifacts,
    now,
    async findClient() {
      const application = applicationBeingBuilt()?.application;
      if (!application) return undefined;
      const { alg } = signingKeys.active(...idTokenAlgs(application));
      return toClientMetadata(application, service.grants, alg) as AdapterPayload;
    },
    findAccessToken: createFindForUserinfo(presentedTokens),
    endSessionOf: (grantId) => registry.markAboveShortLived(logoutNode(grantId), { revokedAt: now() }),
  });
  const findAskedTables = createFindAskedTables(deps);
  const findRemaining = createFindRemaining(deps);
  const engine = createEngine({
    configuration: () => ({
      ...deps,
      adapter,
      cookieKeys: deps.cookieKeys(),
      policy: createLoginPolicy({
        ...deps,
        findAskedTables,
        leaveOutForPerson: createLeaveOutForPerson(findRemaining),
      }),
      loadExistingGrant: createLoadExistingGrant({ ...deps, findAskedTables, findRemaining }),
    }),
    ...deps,
  });
  return {
    engine,
    /** For the pages that serve them. */
    interactions: createInteractions({ provider: engine.provider, findAskedTables, consents }),
    /** For callers that are not browsers. */
    codes: createCodes(engine.provider, deps),
    routes: createProviderRoutes(engine, deps),
    /** To be called when the published keys or the cookie keys changed. */
    keysChanged(): void {
      service.keysChanged();
      engine.rebuild();
    },
  };
}
