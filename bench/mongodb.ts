/** A second server, over MongoDB: the one that `MONGODB_URI` names, else the in-memory one of the tests. */
import mongoose from 'mongoose';
import { mongoMissing, startMongo } from '../test/support/mongodb.ts';
import { type BenchConnections, openConnections } from './connections.ts';
import { APPLY } from './directory.ts';
import { type BenchServer, startGrantable } from './processes.ts';

export interface Beside {
  readonly server: BenchServer;
  readonly connections: BenchConnections;
  /** Product and version. */
  readonly description: string;
  readonly note?: string;
  stop(): Promise<void>;
}

async function versionOf(uri: string): Promise<string> {
  const connection = await mongoose.createConnection(uri).asPromise();
  try {
    const { version } = await connection.getClient().db().admin().command({ buildInfo: 1 });
    return String(version);
  } finally {
    await connection.close();
  }
}

/** @throws Error without a MongoDB server */
export async function startBeside(settings: Record<string, string>): Promise<Beside> {
  const missing = mongoMissing();
  if (missing) throw new Error(missing);
  const mongo = await startMongo();
  const version = await versionOf(mongo.uri);
  const server = await startGrantable(APPLY, { ...settings, GRANTABLE_STORAGE: mongo.newUrl() });
  process.once('exit', () => {
    server.kill();
    mongo.child?.kill('SIGKILL');
  });
  const connections = await openConnections(server);
  return {
    server,
    connections,
    description: mongo.child
      ? `mongo-java-server 1.47.0 (in memory, speaks as MongoDB ${version})`
      : `MongoDB ${version}`,
    ...(mongo.child && {
      note: 'The in-memory MongoDB server of the tests scans where only an index that is not unique helps: its figures do not hold for a real one.',
    }),
    async stop() {
      await connections.close();
      await server.stop();
      await mongo[Symbol.asyncDispose]();
    },
  };
}
