/**
 * One connection to the file. Reads run at once and see every write that has been answered; writes are committed in groups
 * (`commits.ts`), and each caller is answered after its write is on the disk.
 */
import type { Snapshot } from '../../../src/storage/contract.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createCommits } from './commits.ts';
import { toStoreError } from './errors.ts';
import { type FlushFile, flushedBySqlite, openLog } from './log-flush.ts';
import { openFile, watchFiles } from './open-file.ts';
import { createStatements, type Statements } from './statements.ts';

/** `run` and `next` run inside a `write` only. */
export interface Transactions extends Statements {
  /**
   * Queues work that changes something with one statement at most, for the next transaction. If it throws, the
   * other work of the transaction still commits.
   * @throws StoreUnavailable if the transaction could not be committed
   */
  write<T>(work: () => T): Promise<T>;
  /** As `write`, for work of several statements: if it throws, all of them are undone. */
  writeAll<T>(work: () => T): Promise<T>;
}

export interface Database extends Transactions {
  /** Reads between its `begin` and `end` share one transaction. */
  readonly snapshot: Snapshot;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Who puts a commit on the disk: the thread pool (the default), or SQLite within the commit (`synchronous=FULL`). */
  readonly sync?: 'pool' | 'full';
  /** Other than `fdatasync` in tests only. */
  readonly flushFile?: FlushFile;
}

/** @throws CannotOpenStore, NewerDatabase: nothing was changed */
export async function openDatabase(
  path: string,
  { sync = 'pool', flushFile }: DatabaseOptions = {},
): Promise<Database> {
  const connection = await openFile(path, sync === 'full' ? 'FULL' : 'NORMAL');
  const log = sync === 'full' ? flushedBySqlite : openLog(connection, flushFile);
  const statements = createStatements(connection);
  const { prepare } = statements;
  const guarded = <T>(read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw toStoreError(error);
    }
  };
  /** Outside of a commit, which is synchronous, an open transaction is a snapshot. */
  function endSnapshot(): void {
    if (connection.isTransaction) prepare('COMMIT').run();
  }
  const checkpoints = createCheckpoints(connection);
  const commits = createCommits({
    connection,
    prepare,
    endSnapshot,
    requireFiles: watchFiles(path),
    log,
    checkpoints,
  });

  return {
    ...statements,
    snapshot: {
      begin() {
        endSnapshot();
        guarded(() => prepare('BEGIN').run());
      },
      end: endSnapshot,
    },
    get: (sql, values) => guarded(() => statements.get(sql, values)),
    all: (sql, values) => guarded(() => statements.all(sql, values)),
    write: commits.add,
    writeAll: commits.addAll,
    async close() {
      await commits.idle();
      if (!connection.isOpen) return;
      await checkpoints.close();
      connection.close();
      log.close();
    },
  };
}
