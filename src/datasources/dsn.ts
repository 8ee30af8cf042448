/**
 * A database that an operator names by a URL at the command line, instead of registering it: `postgres://`, `mysql://`,
 * `mariadb://`, `mongodb://` or `sqlite:`. An operator with a shell may connect anywhere, so all addresses are allowed.
 */
import { lookup } from 'node:dns';
import { existsSync, readFileSync } from 'node:fs';
import { isHostname } from '../nouns/hosts.ts';
import type { DatasourceKind } from '../nouns/index.ts';
import { isLoopback } from '../nouns/redirect-uris.ts';
import { defined } from '../storage/defined.ts';
import type { Connector, ConnectorKinds, ServerTarget } from './connector.ts';

/** The message is the end of a sentence that starts with what the URL is called, and quotes nothing of it. */
export class BadDsn extends Error {
  override readonly name = 'BadDsn';
}

export interface Dsn {
  readonly kind: DatasourceKind;
  readonly database: string;
  /** Undefined: a file, which has no server. */
  readonly target: ServerTarget | undefined;
  open(kinds: ConnectorKinds): Promise<Connector>;
}

type ServerKind = Exclude<DatasourceKind, 'sqlite'>;

const SERVERS: Readonly<Record<string, ServerKind>> = {
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'mysql:': 'mysql',
  'mariadb:': 'mysql',
  'mongodb:': 'mongodb',
};

/** The parameters of URLs that the clients of each product know; others are not read. */
const TLS = {
  postgres: { mode: 'sslmode', ca: 'sslrootcert' },
  mysql: { mode: 'ssl-mode', ca: 'ssl-ca' },
  mongodb: { mode: 'tls', ca: 'tlsCAFile' },
} as const;

const OFF = ['disable', 'disabled', 'false'];
const VERIFY = ['require', 'required', 'verify-ca', 'verify-full', 'verify_ca', 'verify_identity', 'true'];

/** Where the clients of the product look for a password. */
const PASSWORDS: Readonly<Partial<Record<ServerKind, string>>> = {
  postgres: 'PGPASSWORD',
  mysql: 'MYSQL_PWD',
};

/**
 * TLS is verified unless a parameter of the URL switches it off, or the host is this machine.
 * @throws BadDsn
 */
export function parseDsn(text: string, env: Readonly<Record<string, string | undefined>>): Dsn {
  const url = URL.parse(text);
  if (url?.protocol === 'sqlite:') {
    const path = decode(url.pathname);
    if (!existsSync(path)) throw new BadDsn('names a file that is not there');
    return { kind: 'sqlite', database: 'main', target: undefined, open: (kinds) => kinds.sqlite(path) };
  }
  const kind = url && SERVERS[url.protocol];
  if (!kind) throw new BadDsn('must begin with postgres://, mysql://, mariadb://, mongodb:// or sqlite:');
  const database = decode(url.pathname.slice(1));
  if (database === '') throw new BadDsn('must name a database, such as postgres://user@host/database');
  const password = url.password === '' ? env[PASSWORDS[kind] ?? ''] : decode(url.password);
  const target = { ...readPlace(url), ...readTls(url, kind), password, lookup };
  return { kind, database, target, open: (kinds) => kinds[kind](target) };
}

function readPlace(url: URL): Pick<ServerTarget, 'host' | 'port' | 'username'> {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase() || 'localhost';
  if (url.searchParams.has('host'))
    throw new BadDsn('must name its host before the database, such as postgres://user@host/database');
  if (!isHostname(host)) throw new BadDsn('must name one host, such as postgres://user@host/database');
  return {
    host,
    ...defined({
      port: url.port === '' ? undefined : Number(url.port),
      username: url.username === '' ? undefined : decode(url.username),
    }),
  };
}

function readTls({ hostname, searchParams }: URL, kind: ServerKind): Pick<ServerTarget, 'tls' | 'ca'> {
  const names = TLS[kind];
  const isHere = hostname === '' || isLoopback(hostname);
  const mode = searchParams.get(names.mode)?.toLowerCase() ?? (isHere ? 'disable' : 'require');
  if (OFF.includes(mode)) return { tls: 'off' };
  if (!VERIFY.includes(mode)) throw new BadDsn(`has a ${names.mode} that is neither off nor verified`);
  const file = searchParams.get(names.ca);
  if (file === null) return { tls: 'verify' };
  try {
    return { tls: 'verify', ca: readFileSync(file, 'utf8') };
  } catch {
    throw new BadDsn(`has a ${names.ca} that is not a file which can be read`);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BadDsn('has a % that does not begin an escape: write %25 for it');
  }
}
