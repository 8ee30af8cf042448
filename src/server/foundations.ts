/**
 * What the server and every command stand on: the open store, the vault, the signing keys, the directory, the
 * registry. Nothing here listens or has rules of its own.
 */
import { join } from 'node:path';
import { type Apply, createApply } from '../admin/apply.ts';
import type { Config } from '../config/load.ts';
import { type Connections, createConnections } from '../connections/connections.ts';
import { createExchangeLimit, type ExchangeLimit } from '../connections/exchange-limit.ts';
import { createConnectionUses } from '../connections/uses.ts';
import { createAllowedHosts } from '../datasources/addresses.ts';
import { type Credentials, createCredentials } from '../datasources/credentials.ts';
import { createDatasources, type Datasources } from '../datasources/datasources.ts';
import { createDatabaseLogins, type DatabaseLogins } from '../datasources/logins.ts';
import { createIsPasswordCurrent } from '../datasources/password-changes.ts';
import { type Changes, createChanges } from '../directory/changes.ts';
import type { SecretKeys } from '../directory/client-secrets.ts';
import { type CurrentRights, createCurrentRights } from '../directory/current-rights.ts';
import { createDirectory, type Directory } from '../directory/directory.ts';
import { createHashQueue, type HashQueue } from '../directory/hash-queue.ts';
import { createPasswords, type Passwords } from '../directory/passwords.ts';
import { createUsers, type Users } from '../directory/users.ts';
import { LONGEST_LOGIN, LONGEST_TOKEN } from '../grants/expiry.ts';
import { addressKey, customerKey, networksOf } from '../http/address-key.ts';
import { createThrottle, DEFAULT_LIMITS, type Throttle, type ThrottleLimits } from '../http/throttle.ts';
import { loadSigningKeys, type SigningKeys } from '../keys/signing-keys.ts';
import { createJwtVerifier } from '../keys/verify-jwt.ts';
import { createRefreshJwts, type RefreshJwts } from '../registry/refresh-jwt.ts';
import { createRegistry, type Registry } from '../registry/registry.ts';
import { createRefreshTokens, type RefreshTokens } from '../registry/secrets.ts';
import type { Storage } from '../storage/contract.ts';
import { createRefusals, type Refusals } from '../storage/refusals.ts';
import { openVault, type SecretRing, type Vault } from '../storage/vault.ts';
import { createTokens, type Tokens } from '../tokens/identify.ts';
import { connectorKinds } from './open-datasources.ts';
import { openStorage } from './open-storage.ts';

export interface Foundations {
  readonly config: Config;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly storage: Storage;
  readonly refusals: Refusals;
  readonly vault: Vault;
  readonly rings: {
    readonly cookies: SecretRing;
    readonly clientSecrets: SecretKeys;
    readonly forms: SecretRing;
  };
  readonly signingKeys: SigningKeys;
  /**
   * Makes and retires signing keys as the directory names algorithms; true if the published or the signing keys
   * changed.
   */
  followSigningAlgs(): Promise<boolean>;
  readonly directory: Directory;
  readonly hashQueue: HashQueue;
  readonly passwords: Passwords;
  readonly throttle: Throttle;
  readonly users: Users;
  readonly currentRights: CurrentRights;
  readonly credentials: Credentials;
  readonly datasources: Datasources;
  readonly databaseLogins: DatabaseLogins;
  readonly registry: Registry;
  readonly refreshTokens: RefreshTokens;
  readonly refreshJwts: RefreshJwts;
  readonly tokens: Tokens;
  /** Seconds that anything issued here may live at most. */
  readonly longestLifetime: number;
  /** Every write to the directory goes through it. */
  readonly changes: Changes;
  readonly connections: Connections;
  readonly exchangeLimit: ExchangeLimit;
  readonly apply: Apply;
  close(): Promise<void>;
}

function throttleLimits({ throttle }: Config): ThrottleLimits {
  const { account, address, client, registration, authorization } = throttle;
  return {
    password: { ...DEFAULT_LIMITS.password, guesses: account.points, window: account.seconds },
    address: { failures: address.points, window: address.seconds },
    clientSecret: { failures: client.points, window: client.seconds },
    registration: { points: registration.points, window: registration.seconds },
    authorization: { points: authorization.points, window: authorization.seconds },
  };
}

/**
 * @param now injected by tests
 * @throws CannotOpenStore, NewerDatabase, WrongMasterKey, MissingMasterKey: each one clear sentence
 */
export async function openFoundations(config: Config, now: () => number = Date.now): Promise<Foundations> {
  const storage = await openStorage(config);
  try {
    const vault = await openVault({ keys: storage.keys, masterKey: config.masterKey, now });
    const [cookies, clientSecrets, passwordKeys, refreshKeys, forms, markKeys, refreshJwtKeys] =
      await Promise.all([
        vault.ring('cookies'),
        vault.ring('clientSecrets'),
        vault.ring('passwords'),
        vault.ring('refresh'),
        vault.ring('forms'),
        vault.ring('marks'),
        vault.ring('refreshJwts'),
      ]);
    const signingKeys = await loadSigningKeys({ keys: storage.keys, vault, now });
    const directory = createDirectory({ store: storage.directory, now });
    const hashQueue = createHashQueue({
      limit: config.hashQueue,
      // Not the wall clock, which may be adjusted while a hash is made.
      now: () => performance.now(),
      networksOf,
    });
    const passwords = createPasswords({ queue: hashQueue, cost: config.bcryptCost, secrets: passwordKeys });
    const throttle = createThrottle({ counters: storage.counters, limits: throttleLimits(config), now });
    const users = createUsers({
      store: storage.directory,
      passwords,
      limits: throttle,
      audit: storage.audit,
      now,
    });
    const refusals = createRefusals({ audit: storage.audit, toKey: customerKey, now });
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
      markKeys,
    });
    const longestLifetime = Math.max(config.ttl.login, LONGEST_TOKEN);
    const { connections: connectionNouns } = storage.directory;
    const currentRights = createCurrentRights({ directory, users, connections: connectionNouns, now });
    const { recompute } = currentRights;
    const isPasswordCurrent = createIsPasswordCurrent({ directory, logins: databaseLogins, now });
    const registry = createRegistry({
      storage,
      now,
      longestLifetime,
      longestLogin: LONGEST_LOGIN,
      recompute,
      isPasswordCurrent,
    });
    const refreshTokens = createRefreshTokens(() => refreshKeys.all().map(({ key }) => key));
    const refreshJwts = createRefreshJwts({ issuer: config.issuer, keys: refreshJwtKeys, now });
    const changes = createChanges({ storage, registry, audit: storage.audit, now });
    const connections = createConnections({
      store: storage.directory,
      tokens: storage.tokens,
      changes,
      users,
      registry,
      uses: createConnectionUses({ artifacts: storage.artifacts, toKey: addressKey, now }),
      audit: storage.audit,
      now,
    });
    return {
      config,
      now,
      changes,
      connections,
      exchangeLimit: createExchangeLimit({
        trades: config.throttle.exchange,
        living: { connection: config.livingLimit, user: config.pairLimit },
        countLiving: {
          connection: (connection, at) => storage.tokens.countOf(connection, at),
          user: (user, at) => storage.logins.countOf(user, at),
        },
        now,
      }),
      apply: createApply({
        store: storage.directory,
        changes,
        passwords,
        clientSecrets,
        dataDir: config.dataDir,
        accessTokenTtl: config.ttl.accessToken,
        hosts: config.hosts,
        registration: !config.production,
        datasources,
        credentials,
        now,
      }),
      credentials,
      datasources,
      databaseLogins,
      storage,
      refusals,
      vault,
      rings: { cookies, clientSecrets, forms },
      signingKeys,
      async followSigningAlgs() {
        const { named } = await (await directory.view()).algChoices();
        return signingKeys.follow(named, longestLifetime);
      },
      directory,
      hashQueue,
      passwords,
      throttle,
      users,
      currentRights,
      registry,
      refreshTokens,
      refreshJwts,
      tokens: createTokens({
        registry,
        logins: storage.logins,
        refreshTokens,
        refreshJwts,
        jwtVerifier: createJwtVerifier({ issuer: config.issuer, signingKeys, directory, now }),
        now,
      }),
      longestLifetime,
      async close() {
        await datasources.close();
        await refusals.settle();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}
