/** Opening the file: its mode, its settings, its schema, and whether it and its log are still where they were. */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CannotOpenStore, NewerDatabase, StoreUnavailable } from '../../../src/storage/contract.ts';
import { patiently } from './busy.ts';
import { migrate } from './migrations.ts';

/** Milliseconds that a statement waits inside SQLite, which blocks this process; `patiently` waits without blocking. */
const BUSY_BLOCK_MS = 0;
/** `checkpoints.ts` makes checkpoints much earlier than SQLite does by itself with this setting. */
const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA foreign_keys = OFF;
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -16000;
  PRAGMA mmap_size = 268435456;
  PRAGMA wal_autocheckpoint = 20000;
`;

/**
 * @param synchronous whether SQLite flushes each commit (`FULL`) or leaves that to its caller
 * @throws CannotOpenStore, NewerDatabase: nothing was changed
 */
export async function openFile(path: string, synchronous: 'NORMAL' | 'FULL'): Promise<DatabaseSync> {
  let connection: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Created here with the right mode, so that other users of the machine can never read it.
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    const opened = new DatabaseSync(path, { timeout: BUSY_BLOCK_MS });
    connection = opened;
    await patiently(() => opened.exec(`${SETTINGS} PRAGMA synchronous = ${synchronous};`));
    await patiently(() => migrate(opened, path));
    return opened;
  } catch (error) {
    connection?.close();
    if (error instanceof NewerDatabase || error instanceof CannotOpenStore) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new CannotOpenStore(`The database ${path} cannot be opened: ${message}.`, { cause: error });
  }
}

/** @returns checks that a path still leads to the file that it led to; throws StoreUnavailable if it does not */
function watch(path: string, what: string): () => void {
  const opened = statSync(path, { bigint: true });
  return () => {
    const there = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (there?.ino === opened.ino && there.dev === opened.dev) return;
    const how = there ? 'replaced by another one' : 'removed';
    throw new StoreUnavailable(`the ${what} of the database was ${how}: put it back, or restart the server`);
  };
}

/**
 * A connection goes on with files that were removed or replaced. What it writes to such a database is lost when it closes,
 * and to such a log when the process is killed; a stop copies what stood in the log before.
 *
 * @param path of an open database with a log
 * @returns throws StoreUnavailable if one of both is not where it was
 */
export function watchFiles(path: string): () => void {
  const requireDatabase = watch(path, 'file');
  const requireLog = watch(`${path}-wal`, 'log');
  return () => {
    requireDatabase();
    requireLog();
  };
}
