/** Connections to the database that is guarded, for an operator who may change it. */
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import pg from 'pg';
import { type AllowedHosts, createCheckedLookup, requirePermitted } from '../datasources/addresses.ts';
import type { ServerTarget } from '../datasources/connector.ts';
import type { Credentials } from '../datasources/credentials.ts';
import { BadDsn, parseDsn } from '../datasources/dsn.ts';
import { cut, toOneLine } from '../errors/texts.ts';
import type { Datasource } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';

/** The database is away, or refuses a statement; the message is a sentence. */
export class DatabaseFailed extends Error {
  override readonly name = 'DatabaseFailed';
}

/** Milliseconds until a connection is given up. */
const TIMEOUT_MS = 10_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Where a URL leads, see `parseDsn`.
 * @param env may have the password @throws DatabaseFailed
 */
export function toDsnConfig(dsn: string, env: Readonly<Record<string, string | undefined>>): pg.ClientConfig {
  try {
    if (!/^postgres(?:ql)?:/.test(dsn))
      throw new BadDsn('must begin with postgres://, such as postgres://user@host/database');
    const { database, target } = parseDsn(dsn, env);
    if (!target) throw new BadDsn('must name a server, such as postgres://user@host/database');
    return toConfig(target, database, target.host);
  } catch (error) {
    if (!(error instanceof BadDsn)) throw error;
    throw new DatabaseFailed(`The URL of the database ${error.message}.`);
  }
}

/** @param name that the certificate is for */
function toConfig(
  { host, port, username, password, tls, ca }: Omit<ServerTarget, 'lookup'>,
  database: string,
  name: string,
): pg.ClientConfig {
  // A name is asked for and verified, an address verified only.
  const named = isIP(name) ? { host: name } : { servername: name };
  const ssl = tls === 'verify' && defined({ rejectUnauthorized: true, ca, ...named });
  return defined({ host, port, database, user: username, password, ssl });
}

/** @param database its name @throws DatabaseFailed */
export async function toDatasourceConfig(
  datasource: Datasource,
  database: string,
  { credentials, allowed }: { credentials: Pick<Credentials, 'open'>; allowed: AllowedHosts },
): Promise<pg.ClientConfig> {
  const { kind, server, sealedPassword, name } = datasource;
  if (kind !== 'postgres' || !server) {
    throw new DatabaseFailed(`The datasource ${name} is not PostgreSQL: guard knows no other product.`);
  }
  const host = await findAddress(server.host, allowed);
  const password = sealedPassword === undefined ? '' : credentials.open(sealedPassword, datasource);
  return toConfig({ ...server, username: server.username ?? '', host, password }, database, server.host);
}

/** @throws DatabaseFailed */
async function findAddress(host: string, allowed: AllowedHosts): Promise<string> {
  try {
    requirePermitted(host, allowed);
    return String(await promisify(createCheckedLookup(host, allowed))(host, {}));
  } catch (error) {
    throw new DatabaseFailed(`The database cannot be reached: ${describe(error)}.`, { cause: error });
  }
}

/** @param signal gives it up @throws DatabaseFailed */
export async function connect(config: pg.ClientConfig, signal?: AbortSignal): Promise<pg.Client> {
  const client = new pg.Client({
    ...config,
    application_name: 'grantable guard',
    connectionTimeoutMillis: TIMEOUT_MS,
  });
  // A query on a connection that breaks gets the error.
  client.on('error', () => undefined);
  const giveUp = () => client.connection.stream.destroy();
  signal?.addEventListener('abort', giveUp);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw new DatabaseFailed(`The database does not answer: ${describe(error)}.`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** @returns an error of a statement as a DatabaseFailed; others as they are */
export function toRefusal(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  return new DatabaseFailed(`The database refuses it: ${describe(error)}.`, { cause: error });
}

/**
 * Names in all that is asked have their schema: the search path is empty.
 * @throws DatabaseFailed for all that the database refuses
 */
export async function withDatabase<T>(
  config: pg.ClientConfig,
  work: (database: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(config);
  try {
    await client.query(`set search_path = ''`);
    return await work(client);
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE) {
      throw new DatabaseFailed(
        'Another transaction has used a guarded table for more than five seconds. Nothing was changed: try again.',
      );
    }
    throw toRefusal(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** @param how `read only`: nothing is changed, and all is read as of one moment */
export async function inTransaction<T>(
  database: pg.Client,
  how: 'read only' | 'read write',
  work: () => Promise<T>,
): Promise<T> {
  await database.query(how === 'read only' ? 'begin isolation level repeatable read, read only' : 'begin');
  try {
    const result = await work();
    await database.query('commit');
    return result;
  } catch (error) {
    await database.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** In UTF-16 units, of what a database says. */
const MAX_MESSAGE = 500;

function describe(error: unknown): string {
  const { code, message, hint } = error as { code?: string; message?: string; hint?: string };
  const said = [code, message].filter(Boolean).join(': ');
  return toOneLine(cut(hint === undefined ? said : `${said} (${hint})`, MAX_MESSAGE));
}
