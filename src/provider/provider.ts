/** Puts the provider together: grants into the engine, the engine over the store, our endpoints around it. */

import type { Middleware } from 'koa';
import { type AdapterPayload, Provider } from 'oidc-provider';
import type { Connections } from '../connections/connections.ts';
import type { ExchangeLimit } from '../connections/exchange-limit.ts';
import type { DatabaseLogins } from '../datasources/logins.ts';
import type { SecretKeys } from '../directory/client-secrets.ts';
import type { Directory } from '../directory/directory.ts';
import { createEndings } from '../directory/endings.ts';
import type { Users } from '../directory/users.ts';
import type { ConnectDeps } from '../grants/connect.ts';
import type { OpenIdFacts } from '../grants/engine-handle.ts';
import { createGrants } from '../grants/index.ts';
import { createIssue } from '../grants/issue.ts';
import { createRememberedConsents } from '../grants/remembered-consents.ts';
import { createSubjectTokens, type SubjectTokens } from '../grants/subject-token.ts';
import { createUnanswered } from '../grants/unanswered.ts';
import type { SigningKeys } from '../keys/signing-keys.ts';
import { createFeed, type Feed } from '../registry/feed.ts';
import { logoutNode } from '../registry/nodes.ts';
import type { RefreshJwts } from '../registry/refresh-jwt.ts';
import type { Registry } from '../registry/registry.ts';
import type { RefreshTokens } from '../registry/secrets.ts';
import type { Storage } from '../storage/contract.ts';
import { createOidcAdapter } from '../storage/oidc-adapter.ts';
import type { Refusals } from '../storage/refusals.ts';
import { toSeconds } from '../storage/rows.ts';
import { idTokenAlgs } from '../storage/signing-algs.ts';
import type { Tokens } from '../tokens/identify.ts';
import { createIntrospect } from '../tokens/introspection.ts';
import { createRevoke } from '../tokens/revocation.ts';
import { createFindLeft, createLeaveOutForPerson } from './authorization-request.ts';
import { type SecretLimits, toClientMetadata } from './clients.ts';
import { type Codes, createCodes } from './codes.ts';
import type { EngineDeps as ConfigurationDeps } from './configuration.ts';
import { createEngine, type Engine } from './engine.ts';
import { createLoadExistingGrant } from './existing-grant.ts';
import type { SigningMode } from './external-key.ts';
import { createFastLane } from './fast-lane.ts';
import type { InspectionDeps } from './inspection.ts';
import { createInteractions, type Interactions } from './interactions.ts';
import { createLoginPolicy } from './login-policy.ts';
import { createRevocationFeed } from './revocation-feed.ts';
import { createProviderRoutes } from './routes.ts';
import { createSignJwt } from './sign-jwt.ts';
import { createFindAskedTables } from './table-consent.ts';

export interface ProviderDeps {
  readonly issuer: string;
  readonly storage: Storage;
  readonly refusals: Pick<Refusals, 'append'>;
  readonly directory: Directory;
  readonly users: Users;
  readonly databaseLogins: DatabaseLogins;
  readonly connections: Connections;
  readonly exchangeLimit: ExchangeLimit;
  readonly connect: ConnectDeps;
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly refreshTokens: RefreshTokens;
  readonly refreshJwts: RefreshJwts;
  readonly signingKeys: SigningKeys;
  readonly signingMode: SigningMode;
  readonly fastLane: boolean;
  /** Seconds that anything issued here may live at most. */
  readonly longestLifetime: number;
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
  /** For doors that are no browser's. */
  readonly codes: Codes;
  readonly routes: Middleware;
  /** To be closed before the server stops. */
  readonly feed: Pick<Feed, 'close'>;
  /** To be called when the published keys or the cookie keys changed. */
  keysChanged(): void;
}

/**
 * The token as the engine needs it at userinfo. It serves every token of a login, also one for a resource, which the
 * engine would refuse if it knew the audience.
 */
function createFindForUserinfo({ findAccessToken }: Tokens) {
  return async (value: string): Promise<AdapterPayload | undefined> => {
    const row = await findAccessToken(value);
    const openid = row?.engine as OpenIdFacts | undefined;
    if (!row || !openid) return undefined;
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
      ...(openid.claims && { claims: openid.claims }),
    } as AdapterPayload;
  };
}

/** What the engine holds the details of a request against where the request names no resource. */
function createFindGrantedResource(
  { tokens, storage, directory, now }: ProviderDeps,
  subjectTokens: SubjectTokens,
): ConfigurationDeps['findGrantedResource'] {
  return async (ctx) => {
    const {
      refresh_token: refreshToken,
      subject_token: value,
      subject_token_type: type,
    } = ctx.oidc.params ?? {};
    if (typeof refreshToken === 'string') {
      const presented = await tokens.identify(refreshToken);
      if (presented.kind !== 'refresh token') return undefined;
      return (await storage.logins.find(presented.login, now()))?.resource;
    }
    if (typeof value !== 'string' || typeof type !== 'string') return undefined;
    const { view } = await directory.viewFor(ctx.req);
    const address = String(ctx.state.address);
    // What is wrong with it is the grant's to say.
    const token = await subjectTokens.find(value, type, { view, address }).catch(() => undefined);
    return token?.resource;
  };
}

export function createProviderParts(deps: ProviderDeps): ProviderParts {
  const {
    storage,
    directory,
    users,
    registry,
    tokens,
    refreshTokens,
    refreshJwts,
    signingKeys,
    issuer,
    now,
  } = deps;
  const { audit, logins } = storage;
  const subjectTokens = createSubjectTokens({ tokens, connections: deps.connections });
  const consents = createRememberedConsents({ artifacts: storage.artifacts, directory, registry, now });
  const grants = createGrants({
    registry,
    logins,
    unanswered: createUnanswered({ counters: storage.counters, now }),
    refreshTokens,
    tokens,
    users,
    databaseLogins: deps.databaseLogins,
    subjectTokens,
    limit: deps.exchangeLimit,
    connect: deps.connect,
    consents,
    audit,
    lifetimes: deps.lifetimes,
    now,
  });
  const sign = createSignJwt({ signingKeys, mode: deps.signingMode });
  const issue = createIssue({
    issuer,
    registry,
    logins,
    refreshTokens,
    refreshJwts,
    sign,
    lifetimes: deps.lifetimes,
    now,
  });
  const adapter = createOidcAdapter({
    artifacts: storage.artifacts,
    now,
    async findClient(clientId) {
      const { ctx } = Provider;
      const view = ctx ? (await directory.viewFor(ctx.req)).view : await directory.view();
      const client = await view.findApplication(clientId);
      if (!client) return undefined;
      const { application } = client;
      const { alg } = signingKeys.active(...idTokenAlgs(application));
      return toClientMetadata(application, grants, alg) as AdapterPayload;
    },
    findAccessToken: createFindForUserinfo(tokens),
    endSessionOf: (grantId) => registry.markBriefly(logoutNode(grantId), { revokedAt: now() }),
  });
  const findAskedTables = createFindAskedTables({ directory, users });
  const findLeft = createFindLeft({ directory, users });
  const grantDeps = { users, issue };
  const engine = createEngine({
    configuration: () => ({
      issuer,
      directory,
      users,
      findGrantedResource: createFindGrantedResource(deps, subjectTokens),
      adapter,
      cookieKeys: deps.cookieKeys(),
      policy: () =>
        createLoginPolicy({
          registry,
          directory,
          findAskedTables,
          leaveOutForPerson: createLeaveOutForPerson(findLeft),
        }),
      loadExistingGrant: createLoadExistingGrant({ directory, users, consents, findAskedTables, findLeft }),
      lifetimes: { session: deps.lifetimes.session, grant: deps.lifetimes.login },
      pages: deps.pages,
    }),
    grants,
    grantDeps,
    signingKeys,
    signingMode: deps.signingMode,
    directory,
    clientSecrets: deps.clientSecrets,
    secretLimits: deps.secretLimits,
    now,
  });
  const inspection: InspectionDeps = {
    issuer,
    directory,
    introspect: createIntrospect(tokens, issuer),
    revoke: createRevoke({
      tokens,
      registry,
      logins,
      connections: deps.connections,
      endings: createEndings({ registry, audit, now }),
      now,
    }),
    refusals: deps.refusals,
    form: deps.form,
    now,
  };
  const fastLane = deps.fastLane
    ? createFastLane({
        directory,
        clientSecrets: deps.clientSecrets,
        secretLimits: deps.secretLimits,
        grants,
        grantDeps,
        inspection,
      })
    : undefined;
  const feed = createFeed({ nodes: storage.nodes, longestLifetime: deps.longestLifetime, now });
  const revocations = createRevocationFeed({
    inspection,
    feed,
    sign,
  });
  return {
    engine,
    interactions: createInteractions({ provider: engine.provider, findAskedTables, consents }),
    codes: createCodes({ provider: engine.provider, directory, audit, now }),
    routes: createProviderRoutes({
      engine,
      inspection,
      revocations,
      signingKeys,
      ...(fastLane && { fastLane }),
    }),
    feed,
    keysChanged() {
      tokens.keysChanged();
      engine.rebuild();
    },
  };
}
