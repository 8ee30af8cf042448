/**
 * The configuration: what an operator can set in the environment. Everything is checked here, once, before anything
 * starts; all problems are reported together. The apply file is `apply`'s. It serves no routes.
 *
 * This file: every option of the environment as data. Tables of `docs/configuration.md` are written from it.
 */
import { builtInFaces, titlesOf } from '../faces/index.ts';
import { isHostAndPort, isHostname } from '../nouns/hosts.ts';
import { findNetworkProblem } from '../nouns/networks.ts';
import { isLoopback } from '../nouns/redirect-uris.ts';
import { findableEmail } from '../nouns/usernames.ts';
import { parseMasterKey } from '../storage/master-key.ts';
import { findIssuerProblem, findProxyProblem } from './addresses.ts';
import type { Config } from './config.ts';
import {
  checked,
  duration,
  facePrefixes,
  flag,
  type Kind,
  limit,
  list,
  logLevels,
  oneOf,
  path,
  refuse,
  signings,
  smtpServer,
  sqliteSyncs,
  storagePlace,
  wholeNumber,
} from './values.ts';

/** A choice that is allowed, but not everywhere and not in silence. What did not parse is not in `config`. */
export interface Rule {
  /** @param keyFileMode of the file that holds the master key, if it is there */
  when(config: Partial<Config>, keyFileMode: number | undefined): boolean;
  /** A whole sentence, said at start; what it is that production refuses. */
  readonly says: string;
  /** What would be right, where `type` allows more. */
  readonly right?: string;
}

export interface Option extends Kind<unknown> {
  readonly name: `GRANTABLE_${string}`;
  /** As it would be written; absent without a default, or if it depends. */
  readonly default?: string;
  /** What happens without it, where `default` cannot say. */
  readonly without?: string;
  /** For people; Markdown. */
  readonly meaning: string;
  /** Its text is never shown. */
  readonly secret?: true;
  /** Allowed, and announced at start. */
  readonly insecure?: Rule;
  /** Refused when `NODE_ENV` is `production`. */
  readonly refusedInProduction?: Rule;
}

const faceNames = builtInFaces.map(({ name }) => name);
const [firstFace, lastFace] = [faceNames[0], faceNames.at(-1)];

const METRICS_TOKEN = /^[A-Za-z0-9._~+/-]{32,512}=*$/;

const isPlainHttp = (issuer: string | undefined): boolean => issuer?.startsWith('http:') === true;
const isPublicHttp = ({ issuer }: Partial<Config>): boolean =>
  issuer !== undefined && isPlainHttp(issuer) && !isLoopback(new URL(issuer).hostname);

export const options = {
  issuer: {
    name: 'GRANTABLE_ISSUER',
    type: 'an http or https URL without path, query or fragment, such as https://id.example.com',
    without: '`http://localhost:<port>`',
    meaning:
      'The name of this server in tokens and metadata, and the start of every URL it gives out. Clients compare it as a string. With `https`, a proxy in front must end TLS, and `GRANTABLE_TRUSTED_PROXIES` must name it.',
    parse: checked(findIssuerProblem),
    insecure: {
      when: isPublicHttp,
      says: 'The issuer is plain http: anyone on the network path can read passwords and tokens.',
    },
    refusedInProduction: {
      when: isPublicHttp,
      says: 'plain http for other machines than this one, so that anyone on the network path could read passwords and tokens',
      right: 'an https URL',
    },
  },
  port: {
    name: 'GRANTABLE_PORT',
    type: wholeNumber(0, 65_535).type,
    default: '3000',
    meaning: 'The TCP port to listen on. `0` takes any free one and needs `GRANTABLE_ISSUER`.',
    parse: (text) =>
      /^(?:tcp|udp):\/\//.test(text)
        ? refuse(
            'was set by Kubernetes for a service named grantable, which enableServiceLinks: false prevents',
          )
        : wholeNumber(0, 65_535).parse(text),
  },
  host: {
    name: 'GRANTABLE_HOST',
    type: 'an IP address or host name of this machine, such as 127.0.0.1 or 0.0.0.0',
    default: '127.0.0.1',
    meaning: 'The address to listen on. `0.0.0.0` is every IPv4 address of the machine, `::` every address.',
    parse: checked((text) => (isHostname(text) ? undefined : 'is neither an IP address nor a host name')),
    insecure: {
      when: ({ host, issuer }) => host !== undefined && !isLoopback(host) && isPlainHttp(issuer),
      says: 'The server accepts requests from other machines without TLS: anyone on the network path can read what they send.',
    },
  },
  hosts: {
    name: 'GRANTABLE_HOSTS',
    type: 'host names separated by commas, each with or without a port, in lower case',
    without: 'only the host of the issuer',
    meaning:
      'Further hosts under which the back-channel endpoints answer, such as the name of the service inside a cluster. Grantable refuses requests for any other host. These names never become part of a URL.',
    parse: list((entry) => (isHostAndPort(entry) ? undefined : 'is not a host name in lower case')),
  },
  trustedProxies: {
    name: 'GRANTABLE_TRUSTED_PROXIES',
    type: 'IP addresses and CIDR blocks separated by commas, such as 127.0.0.1,10.0.0.0/8',
    without: 'none',
    meaning:
      "The proxies whose `X-Forwarded-For` Grantable trusts. Needed with an `https` issuer. Forwarding headers of others are ignored, and no header ever decides the server's own URL. Any other address may have 1,000 connections at once.",
    parse: list(findProxyProblem),
  },
  datasourceHosts: {
    name: 'GRANTABLE_DATASOURCE_HOSTS',
    type: 'host names, IP addresses and CIDR blocks separated by commas, such as db.internal,10.1.0.0/16',
    without: 'only addresses of the public Internet',
    meaning:
      'Private, loopback and link-local addresses that datasources may have. A datasource decides where this server connects to, so Grantable refuses to connect to machines of its own network unless they are listed here.',
    parse: list((entry) =>
      isHostname(entry) || findNetworkProblem(entry) === undefined
        ? undefined
        : 'is not a host name in lower case, an IP address or a CIDR block',
    ),
  },
  webhookHosts: {
    name: 'GRANTABLE_WEBHOOK_HOSTS',
    type: 'host names and IP addresses separated by commas, each with or without a port, in lower case',
    without: 'only addresses of the public Internet',
    meaning:
      'Hosts with private addresses that webhooks may be sent to, such as `hooks.internal,10.1.0.7:8443`. A webhook decides where this server connects to, so Grantable refuses to send to machines of its own network unless they are listed here. It finds other hosts in the DNS only, not in the hosts file. Without TLS it sends only to a listed host that is this machine, such as `localhost:4000`.',
    parse: list((entry) => (isHostAndPort(entry) ? undefined : 'is not a host name in lower case')),
  },
  agentHosts: {
    name: 'GRANTABLE_AGENT_HOSTS',
    type: 'host names and IP addresses separated by commas, each with or without a port, in lower case',
    without: 'only host names with addresses of the public Internet',
    meaning:
      'Hosts with private addresses from which Grantable may fetch metadata documents of agents and public keys, such as `agents.internal,10.1.0.7:8443`. A stranger names the URL of a document, so Grantable refuses to connect to machines of its own network, and to IP addresses instead of names, unless they are listed here. Each needs TLS; `NODE_EXTRA_CA_CERTS` names the certificates of a private authority.',
    parse: list((entry) => (isHostAndPort(entry) ? undefined : 'is not a host name in lower case')),
  },
  dataDir: {
    name: 'GRANTABLE_DATA_DIR',
    ...path('the path of a folder'),
    default: './data',
    meaning:
      'Where the server keeps its files, and in `compile-cache` compiled code if no other user can write to the folder. Grantable makes it if it is missing. Relative to the working directory.',
  },
  storage: {
    name: 'GRANTABLE_STORAGE',
    type: 'sqlite:<path of a file> or mongodb://<hosts>/<database>',
    without: '`sqlite:<data dir>/grantable.db`',
    meaning:
      'Where the store is: a file, relative to the working directory, or a MongoDB replica set or cluster that many ' +
      'processes share.',
    secret: true,
    parse: storagePlace,
  },
  sqliteSync: {
    name: 'GRANTABLE_SQLITE_SYNC',
    ...oneOf(...sqliteSyncs),
    default: 'pool',
    meaning:
      'Where a SQLite store puts commits on the disk: `pool` does so on the thread pool, while the server goes on; `full` is `synchronous=FULL`, with which SQLite does it and the process waits. With both, each answered write survives a power cut.',
  },
  masterKey: {
    name: 'GRANTABLE_MASTER_KEY',
    type: '32 random bytes as 64 hex digits or base64, for instance from `openssl rand -hex 32`',
    without: 'a file `master.key` in the data folder, made when the store is empty',
    meaning:
      'Encrypts (wraps) the keys that encrypt private keys and credentials in the store. Without it the store cannot be used, so keep a copy apart from the backups. You may move the content of a generated `master.key` here later.',
    secret: true,
    parse(text) {
      try {
        return parseMasterKey(text);
      } catch (error) {
        return refuse(`is not valid: ${(error as Error).message}`);
      }
    },
    insecure: {
      when: ({ masterKey }) => masterKey?.source === 'data-folder',
      says: 'No master key is given, so Grantable keeps one in the data folder: a copy of the folder can be decrypted.',
    },
    refusedInProduction: {
      when: ({ masterKey }) => masterKey?.source === 'data-folder',
      says: 'no master key, neither here nor in GRANTABLE_MASTER_KEY_FILE',
    },
  },
  masterKeyFile: {
    name: 'GRANTABLE_MASTER_KEY_FILE',
    ...path('the path of a file that holds 32 random bytes as 64 hex digits or base64'),
    without: 'see `GRANTABLE_MASTER_KEY`',
    meaning: 'The same key from a file, such as a mounted secret. Set only one of the two.',
    insecure: {
      when: (_, keyFileMode) => keyFileMode !== undefined && (keyFileMode & 0o007) !== 0,
      says: 'The file with the master key is open to every user of this machine: its mode should be 0600.',
    },
  },
  smtpUrl: {
    name: 'GRANTABLE_SMTP_URL',
    type: 'smtps://<host> or smtp://<host>, with <user>:<password>@ in front of the host (percent-encoded) and :<port> behind it where needed',
    without:
      'mails are written as files to the folder `mail` of the data folder; in production no mails are sent',
    meaning:
      'The mail server. `smtps` is TLS from the start (port 465); `smtp` (port 587) sends nothing before STARTTLS has succeeded, except to a server on this machine. `?tls=off` at the end sends without TLS, `?tls=starttls` requires STARTTLS on this machine too. Grantable always verifies certificates; `NODE_EXTRA_CA_CERTS` names those of a private authority.',
    secret: true,
    parse: smtpServer,
    insecure: {
      when: ({ smtp }) => smtp?.server.encryption === 'none' && !isLoopback(smtp.server.host),
      says: 'Mails go to the mail server without TLS: anyone on the network path can read their links and the password.',
    },
  },
  mailFrom: {
    name: 'GRANTABLE_MAIL_FROM',
    type: 'an email address, such as accounts@example.com',
    without: 'an error if `GRANTABLE_SMTP_URL` is set',
    meaning: 'The address that mails come from.',
    parse: checked((text) =>
      findableEmail(text) === undefined ? 'is not an email address without a name' : undefined,
    ),
  },
  facePrefixes: {
    name: 'GRANTABLE_FACE_PREFIXES',
    type: `<face>=<path> separated by commas, such as ${firstFace}=/${firstFace},${lastFace}=/legacy/${lastFace}`,
    without: 'the faces keep their original paths',
    meaning: `Paths below which faces (${faceNames.map((name) => `\`${name}\``).join(', ')}) answer instead of at the root. A path is in lower case, has no slash at the end, and is not below the path of another face or one of the server's own paths.`,
    parse: facePrefixes,
  },
  metricsToken: {
    name: 'GRANTABLE_METRICS_TOKEN',
    type: 'at least 32 letters, digits or . _ ~ + / -',
    without: '`/metrics` answers direct callers from this machine only',
    meaning: 'The bearer token with which `/metrics` answers from elsewhere.',
    secret: true,
    parse: checked((text) => {
      if (!METRICS_TOKEN.test(text)) return 'is too short, too long or has other characters';
      return new Set(text).size < 8 ? 'is easily guessed' : undefined;
    }),
  },
  applyFile: {
    name: 'GRANTABLE_APPLY',
    ...path('the path of a YAML or JSON file'),
    without: 'nothing is applied',
    meaning:
      'A file of organizations, applications, users and so on that is applied at each start; see below.',
  },
  demo: {
    name: 'GRANTABLE_DEMO',
    ...flag,
    without: '`1`, but `0` in production',
    meaning:
      '`1`: the first start with an empty store and no apply file makes a demo organization to try everything with.',
    refusedInProduction: { when: ({ demo }) => demo === true, says: 'demo data', right: '0' },
  },
  logLevel: {
    name: 'GRANTABLE_LOG_LEVEL',
    ...oneOf(...logLevels),
    default: 'info',
    meaning: 'Grantable logs messages of this level and of all more severe levels.',
  },
  bcryptCost: {
    name: 'GRANTABLE_BCRYPT_COST',
    ...wholeNumber(4, 15),
    default: '12',
    meaning:
      'The cost of new password hashes; each step doubles the time of a login. A hash of a lower cost is replaced when its owner logs in.',
    insecure: {
      when: ({ bcryptCost }) => bcryptCost !== undefined && bcryptCost < 10,
      says: 'The cost of password hashes is below 10: passwords are guessed quickly from a copy of the store.',
    },
    refusedInProduction: {
      when: ({ bcryptCost }) => bcryptCost !== undefined && bcryptCost < 10,
      says: 'a cost below 10, with which passwords are guessed quickly from a copy of the store',
      right: 'a whole number from 10 to 15',
    },
  },
  hashQueue: {
    name: 'GRANTABLE_HASH_QUEUE',
    ...wholeNumber(1, 10_000),
    default: '100',
    meaning:
      'How many logins may wait for the hashing of their password; further ones get 503 with `Retry-After`.',
  },
  hashCosts: {
    name: 'GRANTABLE_HASH_COSTS',
    ...oneOf('usual', 'dear'),
    default: 'usual',
    meaning:
      'How expensive the password hashes of datasources may be. `usual`: Argon2 up to 64 MiB and 4 passes, SHA-crypt up to 200,000 rounds and passwords of 256 bytes. `dear`: 256 MiB, 10 passes, 1,000,000 rounds and 1,024 bytes.',
    insecure: {
      when: ({ hashCosts }) => hashCosts === 'dear',
      says: 'GRANTABLE_HASH_COSTS is dear: one login against a datasource may take seconds, and other logins wait for it.',
    },
  },
  accountLimit: {
    name: 'GRANTABLE_ACCOUNT_LIMIT',
    ...limit('10/15m'),
    meaning:
      'How many wrong passwords one account may get, at all endpoints and faces together, before further logins get 429 with `Retry-After`.',
  },
  addressLimit: {
    name: 'GRANTABLE_ADDRESS_LIMIT',
    ...limit('100/2m'),
    meaning:
      'How many wrong passwords, and how many wrong client secrets, one IP address may send before further ones get 429. Each kind is counted by itself.',
  },
  clientLimit: {
    name: 'GRANTABLE_CLIENT_LIMIT',
    ...limit('20/1m'),
    meaning: 'How many wrong secrets one client may send before further ones get 429.',
  },
  registrationLimit: {
    name: 'GRANTABLE_REGISTRATION_LIMIT',
    ...limit('20/1h'),
    meaning:
      'How many registrations one IP address may send, where a face lets strangers register or an organization lets agents register, before further ones get 429.',
  },
  authorizationLimit: {
    name: 'GRANTABLE_AUTHORIZATION_LIMIT',
    ...limit('120/1m'),
    meaning:
      'How many authorization and logout requests one IP address may send before further ones get 429. All addresses of an IPv6 /48 together have ten times as many; the same holds for registrations.',
  },
  agentLimit: {
    name: 'GRANTABLE_AGENT_LIMIT',
    ...limit('30/10m'),
    meaning:
      'How many metadata documents of agents Grantable fetches for the browsers at one IP address before it answers further requests for agents that it does not know with 429. All addresses of an IPv6 /48 together have ten times as many.',
  },
  administrationLimit: {
    name: 'GRANTABLE_ADMINISTRATION_LIMIT',
    ...limit('600/1m'),
    meaning:
      'How many requests one person or application may send to the administration API before further ones get 429 with `Retry-After`.',
  },
  exchangeLimit: {
    name: 'GRANTABLE_EXCHANGE_LIMIT',
    ...limit('6000/1m'),
    meaning: `How often one connection token, with all that descends from it, may be exchanged before further exchanges get 429; also how often one person may make pairs of tokens from their own (${titlesOf('derived logins')}). Each process counts by itself.`,
  },
  livingLimit: {
    name: 'GRANTABLE_LIVING_LIMIT',
    ...wholeNumber(1, 1_000_000_000),
    default: '1000000',
    meaning:
      'How many living tokens may descend from one connection before further exchanges get 429. Grantable counts them once a minute.',
  },
  pairLimit: {
    name: 'GRANTABLE_PAIR_LIMIT',
    ...wholeNumber(1, 1_000_000_000),
    default: '20000',
    meaning: `How many pairs of tokens that have not expired one person may have made from their own pair (${titlesOf('derived logins')}) before further ones get 429. Revoked pairs count until they expire. Grantable counts them once a minute.`,
  },
  auditRetention: {
    name: 'GRANTABLE_AUDIT_RETENTION',
    ...duration('1d', '36500d'),
    default: '400d',
    meaning: 'How long entries of the audit log are kept.',
  },
  accessTokenTtl: {
    name: 'GRANTABLE_ACCESS_TOKEN_TTL',
    ...duration('10s', '7d'),
    default: '1h',
    meaning: 'The lifetime of access tokens for a new resource that does not set its own (`token.ttl`).',
  },
  loginTtl: {
    name: 'GRANTABLE_LOGIN_TTL',
    ...duration('1m', '365d'),
    default: '30d',
    meaning:
      'How long a login can be refreshed, counted from the login; refreshing does not extend it. A login in the browser with `openid` and without `offline_access` lasts 14 days at most.',
  },
  signing: {
    name: 'GRANTABLE_SIGNING',
    ...oneOf(...signings),
    default: 'auto',
    meaning:
      'Where tokens are signed: `pool` signs on the thread pool, `sync` on the main thread, which is faster with one process for each core. `auto` means `sync` where the process may use one core only, otherwise `pool`.',
  },
  workers: {
    name: 'GRANTABLE_WORKERS',
    ...wholeNumber(1, 64),
    default: '1',
    meaning:
      'How many processes serve the port. A process that dies is replaced. More workers than cores do not help.',
  },
  shutdownSeconds: {
    name: 'GRANTABLE_SHUTDOWN_SECONDS',
    ...wholeNumber(0, 600),
    default: '10',
    meaning:
      'How many seconds running requests may take after the signal to stop, before they are cut off. The process ends about two seconds later.',
  },
} as const satisfies Record<string, Option>;

/** What the options parse to. */
export type Values = { [K in keyof typeof options]?: ReturnType<(typeof options)[K]['parse']> };

/** Switches of the test suite and the benchmarks. */
export const ignoredPrefixes = ['GRANTABLE_TEST_', 'GRANTABLE_BENCH_'] as const;

/** What Kubernetes puts into every pod beside a service named `grantable`. */
const SERVICE_LINK = /^GRANTABLE_(?:SERVICE_(?:HOST|PORT)|PORT_\d+_(?:TCP|UDP|SCTP))(?:_|$)/;

/** Read by the command line alone, for a server that it asks. */
export const TOKEN_VARIABLE = 'GRANTABLE_TOKEN';

/** Names that start like options, but are not such. */
export function isIgnoredName(name: string): boolean {
  if (name === TOKEN_VARIABLE) return true;
  return ignoredPrefixes.some((prefix) => name.startsWith(prefix)) || SERVICE_LINK.test(name);
}
