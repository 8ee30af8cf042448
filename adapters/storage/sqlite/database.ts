/**
 * One connection to the file. Reads run at once and see every write that has been answered; writes are committed in groups
 * (`commits.ts`), and each caller is answered after its write is on the disk.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Snapshot } from '../../../src/storage/contract.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createCommits } from './commits.ts';
import { toStoreError } from './errors.ts';
import { type FlushFile, flushedBySqlite, openLog } from './log-flush.ts';
import { openFile, watchFiles } from './open-file.ts';

export type Row = Record<string, SQLInputValue>;

/** @returns undefined for NULL and for a column that the row does not have */
export function optionalNumber(value: SQLInputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

/** @returns undefined for all that is not text */
export function optionalText(value: SQLInputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export interface Database {
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** Runs inside a `write` only. @returns how many rows changed */
  run(sql: string, ...values: SQLInputValue[]): number;
  /**
   * Queues work that changes something with one statement at most, for the next transaction. If it throws, the
   * other work of the transaction still commits.
   * @throws StoreUnavailable if the transaction could not be committed
   */
  write<T>(work: () => T): Promise<T>;
  /** As `write`, for work of several statements: if it throws, all of them are undone. */
  writeAll<T>(work: () => T): Promise<T>;
  /** Raises a sequence by one, inside a `write`. */
  next(sequence: string): number;
  /** Reads between its `begin` and `end` share one transaction. */
  readonly snapshot: Snapshot;
  /** The connection itself, for what is done once: backup, integrity. */
  readonly connection: DatabaseSync;
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
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (!statement) {
      statement = connection.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
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
    connection,
    snapshot: {
      begin() {
        endSnapshot();
        guarded(() => prepare('BEGIN').run());
      },
      end: endSnapshot,
    },
    get: (sql, ...values) => guarded(() => prepare(sql).get(...values) as Row | undefined),
    all: (sql, ...values) => guarded(() => prepare(sql).all(...values) as Row[]),
    run: (sql, ...values) => Number(prepare(sql).run(...values).changes),
    next(sequence) {
      const row = prepare(
        'INSERT INTO sequences VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value',
      ).get(sequence);
      return Number(row?.value);
    },
    write: commits.add,
    writeAll: commits.addAll,
    async close() {
      await commits.idle();
      if (!connection.isOpen) return;
      await checkpoints.close();
      statements.clear();
      connection.close();
      log.close();
    },
  };
}
