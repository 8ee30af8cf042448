/**
 * The store for many machines: MongoDB, or a server that speaks its protocol, through Mongoose. It keeps the contract
 * of `src/storage/contract.ts` with single-document operations alone and knows nothing else of ours.
 */
import type { Connection } from 'mongoose';
import type { Storage } from '../../../src/storage/contract.ts';
import { createAudit, createDirectoryStore, createKeys } from './administration.ts';
import { connect } from './connection.ts';
import { createDump } from './dump.ts';
import { createHeads } from './heads.ts';
import { sweep, verify } from './maintenance.ts';
import { migrate } from './migrations.ts';
import { createNodes } from './nodes.ts';
import { probe } from './probe.ts';
import { createArtifacts, createCounters, createLogins, createTokens } from './protocol.ts';
import { createModels } from './schemas.ts';

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
  const { connection, close } = await connect(url);
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
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
