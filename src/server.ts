/**
 * `createServer(config)` puts all parts together. It reads like a table of contents and contains no rules.
 */
import { join } from 'node:path';
import type { Middleware } from 'koa';
import { findConcessions } from './admin/concessions.ts';
import { connectDemo, createDemo } from './admin/demo.ts';
import { createAuthenticateClient } from './clients/authentication.ts';
import { createRecordRefused } from './clients/refused-requests.ts';
import { parseApplyFile } from './config/apply-file.ts';
import type { Config } from './config/config.ts';
import { createDomains } from './connections/domains.ts';
import { createIsListedOrigin } from './directory/listed-origins.ts';
import type { EmbeddedServer, EmbeddingOptions } from './embedding.ts';
import { BROWSER_PATHS } from './endpoints/client-origins.ts';
import { createEndpoints, type Handler } from './endpoints/index.ts';
import type { Requests } from './endpoints/requests.ts';
import { createFaces } from './faces/index.ts';
import { createRememberedConsents } from './grants/remembered-consents.ts';
import { createApp } from './http/app.ts';
import { findForm, readText, replaceForm } from './http/body.ts';
import { type Listening, listen } from './http/listen.ts';
import { createLogger } from './http/log.ts';
import { type Counts, createMetrics } from './http/metrics.ts';
import { createViews } from './http/views.ts';
import {
  createInteractionRoutes,
  createPages,
  createPostedRequests,
  REQUIRED_VIEWS,
} from './interaction/index.ts';
import { JWKS_CACHE_SECONDS } from './keys/key-plan.ts';
import { createSignJwt } from './keys/sign-jwt.ts';
import { fittingSigningMode } from './keys/signatures.ts';
import type { Engine } from './provider/engine.ts';
import { createEngineHandle } from './provider/engine-handle.ts';
import { METADATA_PATHS, PATHS } from './provider/paths.ts';
import { createProviderParts } from './provider/provider.ts';
import { createFeed } from './registry/feed.ts';
import { startBackground } from './server/background.ts';
import { type Foundations, openFoundations } from './server/foundations.ts';
import { whenStoreIsThere } from './server/open-storage.ts';
import { packageFolder } from './server/package-folder.ts';
import { createSelfAdministration } from './server/self-administration.ts';
import { createSystem } from './system.ts';
import { createTokenService, type TokenService } from './tokens/service.ts';

/** Seconds that a browser session lasts. */
const SESSION_LIFETIME = 14 * 86_400;

export interface GrantableServer extends EmbeddedServer {
  readonly foundations: Foundations;
  /** The engine that answers now. */
  readonly provider: Engine['provider'];
  readonly tokens: TokenService;
}

export interface ServerOptions extends EmbeddingOptions {
  /** Tests hold our token endpoint to the engine's own, and put that one here. */
  readonly tokenEndpoint?: (requests: Requests, engine: Middleware, issuer: string) => Handler;
  /** Others answer on the address already: this one takes its share when it can answer too. */
  readonly joinsOthers?: boolean;
  /** Where several processes serve together: how their counts come together. */
  readonly workers?: {
    /** Told how this process counts. */
    countWhenAsked(count: () => Promise<Counts>): void;
    collectFromAll(own: () => Promise<Counts>): Promise<readonly Counts[]>;
  };
}

const EMPTY_STORE =
  'The store is empty: there is no organization, so no client and no person gets a token. Write an apply file ' +
  `(${join(packageFolder('docs'), 'configuration.md')} shows one) and run: grantable apply FILE. Or start with ` +
  'GRANTABLE_APPLY=FILE.';

/**
 * The apply file of the configuration, or the demo if the store is empty.
 * @param whenThere retries while the store is away
 */
async function fillDirectory(
  foundations: Foundations,
  whenThere: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<GrantableServer['started']> {
  const { config, storage, apply } = foundations;
  const { apply: file } = config;
  const applied = file && (await whenThere(() => apply(file, { comparePasswords: false })));
  const { items } = await whenThere(() => storage.directory.organizations.page({ limit: 1 }));
  const isEmpty = items.length === 0;
  if (applied || !isEmpty || !config.demo)
    return { ...(applied && { applied }), ...(isEmpty && { isEmpty }) };
  const demo = createDemo();
  await demo.prepare(config.dataDir);
  await whenThere(() => apply(parseApplyFile(demo.file, 'demo')));
  const connectionToken = await whenThere(() => connectDemo(foundations));
  return { quickstart: await demo.announce(config.issuer, config.dataDir, connectionToken) };
}

/**
 * Takes the address, opens the store, fills an empty one, and serves. Waits for a database that is away.
 * @param config from `loadConfig` with `readApplyFile`
 * @throws CannotListen, CannotOpenStore, NewerDatabase, WrongMasterKey, ApplyRefused: nothing was started
 */
export async function createServer(config: Config, options: ServerOptions = {}): Promise<GrantableServer> {
  const { now = Date.now, tokenEndpoint } = options;
  const log = options.log ?? createLogger({ level: config.logLevel });
  for (const warning of config.warnings) log.warn(warning);

  await using unfinished = new AsyncDisposableStack();
  const takeAddress = async (): Promise<Listening> => {
    const taken = await listen({
      host: config.host,
      port: config.port,
      trustedProxies: config.trustedProxies,
      onError: (error) => log.error({ err: error }, 'a connection could not be accepted'),
    });
    unfinished.defer(() => taken.stop(0));
    return taken;
  };
  const early = options.joinsOthers ? undefined : await takeAddress();
  const whenThere = <T>(work: () => Promise<T>): Promise<T> =>
    whenStoreIsThere(config, work, {
      onAway: ({ message }) => log.warn({ reason: message }, 'the store is away: trying again'),
      ...(options.signal && { signal: options.signal }),
    });
  const foundations = await whenThere(() => openFoundations(config, now));
  unfinished.defer(() => foundations.close());
  const { storage, directory, users, registry, rings, signingKeys, throttle, hashQueue } = foundations;
  for (const warning of storage.warnings) log.warn(warning);
  const started = await fillDirectory(foundations, whenThere);
  if (started.isEmpty) log.warn(EMPTY_STORE);
  for (const warning of await whenThere(() => findConcessions(storage.directory))) log.warn(warning);
  await foundations.followSigningAlgs();
  const selfAdministration = createSelfAdministration(foundations, log);
  unfinished.defer(() => selfAdministration.accountMails.settle());
  const viewFolders = [join(config.dataDir, 'views'), packageFolder('views')];
  const views = createViews({ folders: viewFolders, required: ['layout', 'error', ...REQUIRED_VIEWS] });
  const cookieKeys = () => rings.cookies.all().map(({ key }) => key.toString('base64url'));
  const lifetimes = {
    login: config.ttl.login,
    userinfoToken: config.ttl.accessToken,
    session: SESSION_LIFETIME,
  };
  const signingMode = config.signing === 'auto' ? fittingSigningMode() : config.signing;
  const sign = createSignJwt({ signingKeys, mode: signingMode });
  const recordRefused = createRecordRefused({ refusals: foundations.refusals, now });
  const authenticateClient = createAuthenticateClient({
    issuer: config.issuer,
    clientSecrets: rings.clientSecrets,
    limits: throttle,
    artifacts: storage.artifacts,
    now,
  });
  const consents = createRememberedConsents({ artifacts: storage.artifacts, directory, registry, now });
  const service = createTokenService({
    ...foundations,
    issuer: config.issuer,
    connect: {
      users,
      connections: foundations.connections,
      register: selfAdministration.register,
      domains: createDomains({
        issuer: config.issuer,
        store: storage.directory,
        changes: foundations.changes,
      }),
      limitRegistration: selfAdministration.limitRegistration,
      limitPerson: selfAdministration.limitPerson,
      removeUser: selfAdministration.removeUser,
    },
    consents,
    engine: createEngineHandle(() => provider.engine.provider()),
    sign,
    lifetimes,
  });
  const provider = createProviderParts({
    ...foundations,
    issuer: config.issuer,
    service,
    consents,
    recordRefused,
    signingMode,
    cookieKeys,
    lifetimes,
    pages: createPages({ views }),
    form: { read: findForm, replace: replaceForm },
  });
  const feed = createFeed({ nodes: storage.nodes, longestLifetime: foundations.longestLifetime, now });
  const endpoints = createEndpoints({
    issuer: config.issuer,
    directory,
    authenticateClient,
    recordRefused,
    issueToken: service.issue,
    introspect: service.introspect,
    revoke: service.revoke,
    tokenEndpoint:
      tokenEndpoint && ((requests) => tokenEndpoint(requests, provider.engine.middleware, config.issuer)),
    feed,
    sign,
    now,
  });
  const interaction = createInteractionRoutes({
    issuer: config.issuer,
    interactions: provider.interactions,
    directory,
    users,
    passwordChange: selfAdministration.passwordChange,
    limitPerson: selfAdministration.limitPerson,
    views,
    formKeys: rings.forms,
    findForm,
    audit: storage.audit,
    refusals: foundations.refusals,
    lifetimes,
    now,
  });
  const postedRequests = createPostedRequests({
    issuer: config.issuer,
    artifacts: storage.artifacts,
    findForm,
    limit: throttle.authorizationRequest,
    now,
  });

  const faces = createFaces({
    directory,
    connections: foundations.connections,
    limit: foundations.exchangeLimit,
    refreshJwts: foundations.refreshJwts,
    prefixes: config.facePrefixes,
    issuer: config.issuer,
    users,
    ...selfAdministration,
    codes: provider.codes,
    tokens: foundations.tokens,
    refusals: foundations.refusals,
    body: { read: readText },
    issueToken: service.issue,
    authenticateClient,
    recordRefused,
    now,
  });

  let keySet = 0;
  let stopping = false;
  const findMissing = async (): Promise<string[]> => {
    const store = await storage.ping().then(
      () => undefined,
      () => 'the store',
    );
    return [store, signingKeys.published().length === 0 ? 'signing keys' : undefined].filter(
      (missing) => missing !== undefined,
    );
  };
  const metrics = createMetrics({
    hashesWaiting: hashQueue.waiting,
    ...(options.workers && { collect: options.workers.collectFromAll }),
  });
  options.workers?.countWhenAsked(metrics.count);
  const app = createApp({
    issuer: config.issuer,
    hosts: config.hosts,
    trustedProxies: config.trustedProxies,
    cookieKeys,
    log,
    views,
    assetFolders: viewFolders,
    health: {
      findMissing,
      isStopping: () => stopping,
      metrics,
      metricsToken: config.metricsToken,
    },
    documents: {
      paths: [...METADATA_PATHS, PATHS.jwks],
      version: async () => `${keySet}/${(await directory.view()).revision}`,
      maxAge: JWKS_CACHE_SECONDS,
    },
    isFacePath: faces.hasPath,
    cors: { paths: BROWSER_PATHS, isListed: createIsListedOrigin(directory) },
    routes: [interaction, faces.routes, postedRequests, endpoints, provider.routes],
  });

  const background = startBackground({
    foundations,
    keysChanged() {
      keySet += 1;
      provider.keysChanged();
    },
    log: (error, what) => log.error({ err: error }, what),
  });
  unfinished.defer(() => background.stop());
  const listening = early ?? (await takeAddress());
  const handle = app.callback();
  listening.serve(handle);
  log.info({ issuer: config.issuer, port: listening.port, storage: storage.description }, 'ready');

  const parts = unfinished.move();
  return {
    issuer: config.issuer,
    port: listening.port,
    foundations,
    started,
    provider: provider.engine.provider,
    tokens: service,
    system: createSystem({ issuer: config.issuer, handle }),
    async stop() {
      stopping = true;
      feed.close();
      await listening.stop(config.shutdownSeconds);
      await parts.disposeAsync();
      log.info({ port: listening.port }, 'stopped');
    },
  };
}
