/**
 * The store for many machines: MongoDB, or a server that speaks its protocol, through Mongoose. It keeps the contract
 * of `src/storage/contract.ts` with single-document operations alone and knows nothing else of ours.
 */
import { type Connection, createConnection } from 'mongoose';
import type { Storage } from '../../../src/storage/contract.ts';
import { createAudit, createDirectoryStore, createKeys } from './administration.ts';
import { createDump } from './dump.ts';
import { guarded } from './errors.ts';
import { createHeads } from './heads.ts';
import { sweep, verify } from './maintenance.ts';
import { migrate } from './migrations.ts';
import { createNodes } from './nodes.ts';
import { probe } from './probe.ts';
import { createArtifacts, createCounters, createLogins, createTokens } from './protocol.ts';
import { createModels } from './schemas.ts';

/** Milliseconds. Whoever waits is answered with 503 before his own patience ends. */
const PATIENCE_MS = 2_000;
const SOCKET_MS = 10_000;
const POOL = 50;

async function connect(url: string): Promise<Connection> {
  const connection = createConnection(url, {
    bufferCommands: false,
    sanitizeFilter: true,
    autoIndex: false,
    autoCreate: false,
    appName: 'grantable',
    maxPoolSize: POOL,
    serverSelectionTimeoutMS: PATIENCE_MS,
    connectTimeoutMS: PATIENCE_MS,
    waitQueueTimeoutMS: PATIENCE_MS,
    socketTimeoutMS: SOCKET_MS,
    // A server that came back is noticed after this long, not after the driver's ten seconds.
    heartbeatFrequencyMS: 1_000,
    serverMonitoringMode: 'poll',
    // What was answered survives the loss of any minority of the members.
    writeConcern: { w: 'majority', j: true, wtimeoutMS: SOCKET_MS },
    readPreference: 'primary',
    retryWrites: true,
    retryReads: true,
  });
  await guarded(() => connection.asPromise());
  return connection;
}

async function describe(connection: Connection): Promise<string> {
  const { db, host, port, name } = connection;
  const info = await db?.admin().buildInfo();
  const hello = await db
    ?.admin()
    .command({ hello: 1 })
    .catch(() => undefined);
  const kind =
    hello?.msg === 'isdbgrid' ? 'sharded' : hello?.setName ? `replica set ${hello.setName}` : 'one server';
  return `MongoDB ${info?.version} (${kind}) at ${host}:${port}/${name}`;
}

/**
 * @param url `mongodb://` or `mongodb+srv://`, with the name of the database
 * @throws StoreUnavailable when it cannot be reached now; CannotOpenStore, NewerDatabase: nothing was changed
 */
export async function openMongooseStorage({ url }: { url: string }): Promise<Storage> {
  const connection = await connect(url);
  try {
    const models = createModels(connection);
    const heads = createHeads(models.heads);
    await probe(models.heads);
    await migrate(connection, heads);
    return {
      description: await describe(connection),
      artifacts: createArtifacts(models),
      tokens: createTokens(models),
      logins: createLogins(models),
      nodes: createNodes(models, heads),
      counters: createCounters(models),
      audit: createAudit(models),
      keys: createKeys(models, heads),
      directory: createDirectoryStore(models, heads),
      sweep: (now, limit) => sweep(models, now, limit),
      async ping() {
        await heads.next('ping');
      },
      async backup() {
        throw new Error('MongoDB is copied with its own tools: mongodump, or a snapshot of the disks.');
      },
      async verify() {
        await probe(models.heads);
        return verify(connection);
      },
      dump: createDump(models, heads),
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
