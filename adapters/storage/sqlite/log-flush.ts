/**
 * The write-ahead log on the disk. SQLite in `synchronous=NORMAL` writes a commit to the log and does not flush it; here
 * it is flushed on the thread pool, while the event loop goes on, before any caller of the commit is answered.
 *
 * Why what was answered survives a power cut, in each case:
 * - Recovery reads the log from its start to the last whole commit. The flush covers the whole file, so also the commits
 *   of other processes that stand before this one.
 * - A commit of this process that another one flushes first is on the disk all the same; the flush here finds nothing to do.
 * - A checkpoint, in any process, flushes the log before it copies pages, and the database after it has copied all. Only
 *   then the log may start again from its beginning, and SQLite flushes its new header first. So what this flush does not
 *   find in the log is in the database, on the disk.
 * - The log's file stays the same while a connection is open: SQLite removes it only under a lock that each connection shares.
 *
 * Reads may see a commit that is not flushed yet. A power cut may take it while its callers are not answered, and never takes
 * it and keeps what was written by those who had read it: that stands behind it in the log.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { StoreUnavailable } from '../../../src/storage/contract.ts';
import { patiently } from './busy.ts';
import { LogInUse } from './errors.ts';

/** Puts the content of an open file on the disk. */
export type FlushFile = (fd: number) => Promise<void>;

const flushOnPool: FlushFile = promisify(fdatasync);

export interface Log {
  /** Resolves when all that was committed before is on the disk. @throws StoreUnavailable if that is not known */
  flush(): Promise<void>;
  /** Resolves when a flush that failed can do no harm to later ones. @throws StoreUnavailable */
  mend(): Promise<void>;
  close(): void;
}

/** With `synchronous=FULL`. */
export const flushedBySqlite: Log = { flush: async () => {}, mend: async () => {}, close() {} };

/**
 * @param connection that writes; without an open transaction whenever `mend` is called
 * @param flushFile other than `fdatasync` in tests only
 */
export function openLog(connection: DatabaseSync, flushFile = flushOnPool): Log {
  // SQLite locks the database and the -shm file, never the log, so closing this descriptor releases no lock. Open for
  // writing, because some systems flush nothing else.
  const fd = openSync(`${connection.location()}-wal`, 'r+');
  const checkpoint = connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
  let failed = false;
  return {
    async flush() {
      try {
        await flushFile(fd);
      } catch (error) {
        failed = true;
        throw new StoreUnavailable('the log of the database cannot be flushed to the disk', { cause: error });
      }
    },
    async mend() {
      if (!failed) return;
      // After a failed fsync Linux may hold pages clean that are not on the disk, and a second one succeeds without them
      // (PostgreSQL's "fsyncgate"). So all goes into the database, and the log starts anew without the doubtful frames.
      await patiently(() => {
        if (checkpoint.get()?.busy !== 0) throw new LogInUse();
      });
      failed = false;
    },
    close: () => closeSync(fd),
  };
}
