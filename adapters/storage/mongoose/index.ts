/**
 * The store for many machines: MongoDB, or a server that speaks its protocol, through Mongoose. It keeps the contract
 * of `src/storage/contract.ts` with single-document operations alone and knows nothing else of ours.
 */
import type { Connection } from 'mongoose';
import { type Storage, StoreUnavailable } from '../../../src/storage/contract.ts';
import { connect } from './connection.ts';
import { createDump } from './dump.ts';
import { guarded, guardedLong, isSelectionError } from './errors.ts';
import { createHeads, type Heads } from './heads.ts';
import { countExpired, sweep, verify } from './maintenance.ts';
import { migrate } from './migrations.ts';
import { probe } from './probe.ts';
import { toOpeningError } from './refusals.ts';
import { createShared } from './rows.ts';
import { createModels, type Models } from './schemas.ts';
import { createStores } from './stores.ts';

async function describe(connection: Connection): Promise<string> {
  const { db, host, port, name } = connection;
  const info = await db?.admin().buildInfo();
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
  await guardedLong(() => migrate(connection, heads));
  return { warnings, description: await guarded(() => describe(connection)) };
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

/**
 * @param url `mongodb://` or `mongodb+srv://`, with the name of the database
 * @throws StoreUnavailable when it cannot be reached; CannotOpenStore, NewerDatabase: nothing was changed
 */
export async function openMongooseStorage({ url }: { url: string }): Promise<Storage> {
  const { connection, close } = await twice(() => connect(url)).catch((error) => {
    throw toOpeningError(error);
  });
  try {
    const models = createModels(connection);
    const heads = createHeads(models.heads);
    const shared = createShared(models);
    const prepared = await twice(() => prepare(connection, models, heads));
    return {
      ...prepared,
      ...createStores(models, heads, shared),
      sweep(now, limit) {
        shared.forget();
        return sweep(connection, now, limit);
      },
      countExpired: (now, limit) => countExpired(connection, now, limit),
      async ping() {
        await heads.next('ping');
      },
      async backup() {
        throw new Error('MongoDB is copied with its own tools: mongodump, or a snapshot of the disks.');
      },
      verify: () => verify(connection, models),
      dump: createDump(connection, models, heads),
      close,
    };
  } catch (error) {
    await close();
    throw toOpeningError(error);
  }
}
