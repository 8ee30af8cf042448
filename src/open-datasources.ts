/** Which adapter speaks to which product. */
import { openMongodb } from '../adapters/datasources/mongodb.ts';
import { openMysql } from '../adapters/datasources/mysql.ts';
import { openPostgres } from '../adapters/datasources/postgres.ts';
import { openSqlite } from '../adapters/datasources/sqlite.ts';
import type { ConnectorKinds } from './datasources/connector.ts';

export const connectorKinds: ConnectorKinds = {
  postgres: openPostgres,
  mysql: openMysql,
  mongodb: openMongodb,
  sqlite: openSqlite,
};
