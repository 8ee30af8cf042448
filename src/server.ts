/**
 * `createServer(config)` puts all parts together. It reads like a table of contents and contains no rules.
 */
import { join } from 'node:path';
import type { Operation } from './admin/operations/operation.ts';
import { findInsecureSettings } from './apply/insecure-settings.ts';
import { storeCreatorIds } from './changes/earlier-plugins.ts';
import type { Config } from './config/config.ts';
import { createIsListedOrigin } from './directory/listed-origins.ts';
import { BROWSER_PATHS, isBrowserPath } from './endpoints/client-origins.ts';
import type { Face } from './faces/face.ts';
import { logAnswered } from './http/access-log.ts';
import { createApp } from './http/app.ts';
import { createDirectLane } from './http/direct.ts';
import { type Listening, listen } from './http/listen.ts';
import { createLogger } from './http/log.ts';
import { createMetrics, type Workers } from './http/metrics.ts';
import { createReadFacts } from './http/request-facts.ts';
import { createViews } from './http/views.ts';
import { REQUIRED_VIEWS } from './interaction/index.ts';
import { JWKS_CACHE_SECONDS } from './keys/key-plan.ts';
import type { Engine } from './provider/engine.ts';
import { pathsFor } from './provider/paths.ts';
import { startBackground } from './server/background.ts';
import type { EmbeddedServer, EmbeddingOptions } from './server/embedding.ts';
import { createEnding } from './server/ending.ts';
import { EMPTY_STORE, fillDirectory } from './server/fill-directory.ts';
import { type Foundations, openFoundations } from './server/foundations.ts';
import { whenStoreIsThere } from './server/open-storage.ts';
import { packageFolder } from './server/package-folder.ts';
import { findMissing } from './server/readiness.ts';
import { createRoutes, type TokenEndpoint } from './server/routes.ts';
import { createServices } from './server/services.ts';
import type { TokenService } from './tokens/service.ts';

/**
 * Milliseconds beyond the time of the requests: for work that is under way, and for all. Below what `cli/workers.ts` gives
 * each process.
 */
const WORK_MS = 500;
const ALL_MS = 1_500;

export interface GrantableServer extends EmbeddedServer {
  readonly foundations: Foundations;
  /** The engine that answers at this moment. */
  readonly provider: Engine['provider'];
  readonly tokens: TokenService;
}

export interface ServerOptions extends EmbeddingOptions {
  readonly tokenEndpoint?: TokenEndpoint;
  /** `false`: Koa answers all requests, in tests that compare. */
  readonly directLane?: boolean;
  /** Older token APIs beside the built-in ones. */
  readonly faces?: readonly Face[];
  /** What the administration API does beside the built-in operations. */
  readonly operations?: readonly Operation[];
  /** Other processes answer on the address already: this one takes its share when it can answer too. */
  readonly joinsOthers?: boolean;
  readonly workers?: Workers;
  /** A person reads what is printed: there is a link for the first administrator, except in production. */
  readonly onTerminal?: boolean;
  /** Called once, when everything is loaded. */
  readonly beforeAnswering?: () => Promise<void>;
  /** Bytes of memory at most: for introspection answers, for decisions, and for marks of nodes, each. */
  readonly cacheBytes?: number;
}

/**
 * Takes the address, opens the store, fills an empty one, and serves. Waits for a database that is away.
 * @param config from `loadConfig` with `readApplyFile: loadApplyFile`
 * @throws CannotListen, CannotOpenStore, NewerDatabase, WrongMasterKey, ApplyRefused: nothing was started
 */
export async function createServer(config: Config, options: ServerOptions = {}): Promise<GrantableServer> {
  const { now = Date.now, tokenEndpoint, workers, signal, cacheBytes } = options;
  const log = options.log ?? createLogger({ level: config.logLevel });
  const warn = (warnings: readonly string[]): void => {
    for (const warning of warnings) log.warn(warning);
  };
  warn(config.warnings);
  await using unfinished = new AsyncDisposableStack();
  const ending = createEnding(log);

  const takeAddress = async (): Promise<Listening> => {
    const taken = await listen({
      host: config.host,
      port: config.port,
      trustedProxies: config.trustedProxies,
      onError: (error) => log.error({ err: error }, 'a connection could not be accepted'),
    });
    unfinished.defer(async () => void (await taken.stop(0)));
    return taken;
  };
  const early = options.joinsOthers ? undefined : await takeAddress();

  const whenThere = <T>(work: () => Promise<T>): Promise<T> =>
    whenStoreIsThere(config, work, {
      signal,
      onAway: ({ message }) => log.warn({ reason: message }, 'the store is away: trying again'),
    });
  const foundations = await whenThere(() => openFoundations(config, now, cacheBytes));
  unfinished.defer(ending.part('the store and the databases', ALL_MS, foundations.close));
  const { storage, directory } = foundations;
  warn(storage.warnings);

  await whenThere(() => storeCreatorIds({ ...foundations, now }));
  const started = await fillDirectory(foundations, whenThere, options.onTerminal);
  if (started.isEmpty) log.warn(EMPTY_STORE);
  warn(await whenThere(() => findInsecureSettings(storage.directory)));
  await whenThere(() => foundations.followSigningAlgs());

  const viewFolders = [join(config.dataDir, 'views'), packageFolder('views')];
  const views = createViews({ folders: viewFolders, required: ['layout', 'error', ...REQUIRED_VIEWS] });
  const services = createServices(foundations, views, log);
  const endMails = ending.part('mails', WORK_MS, services.accountMails.settle);
  unfinished.defer(endMails);
  const { provider } = services;

  let keySetVersion = 0;
  let stopping = false;
  const metrics = createMetrics({
    hashesWaiting: foundations.hashQueue.waiting,
    collect: workers?.collectFromAll,
  });
  workers?.countWhenAsked(metrics.count);
  const { endpoints, directEndpoints, api, routes, faces } = await createRoutes(services, {
    views,
    tokenEndpoint,
    faces: options.faces,
    operations: options.operations,
  });
  const shell = {
    issuer: config.issuer,
    hosts: config.hosts,
    isFacePath: faces.hasPath,
    readFacts: createReadFacts(config.trustedProxies),
    log,
  };
  const app = createApp({
    ...foundations,
    ...shell,
    views,
    assetFolders: viewFolders,
    health: {
      findMissing: () => findMissing(foundations),
      isStopping: () => stopping,
      metrics,
      metricsToken: config.metricsToken,
    },
    documents: {
      paths: pathsFor('all'),
      version: async () => `${keySetVersion}/${(await directory.view()).revision}`,
      maxAge: JWKS_CACHE_SECONDS,
    },
    cors: { isPagePath: isBrowserPath, isListed: createIsListedOrigin(directory) },
    endpoints,
    api,
    routes,
  });

  const background = startBackground(foundations, {
    keysChanged() {
      keySetVersion += 1;
      provider.keysChanged();
    },
    log: (error, what) => log.error({ err: error }, what),
  });
  const endBackground = ending.part('work in the background', WORK_MS, background.stop);
  unfinished.defer(endBackground);

  const listening = early ?? (await takeAddress());
  const koa = app.callback();
  const { directLane = true } = options;
  await options.beforeAnswering?.();
  listening.serve(
    directLane
      ? createDirectLane({
          ...shell,
          endpoints: directEndpoints,
          pagePaths: BROWSER_PATHS,
          snapshot: storage.snapshot,
          metrics,
          koa,
        })
      : koa,
  );
  log.info({ issuer: config.issuer, port: listening.port, storage: storage.description }, 'ready');

  const parts = unfinished.move();
  async function stop(): Promise<void> {
    stopping = true;
    services.feed.close();
    ending.begin(config.shutdownSeconds);
    const endRequests = async (): Promise<number> => {
      const cut = await listening.stop(config.shutdownSeconds);
      await endMails();
      return cut;
    };
    // Beside the requests, which have the same time.
    const [cut] = await Promise.all([endRequests(), endBackground()]);
    if (cut > 0) log.error({ requests: cut }, 'requests were cut off: they took too long');
    await parts.disposeAsync();
    if (ending.isWhole() && cut === 0) log.info({ port: listening.port }, 'stopped');
    else log.error({ port: listening.port }, 'stopped, but not all was brought to its end');
  }
  let stopped: Promise<void> | undefined;
  return {
    issuer: config.issuer,
    port: listening.port,
    foundations,
    started,
    provider: provider.engine.provider,
    tokens: services.tokenService,
    ...faces.calls((answered) => {
      metrics.countAnswered(answered);
      logAnswered(log, answered);
    }),
    stop: () => (stopped ??= stop()),
  };
}
