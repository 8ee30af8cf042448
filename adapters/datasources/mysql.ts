/** MySQL and MariaDB. */
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise';
import {
  type Connector,
  type FoundTable,
  MAX_CONNECTIONS,
  type Row,
  type ServerTarget,
  TIMEOUT_MS,
} from '../../src/datasources/connector.ts';
import { defined } from '../../src/storage/defined.ts';
import { toTables, writeMysqlColumnsQuery, writeMysqlSequencesQuery } from './catalogues.ts';
import { withTimeout } from './deadline.ts';
import { GuardedSocket } from './sockets.ts';
import { type Statement, toAway, toNames, withoutBooleans, writeColumnsQuery, writeRowQuery } from './sql.ts';

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
    ...defined({
      ssl:
        target.tls === 'verify'
          ? defined({ rejectUnauthorized: true, verifyIdentity: true, ca: target.ca })
          : undefined,
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
      // The driver's own time limit begins only after the answers to earlier queries.
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
    async readCatalogue(_database, schemas) {
      const sequences = toTables('mysql', await run(writeMysqlSequencesQuery(schemas)));
      const isSequence = ({ schema, name }: FoundTable) =>
        sequences.some((each) => each.schema === schema && each.name === name);
      const tables = toTables('mysql', await run(writeMysqlColumnsQuery(schemas)));
      return tables.filter((table) => !isSequence(table));
    },
    async close() {
      const closing = opened;
      opened = undefined;
      await closing?.end();
    },
  };
}
