/**
 * One connection to the file, and group commit: all writes of one turn of the event loop are one transaction, each
 * caller is answered after it is on the disk. `synchronous=FULL`, so that an acknowledged write survives power loss.
 *
 * Reads run at once on the same connection and see every write that has been answered.
 */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CannotOpenStore,
  NewerDatabase,
  type Snapshot,
  StoreUnavailable,
} from '../../../src/storage/contract.ts';
import { isBusy, isStoreFailure, toStoreError } from './errors.ts';
import { migrate } from './migrations.ts';

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

interface Queued {
  /** Keeps its result for `resolve`. */
  readonly work: () => void;
  readonly several: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  failure?: unknown;
}

/** Milliseconds that a statement waits inside SQLite, which blocks this process; `patiently` waits without blocking. */
const BUSY_BLOCK_MS = 0;
/** Milliseconds that another process's commit usually takes at most: until then each turn tries again. */
const COMMIT_MS = 3;
/** Milliseconds after which a store that is busy all the time counts as unavailable. */
const BUSY_PATIENCE_MS = 5_000;
const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = OFF;
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -16000;
  PRAGMA mmap_size = 268435456;
  PRAGMA wal_autocheckpoint = 4000;
`;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits without blocking while another process holds the write lock. */
async function patiently<T>(work: () => T): Promise<T> {
  const began = performance.now();
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const waited = performance.now() - began;
      if (waited > BUSY_PATIENCE_MS) {
        throw new StoreUnavailable('another process keeps the database busy', { cause: error });
      }
      if (waited < COMMIT_MS) await nextTurn();
      else await delay(1 + Math.random() * Math.min(waited / 2, 15));
    }
  }
}

async function open(path: string): Promise<DatabaseSync> {
  let connection: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Created here with the right mode, so that other users of the machine can never read it.
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    const opened = new DatabaseSync(path, { timeout: BUSY_BLOCK_MS });
    connection = opened;
    await patiently(() => opened.exec(SETTINGS));
    await patiently(() => migrate(opened, path));
    return opened;
  } catch (error) {
    connection?.close();
    if (error instanceof NewerDatabase || error instanceof CannotOpenStore) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new CannotOpenStore(`The database ${path} cannot be opened: ${message}.`, { cause: error });
  }
}

/**
 * A connection goes on with a file that was removed or replaced, and what it writes is lost when it closes.
 * @returns checks that the path still leads to the file that was opened; throws StoreUnavailable if it does not
 */
function watchFile(path: string): () => void {
  const opened = statSync(path, { bigint: true });
  return () => {
    const there = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (there?.ino === opened.ino && there.dev === opened.dev) return;
    const what = there ? 'replaced by another one' : 'removed';
    throw new StoreUnavailable(`the file of the database was ${what}: put it back, or restart the server`);
  };
}

/** @throws CannotOpenStore, NewerDatabase: nothing was changed */
export async function openDatabase(path: string): Promise<Database> {
  const connection = await open(path);
  const requireFile = watchFile(path);
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

  let queue: Queued[] = [];
  let flushing: Promise<void> | undefined;

  /** A statement that fails undoes itself; work of several needs a savepoint for that. */
  function attempt(queued: Queued): void {
    queued.failure = undefined;
    if (queued.several) prepare('SAVEPOINT one').run();
    try {
      queued.work();
    } catch (error) {
      // If the disk refuses one write it may accept the next. Both fail then, because they may belong together.
      if (isStoreFailure(error) || !connection.isTransaction) throw error;
      queued.failure = error;
      if (queued.several) prepare('ROLLBACK TO one').run();
    }
    if (queued.several) prepare('RELEASE one').run();
  }

  function perform(batch: readonly Queued[]): void {
    requireFile();
    prepare('BEGIN IMMEDIATE').run();
    try {
      for (const queued of batch) attempt(queued);
      prepare('COMMIT').run();
    } catch (error) {
      if (connection.isTransaction) prepare('ROLLBACK').run();
      throw error;
    }
  }

  async function flush(): Promise<void> {
    let batch: Queued[] = [];
    try {
      await patiently(() => {
        // What came while another process had the lock goes along.
        batch = [...batch, ...queue];
        queue = [];
        perform(batch);
      });
    } catch (error) {
      const storeError = toStoreError(error);
      for (const { reject } of batch) reject(storeError);
      return;
    }
    for (const { resolve, reject, failure } of batch) {
      if (failure === undefined) resolve();
      else reject(toStoreError(failure));
    }
  }

  async function flushAll(): Promise<void> {
    do {
      // Two turns: requests that came together reach their writes a turn apart, and share one commit.
      for (let turn = 0; turn < 2; turn += 1) await nextTurn();
      await flush();
    } while (queue.length > 0);
    flushing = undefined;
  }

  function enqueue<T>(work: () => T, several: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T;
      queue.push({
        work() {
          result = work();
        },
        several,
        resolve: () => resolve(result),
        reject,
      });
      flushing ??= flushAll();
    });
  }

  const database: Database = {
    connection,
    // Commits run in turns of their own, so none begins while a snapshot is open.
    snapshot: {
      begin: () => guarded(() => prepare('BEGIN').run()),
      end() {
        if (connection.isTransaction) prepare('COMMIT').run();
      },
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
    write: (work) => enqueue(work, false),
    writeAll: (work) => enqueue(work, true),
    async close() {
      await flushing;
      if (!connection.isOpen) return;
      statements.clear();
      connection.close();
    },
  };
  return database;
}
