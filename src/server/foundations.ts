/**
 * Wiring: how the parts of the server are made and connected. It serves no routes.
 *
 * This file: what the server and every command use: the open store, the vault, the signing keys, the directory, the registry, and
 * the services over them. The result is passed on whole; each part names the members that it uses. Nothing here listens
 * or has rules of its own.
 */
import { join } from 'node:path';
import { createAdministrators } from '../accounts/administrators.ts';
import { createAuthenticateUser } from '../accounts/authenticate-user.ts';
import { createFirstAdministrator } from '../accounts/first-administrator.ts';
import { createHashQueue } from '../accounts/hash-queue.ts';
import { createOneTimeTokens } from '../accounts/one-time-tokens.ts';
import { createPasswords } from '../accounts/passwords.ts';
import { createWebhookOperations } from '../admin/webhooks.ts';
import { createAgents } from '../agents/agents.ts';
import { createDocuments, MAX_DOCUMENT } from '../agents/documents.ts';
import { createInitialTokens } from '../agents/initial-tokens.ts';
import { createUnusedAgents } from '../agents/unused.ts';
import type { Apply } from '../apply/apply.ts';
import { createChanges } from '../changes/changes.ts';
import { createRecorded } from '../changes/recorded.ts';
import { createRevocations } from '../changes/revocations.ts';
import { createAuthenticateClient } from '../clients/authentication.ts';
import { createRecordRefused } from '../clients/refused-requests.ts';
import { createSecretUses } from '../clients/secret-uses.ts';
import { createApplicationSecrets } from '../clients/secrets.ts';
import type { Config } from '../config/load.ts';
import { options } from '../config/options.ts';
import { createConnections } from '../connections/connections.ts';
import { createExchangeLimit } from '../connections/exchange-limit.ts';
import { createConnectionUses } from '../connections/uses.ts';
import { createAllowedHosts } from '../datasources/addresses.ts';
import { createCredentials } from '../datasources/credentials.ts';
import { createDatasources } from '../datasources/datasources.ts';
import { createDatabaseLogins } from '../datasources/logins.ts';
import { createIsPasswordCurrent } from '../datasources/password-changes.ts';
import { withBuiltIns } from '../directory/built-ins.ts';
import { createDirectory } from '../directory/directory.ts';
import type { FaceRules } from '../directory/face-rules.ts';
import { createUsers } from '../directory/users.ts';
import { builtInFaces } from '../faces/index.ts';
import { addressKey, customerKey, networksOf } from '../http/address-key.ts';
import { createThrottle } from '../http/throttle.ts';
import { createSignJwt } from '../keys/sign-jwt.ts';
import { fittingSigningMode } from '../keys/signatures.ts';
import { loadSigningKeys } from '../keys/signing-keys.ts';
import { createJwtVerifier } from '../keys/verify-jwt.ts';
import { MANAGEMENT_ID } from '../nouns/names.ts';
import { createGetJson } from '../outgoing/get-json.ts';
import { createTargets } from '../outgoing/targets.ts';
import { createNodeMarks } from '../registry/node-marks.ts';
import { createRefreshJwts } from '../registry/refresh-jwt.ts';
import { createRefreshTokens } from '../registry/refresh-tokens.ts';
import { createRegistry } from '../registry/registry.ts';
import { createCurrentRights } from '../rights/current-rights.ts';
import type { Storage } from '../storage/contract.ts';
import { createRefusals } from '../storage/refusals.ts';
import { openVault } from '../storage/vault.ts';
import { LONGEST_LOGIN, LONGEST_TOKEN } from '../tokens/expiry.ts';
import { createHoldings } from '../tokens/holdings.ts';
import { createPresentedTokens } from '../tokens/presented-tokens.ts';
import { createRememberedConsents } from '../tokens/remembered-consents.ts';
import { createEvents, withEvents } from '../webhooks/events.ts';
import { createWebhookSecrets } from '../webhooks/secrets.ts';
import { connectorKinds } from './open-datasources.ts';
import { openStorage } from './open-storage.ts';

export type Foundations = Awaited<ReturnType<typeof openFoundations>>;

/** Seconds that a browser session lasts. */
const SESSION_LIFETIME = 14 * 86_400;

type Now = () => number;

/** The store, and its parts under the names by which others use them. */
function openStore(config: Config, opened: Storage, now: Now) {
  const faceRules: readonly FaceRules[] = builtInFaces;
  const storage = { ...opened, directory: withBuiltIns(opened.directory, config.issuer) };
  const { directory: store, artifacts, outbox, logins, nodes } = storage;
  const directory = createDirectory({ store, faceRules, now });
  const events = createEvents({ outbox, directory, serverOrganization: MANAGEMENT_ID, now });
  return {
    config,
    issuer: config.issuer,
    now,
    storage,
    store,
    artifacts,
    outbox,
    logins,
    nodes,
    faceRules,
    directory,
    audit: withEvents(storage.audit, events),
    recorded: createRecorded({ events, audit: storage.audit, now }),
  };
}

async function openKeys({ config, storage, now }: ReturnType<typeof openStore>) {
  const { keys } = storage;
  const vault = await openVault({ keys, masterKey: config.masterKey, now });
  const [cookies, clientSecrets, passwordKeys, refreshKeys, formKeys, markKeys, refreshJwtKeys] =
    await Promise.all([
      vault.ring('cookies'),
      vault.ring('clientSecrets'),
      vault.ring('passwords'),
      vault.ring('refresh'),
      vault.ring('forms'),
      vault.ring('marks'),
      vault.ring('refreshJwts'),
    ]);
  const signingKeys = await loadSigningKeys({ keys, vault, now });
  const signingMode = config.signing === 'auto' ? fittingSigningMode() : config.signing;
  return {
    vault,
    cookieKeys: () => cookies.all().map(({ key }) => key.toString('base64url')),
    clientSecrets,
    passwordKeys,
    refreshKeys,
    formKeys,
    markKeys,
    refreshJwtKeys,
    signingKeys,
    signingMode,
    webhookSecrets: createWebhookSecrets(vault),
    sign: createSignJwt(signingKeys, signingMode),
  };
}

type Opened = ReturnType<typeof openStore> &
  Awaited<ReturnType<typeof openKeys>> & { readonly cacheBytes: number };

/** People and clients: reading them, their passwords and secrets, and limits for those who guess them. */
function createAccounts(opened: Opened) {
  const { config, storage, now } = opened;
  const hashQueue = createHashQueue({
    limit: config.hashQueue,
    // Not the wall clock, which may be adjusted while a hash is made.
    now: () => performance.now(),
    networksOf,
  });
  const passwords = createPasswords({
    queue: hashQueue,
    cost: config.bcryptCost,
    secrets: opened.passwordKeys,
  });
  const throttle = createThrottle({ counters: storage.counters, limits: config.throttle, now });
  const users = createUsers(opened.store);
  const authenticateUser = createAuthenticateUser({ ...opened, users, passwords, limits: throttle });
  const refusals = createRefusals({ ...opened, toKey: customerKey });
  const secretUses = createSecretUses(opened);
  return {
    hashQueue,
    passwords,
    throttle,
    users,
    world: { ...opened.store, faceRules: opened.faceRules },
    authenticateUser,
    refusals,
    recordRefused: createRecordRefused({ refusals, now }),
    secretUses,
    authenticateClient: createAuthenticateClient({ ...opened, secretUses, limits: throttle }),
  };
}

/** Databases of the operator. */
function createDatabases(opened: Opened & ReturnType<typeof createAccounts>) {
  const { config, vault, throttle, hashQueue } = opened;
  const credentials = createCredentials(vault);
  const datasources = createDatasources({
    kinds: connectorKinds,
    credentials,
    allowed: createAllowedHosts(config.datasourceHosts),
    folder: join(config.dataDir, 'datasources'),
  });
  const databaseLogins = createDatabaseLogins({
    datasources,
    credentials,
    limits: throttle,
    queue: hashQueue,
    hashCosts: config.hashCosts,
    markKeys: opened.markKeys,
  });
  const webhookTargets = createTargets({ listed: config.webhookHosts, option: options.webhookHosts.name });
  return { credentials, datasources, databaseLogins, webhookTargets };
}

/** What agents say about themselves, at URLs that strangers name. */
function createAgentDocuments({
  config,
  artifacts,
  throttle,
  now,
}: Opened & ReturnType<typeof createAccounts>) {
  const agentTargets = createTargets({ listed: config.agentHosts, option: options.agentHosts.name });
  const getJson = createGetJson({ targets: agentTargets, maxBytes: MAX_DOCUMENT, now });
  const limit = throttle.agentDocument;
  return { agentTargets, agentDocuments: createDocuments({ artifacts, getJson, limit, now }) };
}

type Known = Opened &
  ReturnType<typeof createAccounts> &
  ReturnType<typeof createDatabases> &
  ReturnType<typeof createAgentDocuments>;

/** What was given out, and whether it is still good. */
function createRegistryParts(known: Known) {
  const { config, issuer, store, directory, users, signingKeys, refreshKeys, now } = known;
  /** Seconds that anything issued here may live at most. */
  const longestLifetime = Math.max(config.ttl.login, LONGEST_TOKEN);
  const currentRights = createCurrentRights({ directory, users, connections: store.connections, now });
  const marks = createNodeMarks(known.storage.nodes, known.cacheBytes);
  const registry = createRegistry({
    ...known,
    marks,
    longestLifetime,
    longestLogin: LONGEST_LOGIN,
    recompute: currentRights.recompute,
    isPasswordCurrent: createIsPasswordCurrent({ directory, logins: known.databaseLogins, now }),
  });
  const refreshTokens = createRefreshTokens(() => refreshKeys.all().map(({ key }) => key));
  const refreshJwts = createRefreshJwts({ issuer, keys: known.refreshJwtKeys, now });
  const jwtVerifier = createJwtVerifier({ issuer, signingKeys, directory, now });
  const revocations = createRevocations({ ...known, registry });
  const consents = createRememberedConsents({ ...known, registry });
  return {
    longestLifetime,
    lifetimes: { login: config.ttl.login, userinfoToken: config.ttl.accessToken, session: SESSION_LIFETIME },
    currentRights,
    marks,
    registry,
    revocations,
    refreshTokens,
    refreshJwts,
    presentedTokens: createPresentedTokens({ ...known, registry, refreshTokens, refreshJwts, jwtVerifier }),
    consents,
    holdings: createHoldings({ ...known, consents, revocations }),
  };
}

/** Writing to the directory. */
function createAdministration(known: Known & ReturnType<typeof createRegistryParts>) {
  const { config, storage, store, artifacts, now } = known;
  /** Every write to the directory goes through it. */
  const changes = createChanges(known);
  const administrators = createAdministrators({ ...known, changes });
  return {
    changes,
    agents: createAgents({ store, changes, documents: known.agentDocuments }),
    administrators,
    unusedAgents: createUnusedAgents({ storage, changes, now }),
    firstAdministrator: createFirstAdministrator({
      ...known,
      administrators,
      tokens: createOneTimeTokens({ artifacts, now }),
    }),
    connections: createConnections({
      ...known,
      tokens: storage.tokens,
      changes,
      uses: createConnectionUses({ artifacts, toKey: addressKey, now }),
    }),
    applicationSecrets: createApplicationSecrets({ ...known, changes }),
    initialTokens: createInitialTokens({ ...known, counters: storage.counters, nodes: storage.nodes }),
    webhooks: createWebhookOperations({ ...known, changes }),
    exchangeLimit: createExchangeLimit({
      trades: config.throttle.exchange,
      living: { connection: config.livingLimit, user: config.pairLimit },
      countLiving: { connection: storage.tokens.countOf, user: storage.logins.countOf },
      now,
    }),
    /** Loaded when it is first used: most starts apply no file. */
    async apply(...args: Parameters<Apply>): ReturnType<Apply> {
      const { createApply } = await import('../apply/apply.ts');
      const apply = createApply({
        ...known,
        changes,
        dataDir: config.dataDir,
        accessTokenTtl: config.ttl.accessToken,
        hosts: config.hosts,
        registration: !config.production,
      });
      return apply(...args);
    },
  };
}

async function putTogether(config: Config, storage: Storage, now: Now, cacheBytes: number) {
  const stored = openStore(config, storage, now);
  const opened = { ...stored, cacheBytes, ...(await openKeys(stored)) };
  const accounts = { ...opened, ...createAccounts(opened) };
  const known = { ...accounts, ...createDatabases(accounts), ...createAgentDocuments(accounts) };
  const registered = { ...known, ...createRegistryParts(known) };
  const { directory, signingKeys, datasources, refusals, secretUses, longestLifetime } = registered;
  /** Each is closed although another one fails, and the store last. None waits for a database that hangs. */
  async function close(): Promise<void> {
    await using last = new AsyncDisposableStack();
    last.defer(() => storage.close());
    const parts = [refusals.settle(), secretUses.settle(), datasources.close()];
    await Promise.allSettled(parts);
    await Promise.all(parts);
  }
  return {
    ...registered,
    ...createAdministration(registered),
    /**
     * Makes and retires signing keys as the directory names algorithms; true if the published or the signing keys
     * changed.
     */
    async followSigningAlgs(): Promise<boolean> {
      const { named } = await (await directory.view()).algChoices();
      return signingKeys.follow(named, longestLifetime);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Bytes of memory at most: for introspection answers, for decisions, and for marks of nodes, each. */
const CACHE_BYTES = 8_000_000;

/**
 * Takes the time (milliseconds since the epoch) from `now`, which tests inject.
 * @param cacheBytes less keeps less in memory between requests; 0 keeps nothing of these
 * @throws CannotOpenStore, NewerDatabase, WrongMasterKey, MissingMasterKey: each one clear sentence
 */
export async function openFoundations(config: Config, now: Now = Date.now, cacheBytes = CACHE_BYTES) {
  const storage = await openStorage(config);
  await using unfinished = new AsyncDisposableStack();
  unfinished.defer(() => storage.close());
  const foundations = await putTogether(config, storage, now, cacheBytes);
  unfinished.move();
  return foundations;
}
