/**
 * The store for many machines: MongoDB, or a server that speaks its protocol, through Mongoose. It keeps the contract
 * of `src/storage/contract.ts` with single-document operations alone and knows nothing else of ours.
 */
import type { Connection } from 'mongoose';
import { type Storage, StoreUnavailable } from '../../../src/storage/contract.ts';
import { createArtifacts } from './artifacts.ts';
import { createAudit } from './audit.ts';
import { connect, type LivingConnection } from './connection.ts';
import { createCounters } from './counters.ts';
import { createDirectoryStore } from './directory.ts';
import { createDump } from './dump.ts';
import { guarded, isSelectionError } from './errors.ts';
import { createHeads, type Heads } from './heads.ts';
import { createKeys } from './keys.ts';
import { countExpired, sweep, verify } from './maintenance.ts';
import { migrate } from './migrations.ts';
import { createNodes } from './nodes.ts';
import { createOutbox } from './outbox.ts';
import { probe } from './probe.ts';
import { toOpeningError } from './refusals.ts';
import { createLogins, createShared, createTokens } from './rows.ts';
import { createModels, type Models } from './schemas.ts';

async function describe(connection: Connection): Promise<string> {
  const { db, host, port, name } = connection;
  const info = await guarded(async () => db?.admin().buildInfo());
  const hello = await db
    ?.admin()
    .command({ hello: 1 })
    .catch(() => undefined);
  // Fronts of other databases identify themselves like MongoDB's own router.
  const isRouter = hello?.msg === 'isdbgrid';
  const kind = isRouter ? 'behind a router' : hello?.setName ? `replica set ${hello.setName}` : 'one server';
  return `MongoDB ${info?.version} (${kind}) at ${host}:${port}/${name}`;
}

/** Prepares a store before use; it is safe to run again. */
async function prepare(connection: Connection, models: Models, heads: Heads) {
  const warnings = await probe(models.heads);
  await migrate(connection, heads);
  return { warnings, description: await describe(connection) };
}

/** Retries once if the connection broke. For a server that is away the driver has waited already. */
async function twice<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreUnavailable && !isSelectionError(error.cause)) return work();
    throw error;
  }
}

async function reach(url: string): Promise<LivingConnection> {
  try {
    return await twice(() => connect(url));
  } catch (error) {
    throw toOpeningError(error);
  }
}

/**
 * @param url `mongodb://` or `mongodb+srv://`, with the name of the database
 * @throws StoreUnavailable when it cannot be reached; CannotOpenStore, NewerDatabase: nothing was changed
 */
export async function openMongooseStorage({ url }: { url: string }): Promise<Storage> {
  const { connection, close } = await reach(url);
  try {
    const models = createModels(connection);
    const heads = createHeads(models.heads);
    const shared = createShared(models);
    const prepared = await twice(() => prepare(connection, models, heads));
    return {
      ...prepared,
      artifacts: createArtifacts(models),
      tokens: createTokens(models, shared),
      logins: createLogins(models, shared),
      nodes: createNodes(models, heads),
      counters: createCounters(models),
      audit: createAudit(models),
      keys: createKeys(models, heads),
      outbox: createOutbox(models, heads),
      directory: createDirectoryStore(models, heads),
      sweep(now, limit) {
        shared.forget();
        return sweep(models, now, limit);
      },
      countExpired: (now, limit) => countExpired(models, now, limit),
      async ping() {
        await heads.next('ping');
      },
      async backup() {
        throw new Error('MongoDB is copied with its own tools: mongodump, or a snapshot of the disks.');
      },
      verify: () => verify(connection, models),
      dump: createDump(models, heads),
      close,
    };
  } catch (error) {
    await close();
    throw toOpeningError(error);
  }
}
