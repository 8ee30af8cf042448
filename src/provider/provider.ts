/** Puts the provider together: grants into the engine, the engine over the store, our endpoints around it. */
import type { Middleware } from 'koa';
import type { AdapterPayload } from 'oidc-provider';
import type { SecretKeys } from '../directory/client-secrets.ts';
import type { Directory } from '../directory/directory.ts';
import type { Users } from '../directory/users.ts';
import { grantNode } from '../grants/authorization-code.ts';
import type { OpenIdFacts } from '../grants/contract.ts';
import { createGrants } from '../grants/index.ts';
import { createIssue } from '../grants/issue.ts';
import type { Registry } from '../registry/registry.ts';
import type { RefreshTokens } from '../registry/secrets.ts';
import type { Storage } from '../storage/contract.ts';
import { createOidcAdapter } from '../storage/oidc-adapter.ts';
import { type SecretLimits, toClientMetadata } from './clients.ts';
import type { EngineDeps as ConfigurationDeps } from './configuration.ts';
import { createEngine, type Engine } from './engine.ts';
import type { SigningMode } from './external-key.ts';
import { createFastLane } from './fast-lane.ts';
import type { InspectionDeps } from './inspection.ts';
import { createInteractions, type Interactions } from './interactions.ts';
import { createLoginPolicy } from './login-policy.ts';
import { createProviderRoutes } from './routes.ts';
import { createSignAccessToken } from './sign-jwt.ts';
import type { SigningKeys } from './signing-keys.ts';
import { createFindAskedTables } from './table-consent.ts';
import { createJwtVerifier } from './verify-jwt.ts';

export interface ProviderDeps {
  readonly issuer: string;
  readonly storage: Storage;
  readonly directory: Directory;
  readonly users: Users;
  readonly registry: Registry;
  readonly refreshTokens: RefreshTokens;
  readonly signingKeys: SigningKeys;
  readonly signingMode: SigningMode;
  readonly fastLane: boolean;
  readonly clientSecrets: SecretKeys;
  readonly cookieKeys: () => readonly string[];
  readonly secretLimits: SecretLimits;
  /** Seconds. */
  readonly lifetimes: { readonly login: number; readonly userinfoToken: number; readonly session: number };
  readonly pages: ConfigurationDeps['pages'];
  readonly form: InspectionDeps['form'];
  /** Milliseconds. */
  readonly now: () => number;
}

export interface ProviderParts {
  readonly engine: Engine;
  /** For the pages that serve them. */
  readonly interactions: Interactions;
  readonly routes: Middleware;
  /** To be called when the published keys or the cookie keys changed. */
  keysChanged(): void;
}

/** What the engine wants to see of a token at userinfo. */
function createFindAccessToken({ registry }: ProviderDeps) {
  return async (value: string): Promise<AdapterPayload | undefined> => {
    const row = await registry.find('opaque', value);
    const openid = row?.engine as OpenIdFacts | undefined;
    if (!row || !openid) return undefined;
    return {
      kind: 'AccessToken',
      format: 'opaque',
      jti: value,
      iat: row.issuedAt,
      exp: row.expiresAt,
      accountId: row.subject,
      clientId: row.clientId,
      grantId: openid.grantId,
      scope: row.scope,
      ...(row.resource !== undefined && { aud: row.resource }),
      ...(openid.claims && { claims: openid.claims }),
    } as AdapterPayload;
  };
}

export function createProviderParts(deps: ProviderDeps): ProviderParts {
  const { storage, directory, users, registry, refreshTokens, signingKeys, issuer, now } = deps;
  const { audit, logins } = storage;
  const grants = createGrants({ registry, logins, refreshTokens, users, audit, now });
  const issue = createIssue({
    issuer,
    registry,
    logins,
    refreshTokens,
    sign: createSignAccessToken({ signingKeys, mode: deps.signingMode }),
    lifetimes: deps.lifetimes,
    now,
  });
  const adapter = createOidcAdapter({
    artifacts: storage.artifacts,
    now,
    async findClient(clientId) {
      const client = await (await directory.view()).findApplication(clientId);
      return client && (toClientMetadata(client.application, grants) as AdapterPayload);
    },
    findAccessToken: createFindAccessToken(deps),
    endGrant: (grantId) => registry.mark(grantNode(grantId), { revokedAt: now() }),
  });
  const findAskedTables = createFindAskedTables({ directory, users });
  const engine = createEngine({
    configuration: () => ({
      issuer,
      directory,
      users,
      async findGrantedResource(refreshToken) {
        const id = refreshTokens.loginOf(refreshToken);
        return id === undefined ? undefined : (await logins.find(id, now()))?.resource;
      },
      adapter,
      cookieKeys: deps.cookieKeys(),
      policy: () => createLoginPolicy({ registry, directory, findAskedTables }),
      lifetimes: { session: deps.lifetimes.session, grant: deps.lifetimes.login },
      pages: deps.pages,
      now,
    }),
    grants,
    grantDeps: { directory, issue },
    signingKeys,
    signingMode: deps.signingMode,
    directory,
    clientSecrets: deps.clientSecrets,
    secretLimits: deps.secretLimits,
  });
  const jwtVerifier = createJwtVerifier({ issuer, signingKeys, now });
  const inspection: InspectionDeps = {
    issuer,
    registry,
    logins,
    refreshTokens,
    directory,
    jwtVerifier,
    audit,
    form: deps.form,
    now,
  };
  const fastLane = deps.fastLane
    ? createFastLane({
        directory,
        clientSecrets: deps.clientSecrets,
        secretLimits: deps.secretLimits,
        grants,
        grantDeps: { directory, issue },
        inspection,
      })
    : undefined;
  return {
    engine,
    interactions: createInteractions({ provider: engine.provider, findAskedTables }),
    routes: createProviderRoutes({ engine, inspection, ...(fastLane && { fastLane }) }),
    keysChanged() {
      jwtVerifier.forget();
      engine.rebuild();
    },
  };
}
