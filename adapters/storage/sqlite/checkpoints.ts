/**
 * Checkpoints copy the log into the database, so that the log can start again. SQLite would make them within a commit,
 * where writing thousands of pages and two flushes stop the event loop; a thread of its own makes them here.
 */
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import type { Request } from './checkpoint-worker.js';

/** Rows that are written between two checkpoints. Each changes a few pages of 4 KB. */
const ROWS = 1_000;
/** A thread that runs one file of a few lines. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16, stackSizeMb: 1 };
const FILE = join(import.meta.dirname, 'checkpoint-worker.js');

export type Checkpoints = ReturnType<typeof createCheckpoints>;

export function createCheckpoints(connection: DatabaseSync) {
  const totalChanges = connection.prepare('SELECT total_changes() AS rows');
  let checkpointed = 0;
  let isRunning = false;
  let worker: Worker | undefined;

  /** Called when the first checkpoint is due, because most commands write little. */
  function start(): Worker {
    const started = new Worker(FILE, {
      workerData: connection.location(),
      resourceLimits: RESOURCE_LIMITS,
      execArgv: [],
      env: {},
    });
    started.unref();
    started.on('message', () => {
      isRunning = false;
    });
    // Without the thread, SQLite itself makes checkpoints within commits, once the log is larger.
    started.on('error', () => {});
    started.on('exit', () => {
      worker = undefined;
      isRunning = false;
    });
    return started;
  }

  return {
    /** After each commit. */
    committed(): void {
      const rows = Number(totalChanges.get()?.rows);
      if (isRunning || rows - checkpointed < ROWS) return;
      checkpointed = rows;
      isRunning = true;
      worker ??= start();
      worker.postMessage('checkpoint' satisfies Request);
    },
    /** Resolves when the thread has closed the file. */
    async close(): Promise<void> {
      if (!worker) return;
      const last = worker;
      // Also of one that fails meanwhile.
      const ended = new Promise((resolve) => last.once('exit', resolve));
      last.ref();
      last.postMessage('close' satisfies Request);
      await ended;
    },
  };
}
