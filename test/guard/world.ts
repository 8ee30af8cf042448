/** A guarded PostgreSQL: two roles of clients, and statements that run with the claims of a token. */
import pg from 'pg';
import type { Guard } from '../../src/guard/model.ts';
import { readDatabase } from '../../src/guard/read-database.ts';
import { migration } from '../../src/guard/sql/migration.ts';
import type { Table } from '../../src/nouns/index.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';

export const ISSUER = 'https://id.example';
export const RESOURCE = 'https://api.example/';

export type Claims = Readonly<Record<string, unknown>>;

/** A JWT of ours, without what it allows. */
export function claims(said: Claims): Claims {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: ISSUER,
    aud: RESOURCE,
    sub: 'client:app',
    jti: 'j1',
    anc: ['n1'],
    iat: now,
    exp: now + 300,
    ...said,
  };
}

export interface GuardedWorld extends AsyncDisposable {
  readonly server: PostgresServer;
  /** As the owner of everything. */
  readonly owner: pg.Client;
  readonly guard: Guard;
  /** Makes the migration anew from what the database has, and runs it. */
  migrate(changes?: Partial<Guard>): Promise<void>;
  /** Statements in a transaction that is rolled back, as the role `app` with the views in its search path; the last result. */
  as(said: Claims, ...texts: string[]): Promise<pg.QueryResult>;
}

export interface WorldOptions {
  /** SQL of the tables and their rows. */
  readonly tables: string;
  readonly declared: readonly Table[];
  readonly limited?: readonly string[];
}

export async function startGuarded(options: WorldOptions): Promise<GuardedWorld> {
  await using unfinished = new AsyncDisposableStack();
  const server = unfinished.use(await startPostgres());
  const owner = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'owner', database: 'crm' });
  owner.on('error', () => undefined);
  await owner.connect();
  unfinished.defer(() => owner.end());
  await owner.query(`CREATE ROLE app NOLOGIN; CREATE ROLE anon NOLOGIN; ${options.tables}`);

  async function makeGuard(changes: Partial<Guard>): Promise<Guard> {
    const { tables, problems } = await readDatabase(owner, options.declared, {
      defaultSchema: 'public',
      isLimited: (id) => options.limited?.includes(id) ?? false,
    });
    if (problems.length > 0) throw new Error(problems.join('\n'));
    const { rows } = await owner.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::integer AS version",
    );
    return {
      issuer: ISSUER,
      resource: RESOURCE,
      tables,
      clientRoles: ['app', 'anon'],
      exemptRoles: ['owner'],
      viewSchema: 'api',
      defaultSchema: 'public',
      mode: 'enforce',
      serverVersion: rows[0]?.version ?? 0,
      ...changes,
    };
  }

  const migrate = async (changes: Partial<Guard> = {}): Promise<void> => {
    for (const statement of ['BEGIN', ...migration(await makeGuard(changes)), 'COMMIT'])
      await owner.query(statement);
  };
  await migrate();
  const guard = await makeGuard({});

  const as: GuardedWorld['as'] = async (said, ...texts) => {
    await owner.query('BEGIN');
    try {
      await owner.query(
        "SELECT set_config('role', 'app', true), set_config('search_path', 'api', true), set_config('request.jwt.claims', $1, true)",
        [JSON.stringify(said)],
      );
      let last: pg.QueryResult | undefined;
      for (const text of texts) last = await owner.query(text);
      return last as pg.QueryResult;
    } finally {
      await owner.query('ROLLBACK');
    }
  };
  const whole = unfinished.move();
  return {
    server,
    owner,
    guard,
    migrate,
    as,
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
