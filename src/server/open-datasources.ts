/** Which adapter speaks to which product. Each is loaded when it is first needed: most servers need none. */
import type { ConnectorKinds } from '../datasources/connector.ts';

export const connectorKinds: ConnectorKinds = {
  postgres: async (target) => (await import('../../adapters/datasources/postgres.ts')).openPostgres(target),
  mysql: async (target) => (await import('../../adapters/datasources/mysql.ts')).openMysql(target),
  mongodb: async (target) => (await import('../../adapters/datasources/mongodb.ts')).openMongodb(target),
  sqlite: async (path) => (await import('../../adapters/datasources/sqlite.ts')).openSqlite(path),
};
