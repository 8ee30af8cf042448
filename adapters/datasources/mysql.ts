/** MySQL and MariaDB. */
import { sql } from 'kysely';
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise';
import {
  type Connector,
  DatasourceAway,
  type FoundTable,
  MAX_CONNECTIONS,
  type Row,
  type ServerTarget,
  TIMEOUT_MS,
} from '../../src/datasources/connector.ts';
import { defined } from '../../src/storage/defined.ts';
import { toTables } from './catalogues.ts';
import { GuardedSocket } from './sockets.ts';
import {
  type Statement,
  toAway,
  toNames,
  withoutBooleans,
  write,
  writeColumnsQuery,
  writeRowQuery,
} from './sql.ts';

/**
 * A text that the column's character set does not have equals nothing in it: mixed collations, a value that cannot be
 * converted. Strangers type those, so they must not count as failures of the database.
 */
const NOT_COMPARABLE = new Set([1267, 1270, 1271, 1300, 1366, 1977, 3854, 3988]);
const DEFAULT_PORT = 3306;
/** Logins at one database that may wait for a connection. */
const QUEUE = 100;

function optionsFor(target: ServerTarget): PoolOptions {
  const port = target.port ?? DEFAULT_PORT;
  return {
    host: target.host,
    port,
    user: target.username ?? '',
    password: target.password ?? '',
    ...(target.tls === 'verify' && {
      ssl: defined({ rejectUnauthorized: true, verifyIdentity: true, ca: target.ca }),
    }),
    stream: () => new GuardedSocket(target).connect({ host: target.host, port }),
    connectTimeout: TIMEOUT_MS,
    connectionLimit: MAX_CONNECTIONS,
    queueLimit: QUEUE,
    idleTimeout: 30_000,
    multipleStatements: false,
    // A server that asks for a local file does not get it.
    flags: ['-LOCAL_FILES'],
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: false,
    charset: 'utf8mb4',
  };
}

/** An end to waiting, for the driver's own begins only after the answers to earlier queries. */
async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new DatasourceAway(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(late);
    work.catch(() => undefined);
  }
}

export function openMysql(target: ServerTarget): Connector {
  let opened: Pool | undefined;

  function pool(): Pool {
    if (opened) return opened;
    opened = createPool(optionsFor(target));
    // What is asked on a connection afterwards waits for this.
    opened.pool.on('connection', (connection) => {
      connection.query('SET SESSION TRANSACTION READ ONLY', () => undefined);
      for (const limit of [
        `max_statement_time = ${TIMEOUT_MS / 1000}`,
        `max_execution_time = ${TIMEOUT_MS}`,
      ]) {
        // MariaDB knows the first one, MySQL the second.
        connection.query(`SET SESSION ${limit}`, () => undefined);
      }
    });
    return opened;
  }

  async function run({ text, values }: Statement): Promise<readonly Row[]> {
    const connection = await pool()
      .getConnection()
      .catch((error) => {
        throw toAway(error);
      });
    try {
      const [rows] = await withTimeout(
        connection.execute({ sql: text, values: withoutBooleans(values), timeout: TIMEOUT_MS }),
      );
      connection.release();
      return rows as Row[];
    } catch (error) {
      if (NOT_COMPARABLE.has((error as { errno?: number }).errno ?? 0)) {
        connection.release();
        return [];
      }
      // The server may still work on it, so the connection is not used again.
      connection.destroy();
      throw toAway(error);
    }
  }

  return {
    findRows: (query) => run(writeRowQuery('mysql', [query.database, query.collection], query)),
    async findColumns(database, collection) {
      return toNames(await run(writeColumnsQuery('mysql', database, collection)));
    },
    async readCatalogue(_database, databases) {
      // A query of its own, because a join takes seconds where there are thousands of tables.
      const sequencesQuery = write.mysql`select table_schema as ${sql.id('schema')}, table_name as name
      from information_schema.tables where table_schema in (${sql.join(databases)}) and table_type = 'SEQUENCE'`;
      const sequences = toTables('mysql', await run(sequencesQuery));
      const isSequence = ({ schema, name }: FoundTable) =>
        sequences.some((each) => each.schema === schema && each.name === name);
      // It has sequences too, which are tables there.
      const columnsQuery = write.mysql`select table_schema as ${sql.id('schema')}, table_name as name, column_name as ${sql.id('column')},
        column_type as type
      from information_schema.columns where table_schema in (${sql.join(databases)})
      order by table_schema, table_name, ordinal_position`;
      const tables = toTables('mysql', await run(columnsQuery));
      return tables.filter((table) => !isSequence(table));
    },
    async close() {
      const closing = opened;
      opened = undefined;
      await closing?.end();
    },
  };
}
