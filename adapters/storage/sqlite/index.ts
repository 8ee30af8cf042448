/**
 * The embedded store: one SQLite file through Node's own `node:sqlite`, shared by the processes of one machine. It
 * keeps the contract of `src/storage/contract.ts` and knows nothing else of ours.
 */
import type { Storage } from '../../../src/storage/contract.ts';
import { type DatabaseOptions, openDatabase } from './database.ts';
import { createDump } from './dump.ts';
import { copyTo, countExpired, ping, sweep, verify } from './maintenance.ts';
import { createStores } from './stores.ts';

/**
 * Opens the file, and creates or migrates it as needed.
 * @throws CannotOpenStore, NewerDatabase: nothing was changed
 */
export async function openSqliteStorage({
  path,
  ...options
}: { readonly path: string } & DatabaseOptions): Promise<Storage> {
  const database = await openDatabase(path, options);
  const version = database.get('SELECT sqlite_version() AS version')?.version;
  return {
    description: `SQLite ${version} at ${path}`,
    warnings: [],
    ...createStores(database),
    snapshot: database.snapshot,
    sweep: (now, limit) => sweep(database, now, limit),
    countExpired: (now, limit) => countExpired(database, now, limit),
    ping: () => ping(database),
    backup: (to) => copyTo(path, to),
    verify: async () => verify(database),
    dump: createDump(path),
    close: () => database.close(),
  };
}
