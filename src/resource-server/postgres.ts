/**
 * Statements in PostgreSQL with the rights of a token: a transaction with its claims and its role, as PostgREST sets
 * them, in which the policies of `grantable guard postgres` decide. Published as `grantable/resource-server/postgres`.
 */
import {
  type Connection,
  endedByCallback,
  IN_FAILED_TRANSACTION,
  lendClient,
  type Statement,
  type StatementResult,
  type TokenClient,
} from './postgres-client.ts';
import type { VerifiedToken } from './verified-token.ts';

export type { Statement, StatementResult, TokenClient };

/** A pool of `pg`. */
export interface ConnectionPool {
  connect(): Promise<Connection>;
}

export interface WithTokenOptions {
  /** The role in PostgreSQL; unless said otherwise the claim `role` of the token. */
  readonly role?: string;
  /** The `search_path` of the transaction; unless said otherwise that of the connection. */
  readonly schema?: string | readonly string[];
}

/** Local to the transaction, so that it is there at the end only if the callback did not end the transaction. */
const MARK = 'grantable.transaction';
const MISSING = 'the callback ended the transaction';
/** Fails unless the mark is there: PostgreSQL then quotes the text, which is not a boolean. */
const CHECK = `SELECT (CASE WHEN pg_catalog.current_setting('${MARK}', true) OPERATOR(pg_catalog.=) 'open'
  THEN 'true' ELSE '${MISSING}' END)::boolean`;

/**
 * What `DISCARD ALL` does, without the prepared statements: `pg` counts on those, and they hold no rows. One message with
 * the end of the transaction: a pooler sends both to the same connection.
 */
const RESET = [
  'CLOSE ALL',
  'RESET SESSION AUTHORIZATION',
  'RESET ROLE',
  'RESET ALL',
  'UNLISTEN *',
  'SELECT pg_catalog.pg_advisory_unlock_all()',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
];
const COMMIT = [CHECK, 'COMMIT', ...RESET].join('; ');
const ROLLBACK = ['ROLLBACK', ...RESET].join('; ');

const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function roleOf({ claims }: Pick<VerifiedToken, 'claims'>, options: WithTokenOptions): string {
  const role = options.role ?? claims.role;
  // For PostgreSQL `none` is the login role.
  if (typeof role === 'string' && role !== '' && role !== 'none') return role;
  throw new TypeError(
    role === undefined
      ? 'The token has no claim role. Set options.role, or let the resource map the claim with token.claimMap.'
      : `${JSON.stringify(role).slice(0, 80)} is not a role of PostgreSQL that a token may have. Use its name.`,
  );
}

function beginning(
  token: Pick<VerifiedToken, 'claims' | 'introspectedAt'>,
  options: WithTokenOptions,
): Required<Omit<Statement, 'name'>> {
  const role = roleOf(token, options);
  const { claims, introspectedAt } = token;
  const told = introspectedAt === undefined ? claims : { ...claims, as_of: introspectedAt };
  const settings: [name: string, value: string][] = [
    [MARK, 'open'],
    ['request.jwt.claims', JSON.stringify(told)],
    // Plans of guarded views have branches that look dear and do not run. To compile them takes seconds.
    ['jit', 'off'],
  ];
  if (options.schema !== undefined)
    settings.push(['search_path', [options.schema].flat().map(quoteIdentifier).join(', ')]);
  settings.push(['role', role]);
  const calls = settings.map(([name], index) => `pg_catalog.set_config('${name}', $${index + 1}, true)`);
  return { text: `SELECT ${calls.join(', ')}`, values: settings.map(([, value]) => value) };
}

/** @returns what the caller is told of an end that failed */
function explain(error: unknown, failure: unknown): unknown {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  if (message?.includes(MISSING)) return endedByCallback(error);
  if (code !== IN_FAILED_TRANSACTION) return error;
  return new Error(
    'A statement of the callback failed, so PostgreSQL rolled its transaction back. ' +
      'Put a savepoint before a statement that may fail.',
    { cause: failure ?? error },
  );
}

async function runInTransaction<Result>(
  connection: Connection,
  { text, values }: Required<Omit<Statement, 'name'>>,
  run: (client: TokenClient) => Promise<Result> | Result,
): Promise<Result> {
  await connection.query('BEGIN');
  await connection.query(text, values);
  const { client, close, failure } = lendClient(connection);
  let result: Result;
  try {
    result = await run(client);
  } catch (error) {
    await close('cancelled');
    throw error;
  }
  await close('finishing');
  try {
    await connection.query(COMMIT);
  } catch (error) {
    throw explain(error, failure());
  }
  return result;
}

/** @returns why the connection cannot be used again */
async function clean(connection: Connection): Promise<Error | undefined> {
  try {
    await connection.query(ROLLBACK);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * Runs the callback in a transaction with the claims and the role of the token, and commits when its promise fulfils.
 * If it rejects, or if a statement failed, everything is rolled back. The next user of the connection finds none of it:
 * no claims, role, settings, cursors, temporary tables, advisory locks.
 *
 * The pool's login role should be NOINHERIT, a member of the roles of the tokens, and without rights to tables.
 * @param pool of `pg`
 * @param run uses the client until its promise settles; later statements are refused
 * @returns what the callback returns
 * @throws TypeError without a role; what the callback throws; what PostgreSQL says; Error if the callback ended the
 * transaction itself
 */
export async function withToken<Result>(
  pool: ConnectionPool,
  token: Pick<VerifiedToken, 'claims' | 'introspectedAt'>,
  run: (client: TokenClient) => Promise<Result> | Result,
  options: WithTokenOptions = {},
): Promise<Result> {
  const begin = beginning(token, options);
  const connection = await pool.connect();
  // A connection that breaks fails its statements. Without a listener the event would end the process.
  const ignore = (): void => undefined;
  connection.on('error', ignore);
  let broken: Error | undefined;
  try {
    return await runInTransaction(connection, begin, run);
  } catch (error) {
    broken = await clean(connection);
    throw error;
  } finally {
    connection.release(broken);
    connection.off('error', ignore);
  }
}
