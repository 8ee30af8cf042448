/**
 * Group commit: writes that come together are one transaction, and each caller is answered when it is on the disk. While
 * one commit is flushed, what comes is kept for the next.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { patiently } from './busy.ts';
import type { Checkpoints } from './checkpoints.ts';
import { isStoreFailure, toStoreError } from './errors.ts';
import type { Log } from './log-flush.ts';

interface Queued {
  /** Keeps its result for `resolve`. */
  readonly work: () => void;
  readonly several: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  failure?: unknown;
}

export interface Commits {
  /** Queues work of one statement for the next transaction. */
  add<T>(work: () => T): Promise<T>;
  /** Queues work of several statements, all of which are undone if it throws. */
  addAll<T>(work: () => T): Promise<T>;
  /** Resolves when all that was queued is answered. */
  idle(): Promise<void>;
}

/** Turns of the event loop that a batch waits at least: requests that came together reach their writes a turn apart. */
const LEAST_TURNS = 2;
/** And at most, while it grows. */
const MOST_TURNS = 8;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function createCommits({
  connection,
  prepare,
  endSnapshot,
  requireFiles,
  log,
  checkpoints,
}: {
  readonly connection: DatabaseSync;
  readonly prepare: (sql: string) => StatementSync;
  /** Ends a transaction of reads, if one is open. */
  readonly endSnapshot: () => void;
  /** @throws StoreUnavailable */
  readonly requireFiles: () => void;
  readonly log: Log;
  readonly checkpoints: Pick<Checkpoints, 'committed'>;
}): Commits {
  let queue: Queued[] = [];
  let committing: Promise<void> | undefined;

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
    requireFiles();
    endSnapshot();
    prepare('BEGIN IMMEDIATE').run();
    try {
      for (const queued of batch) attempt(queued);
      prepare('COMMIT').run();
    } catch (error) {
      if (connection.isTransaction) prepare('ROLLBACK').run();
      throw error;
    }
  }

  async function commit(): Promise<void> {
    const batch: Queued[] = [];
    // What comes while another process has the lock goes along.
    const take = (): void => {
      batch.push(...queue);
      queue = [];
    };
    take();
    try {
      endSnapshot();
      await log.mend();
      await patiently(() => {
        take();
        perform(batch);
      });
      checkpoints.committed();
      await log.flush();
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

  /** Waits until requests that came together have queued their writes, so that they share one commit. */
  async function gather(): Promise<void> {
    let before = -1;
    for (let turn = 0; turn < MOST_TURNS && (turn < LEAST_TURNS || queue.length > before); turn += 1) {
      before = queue.length;
      await nextTurn();
    }
  }

  async function commitAll(): Promise<void> {
    do {
      await gather();
      await commit();
    } while (queue.length > 0);
    committing = undefined;
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
      committing ??= commitAll();
    });
  }

  return {
    add: (work) => enqueue(work, false),
    addAll: (work) => enqueue(work, true),
    idle: async () => committing,
  };
}
