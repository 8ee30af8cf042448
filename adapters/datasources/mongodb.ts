/** MongoDB, through the driver that Mongoose brings. */
import { isIPv6 } from 'node:net';
import { mongo } from 'mongoose';
import {
  type ColumnType,
  type Connector,
  DatasourceAway,
  type FoundTable,
  MAX_CONNECTIONS,
  type Row,
  SAMPLED,
  type ServerTarget,
  TIMEOUT_MS,
} from '../../src/datasources/connector.ts';
import { defined } from '../../src/storage/defined.ts';

const DEFAULT_PORT = 27_017;

function optionsFor({ lookup, username, password = '', tls, ca }: ServerTarget): mongo.MongoClientOptions {
  return defined({
    // Otherwise the server could name others that we would connect to.
    directConnection: true,
    lookup,
    auth: username === undefined ? undefined : { username, password },
    tls: tls === 'verify',
    ca: tls === 'verify' ? ca : undefined,
    appName: 'grantable',
    maxPoolSize: MAX_CONNECTIONS,
    serverSelectionTimeoutMS: TIMEOUT_MS,
    connectTimeoutMS: TIMEOUT_MS,
    socketTimeoutMS: TIMEOUT_MS,
    waitQueueTimeoutMS: TIMEOUT_MS,
    maxIdleTimeMS: 30_000,
    serverMonitoringMode: 'poll',
    readPreference: 'primaryPreferred',
    retryReads: false,
    monitorCommands: false,
  });
}

function toAway(error: unknown): DatasourceAway {
  return error instanceof DatasourceAway
    ? error
    : new DatasourceAway(error instanceof Error ? error.message : String(error), { cause: error });
}

/** `profile.email` is a field of a part of the document. */
function valueAt(document: mongo.Document, path: string): unknown {
  let value: unknown = document;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Values of BSON as those of every other product. */
function toPlain(value: unknown): unknown {
  if (value instanceof mongo.ObjectId) return value.toHexString();
  if (value instanceof mongo.Binary) return Buffer.from(value.buffer.subarray(0, value.position));
  if (value instanceof mongo.Long || value instanceof mongo.Decimal128) return value.toString();
  return value;
}

const TYPES: readonly (readonly [ColumnType, (value: unknown) => boolean])[] = [
  ['integer', (value) => Number.isInteger(value) || value instanceof mongo.Long],
  ['decimal', (value) => typeof value === 'number' || value instanceof mongo.Decimal128],
  ['boolean', (value) => typeof value === 'boolean'],
  ['timestamp', (value) => value instanceof Date],
  ['uuid', (value) => value instanceof mongo.Binary && value.sub_type === mongo.Binary.SUBTYPE_UUID],
];

function typeOf(value: unknown): ColumnType {
  return TYPES.find(([, isOf]) => isOf(value))?.[0] ?? 'text';
}

/** Fields of different types are texts, but for numbers. */
function toColumns(documents: readonly mongo.Document[]): FoundTable['columns'] {
  const columns = new Map<string, Set<ColumnType>>();
  for (const document of documents) {
    for (const [name, value] of Object.entries(document)) {
      const types = columns.get(name) ?? new Set();
      columns.set(name, types);
      if (value !== null && value !== undefined) types.add(typeOf(value));
    }
  }
  return [...columns].map(([name, types]) => {
    const [first = 'text', ...others] = types;
    const areNumbers = types.isSubsetOf(new Set(['integer', 'decimal']));
    return { name, type: others.length === 0 ? first : areNumbers ? 'decimal' : 'text' };
  });
}

export function openMongodb(target: ServerTarget): Connector {
  const host = isIPv6(target.host) ? `[${target.host}]` : target.host;
  const url = `mongodb://${host}:${target.port ?? DEFAULT_PORT}/`;
  let opened: mongo.MongoClient | undefined;

  async function run<T>(work: (client: mongo.MongoClient) => Promise<T>): Promise<T> {
    opened ??= new mongo.MongoClient(url, optionsFor(target));
    try {
      return await work(opened);
    } catch (error) {
      throw toAway(error);
    }
  }

  /** A key that looks like an ObjectId may be one. */
  function condition(column: string, equals: unknown): mongo.Document {
    const isId = typeof equals === 'string' && /^[0-9a-f]{24}$/.test(equals);
    return isId ? { [column]: { $in: [equals, new mongo.ObjectId(equals)] } } : { [column]: { $eq: equals } };
  }

  return {
    findRows: ({ database, collection, columns, where }) =>
      run(async (client) => {
        const documents = await client
          .db(database)
          .collection(collection)
          .find(
            { $and: where.map(({ column, equals }) => condition(column, equals)) },
            {
              projection: { _id: 0, ...Object.fromEntries(columns.map((column) => [column, 1])) },
              limit: 2,
              maxTimeMS: TIMEOUT_MS,
            },
          )
          .toArray();
        return documents.map(
          (document): Row =>
            Object.fromEntries(columns.map((column) => [column, toPlain(valueAt(document, column))])),
        );
      }),
    findColumns: (database, collection, named) =>
      run(async (client) => {
        const db = client.db(database);
        const known = await db.listCollections({ name: collection }, { nameOnly: true }).toArray();
        // Not every server applies the filter.
        if (!known.some(({ name }) => name === collection)) return undefined;
        const found = new Set<string>();
        for (const column of named) {
          const document = await db
            .collection(collection)
            .findOne({ [column]: { $exists: true } }, { projection: { _id: 1 }, maxTimeMS: TIMEOUT_MS });
          if (document) found.add(column);
        }
        return found;
      }),
    readCatalogue: (database) =>
      run(async (client) => {
        const db = client.db(database);
        const known = await db.listCollections({}, { nameOnly: true }).toArray();
        const names = known.map(({ name }) => name).filter((name) => !name.startsWith('system.'));
        const tables: FoundTable[] = [];
        for (const name of names.sort()) {
          const sample = (order: 1 | -1) =>
            db
              .collection(name)
              .find({}, { sort: { _id: order }, limit: SAMPLED / 2, maxTimeMS: TIMEOUT_MS })
              .toArray();
          tables.push({ name, columns: toColumns([...(await sample(1)), ...(await sample(-1))]) });
        }
        return tables;
      }),
    async close() {
      const closing = opened;
      opened = undefined;
      await closing?.close();
    },
  };
}
