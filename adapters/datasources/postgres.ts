/** PostgreSQL. */
import { sql } from 'kysely';
import pg from 'pg';
import {
  type Connector,
  DatasourceAway,
  MAX_CONNECTIONS,
  type Row,
  type ServerTarget,
  TIMEOUT_MS,
} from '../../src/datasources/connector.ts';
import { defined } from '../../src/storage/defined.ts';
import { toTables } from './catalogues.ts';
import { GuardedSocket } from './sockets.ts';
import { type Statement, toAway, toNames, write, writeColumnsQuery, writeRowQuery } from './sql.ts';

const DEFAULT_PORT = 5432;
const INT8 = pg.types.builtins.INT8;
const DEFAULT_SCHEMA = 'public';
/** Class 22: a value that its column cannot have matches no row. */
const DATA_EXCEPTION = /^22/;

/** Without TLS, the client refuses a server that asks for the password in the clear. */
class NoClearTextClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const { connection } = this;
    connection.prependListener('authenticationCleartextPassword', () => {
      connection.stream.destroy(new DatasourceAway('it asks for the password in the clear, without TLS'));
    });
  }
}

/** `table`, or `schema.table`. */
function nameParts(collection: string): [string, string] {
  const [schema, table] = collection.split('.');
  return table === undefined ? [DEFAULT_SCHEMA, collection] : [schema as string, table];
}

export function openPostgres(target: ServerTarget): Connector {
  const pools = new Map<string, pg.Pool>();

  function poolFor(database: string): pg.Pool {
    const known = pools.get(database);
    if (known) return known;
    const isEncrypted = target.tls === 'verify';
    const pool = new pg.Pool({
      host: target.host,
      port: target.port ?? DEFAULT_PORT,
      database,
      user: target.username ?? '',
      password: target.password ?? '',
      ssl: isEncrypted ? defined({ rejectUnauthorized: true, ca: target.ca }) : false,
      stream: () => new GuardedSocket(target),
      Client: isEncrypted ? pg.Client : NoClearTextClient,
      max: MAX_CONNECTIONS,
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      statement_timeout: TIMEOUT_MS,
      idleTimeoutMillis: 30_000,
      types: {
        // Whole numbers have the same type as from other products.
        getTypeParser: (oid: number, format?: 'text') =>
          oid === INT8 ? BigInt : pg.types.getTypeParser(oid, format),
      },
      application_name: 'grantable',
      options: '-c default_transaction_read_only=on',
      allowExitOnIdle: true,
    } as pg.PoolConfig);
    // The query on a broken connection gets the error, and the pool replaces the connection at the next use.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    pools.set(database, pool);
    return pool;
  }

  async function run(database: string, { text, values }: Statement): Promise<readonly Row[]> {
    const client = await poolFor(database)
      .connect()
      .catch((error) => {
        throw toAway(error);
      });
    try {
      const { rows } = await client.query<Row>({ text, values: [...values] });
      client.release();
      return rows;
    } catch (error) {
      if (DATA_EXCEPTION.test((error as { code?: string }).code ?? '')) {
        client.release();
        return [];
      }
      // The server may still work on it, so the connection is not used again.
      client.release(true);
      throw toAway(error);
    }
  }

  return {
    findRows: (query) => run(query.database, writeRowQuery('postgres', nameParts(query.collection), query)),
    async findColumns(database, collection) {
      const [schema, table] = nameParts(collection);
      return toNames(await run(database, writeColumnsQuery('postgres', schema, table)));
    },
    async readCatalogue(database, schemas) {
      // Domains count as what they are made of.
      const query = write.postgres`with recursive base (oid, name) as (
        select oid, typname from pg_catalog.pg_type where typtype <> 'd'
        union all
        select d.oid, base.name from pg_catalog.pg_type d join base on d.typbasetype = base.oid where d.typtype = 'd'
      )
      select n.nspname::text as schema, c.relname::text as name, a.attname::text as "column", base.name::text as type
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join base on base.oid = a.atttypid
      where n.nspname::text in (${sql.join(schemas)}) and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and not exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid)
        and not exists (
          select from pg_catalog.pg_depend e
          where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
        )
      order by n.nspname, c.relname, a.attnum`;
      return toTables('postgres', await run(database, query));
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.end()));
      pools.clear();
    },
  };
}
