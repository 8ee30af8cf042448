/**
 * The thread of `checkpoints.ts`: copies the log into the database each time it is asked to. JavaScript, because each
 * thread that loads TypeScript loads Node's type stripper for itself (10 MB).
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * What the other thread asks for.
 * @typedef {'checkpoint' | 'close'} Request
 */

/** Frames that may be left for the last step, during which no process can commit. */
const FEW_FRAMES = 100;
/** How often that step waits a millisecond for a commit to end. */
const MOST_WAITS = 50;

const connection = new DatabaseSync(workerData, { timeout: 0 });
connection.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
const passive = connection.prepare('PRAGMA wal_checkpoint(PASSIVE)');
const restart = connection.prepare('PRAGMA wal_checkpoint(RESTART)');
const sleep = new Int32Array(new SharedArrayBuffer(4));

function checkpoint() {
  // While others go on to commit, until little is left.
  for (let last = Number.POSITIVE_INFINITY; ; ) {
    const { log, checkpointed } = /** @type {{ log: number, checkpointed: number }} */ (passive.get());
    const left = log - checkpointed;
    if (left <= FEW_FRAMES || left >= last) break;
    last = left;
  }
  // The log starts again only if it was copied to its end while no process commits. SQLite itself must not wait for readers,
  // because it would hold up commits meanwhile.
  for (let waits = 0; waits < MOST_WAITS && restart.get()?.busy === 1; waits += 1)
    Atomics.wait(sleep, 0, 0, 1);
}

parentPort?.on('message', (/** @type {Request} */ request) => {
  if (request === 'close') {
    connection.close();
    parentPort?.close();
    return;
  }
  try {
    checkpoint();
  } catch {
    // A disk that is full or fails: commits say so, and the next checkpoint copies all.
  }
  parentPort?.postMessage('done');
});
