/**
 * A model of the disk below a SQLite store: what a power cut would leave of its files. It knows what the store has flushed,
 * and relies on SQLite's documented order: a checkpoint flushes the log first and the database last, and only then
 * the log starts again from its beginning.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** What a disk writes whole. */
const SECTOR_BYTES = 512;
const PAGE_BYTES = 4_096;
const LOG_HEADER_BYTES = 32;
/** Where the log's index says how many frames a checkpoint has begun to copy (`nBackfillAttempted`, SQLite's walformat.html). */
const COPIED_AT = 128;
const flushOnPool = promisify(fdatasync);

/** The files at one moment, as processes see them. */
interface Look {
  readonly database: Buffer;
  readonly log: Buffer;
}

interface Flushed extends Look {
  /** The database when this log began: all of that is on the disk, and no page written since need be. */
  readonly oldDatabase: Buffer;
}

export interface Point {
  /** Writes what a power cut leaves at a moment between the end of this flush and that of the next one. */
  readonly leave: (path: string) => void;
  /** The same, and of what was written after this flush began the disk has parts, and garbage. */
  readonly leaveTorn: (path: string) => void;
}

export interface SyncedDisk {
  /** Give it to the store. */
  readonly flushFile: (fd: number) => Promise<void>;
  /**
   * Whether the flushes to come fail. What they leave off the disk stays off it, whatever flush succeeds later. While
   * nothing is written.
   */
  fail(on: boolean): void;
}

/** As long as the first; each part of it is that part of one of `versions`, by chance. */
function mix(versions: readonly [Buffer, ...Buffer[]], partBytes: number): Buffer {
  const mixed = Buffer.alloc(versions[0].length);
  for (let at = 0; at < mixed.length; at += partBytes) {
    const version = versions[Math.floor(Math.random() * versions.length)] as Buffer;
    version.subarray(at, at + partBytes).copy(mixed, at);
  }
  return mixed;
}

/**
 * Of each sector that was written later the disk has that, what was there before, or garbage. Bytes that stayed the same
 * are kept: SQLite relies on that ("powersafe overwrite").
 */
function tear(log: Buffer, later: Buffer): Buffer {
  const bytes = Math.max(log.length, later.length);
  const [old, written] = [Buffer.concat([log], bytes), Buffer.concat([later], bytes)];
  const garbage = randomBytes(bytes);
  for (let at = 0; at < bytes; at += 1) if (old[at] === written[at]) garbage[at] = old[at] as number;
  return mix([old, written, garbage], SECTOR_BYTES);
}

/**
 * @param path of the database
 * @param isChosen whether the flush that begins is to make a point
 * @param onPoint called at the last moment when the point holds: when the next flush has ended and its store is not told yet
 */
export function createSyncedDisk(
  path: string,
  isChosen: () => boolean,
  onPoint: (point: Point) => void,
): SyncedDisk {
  const look = (): Look => ({ database: readFileSync(path), log: readFileSync(`${path}-wal`) });
  const saltsOf = (log: Buffer): string => log.toString('hex', 12, LOG_HEADER_BYTES);
  const read = (file: string, at: number, bytes: number): Buffer => {
    const [fd, part] = [openSync(file, 'r'), Buffer.alloc(bytes)];
    readSync(fd, part, 0, bytes, at);
    closeSync(fd);
    return part;
  };
  const readBase = (salts: string) => {
    const database = readFileSync(path);
    // Asked after the database was read: a checkpoint that has not begun has not changed it.
    const isCopied = read(`${path}-shm`, COPIED_AT, 4).readUInt32LE() > 0;
    return { salts, database, isCopied };
  };
  /** Of the log that is written at this moment. `isCopied`: a checkpoint of this log may have changed the database. */
  let base = { salts: '', database: Buffer.alloc(0), isCopied: false };
  let flushed: Flushed | undefined;
  let lost: { readonly good: Buffer; readonly bad: Buffer } | undefined;
  let good: Buffer = Buffer.alloc(0);
  let isFailing = false;
  let begun = 0;
  let ended = 0;

  function pointOf({ database, log, oldDatabase }: Flushed): Point {
    const later = look();
    const isSameLog = saltsOf(log) === saltsOf(later.log);
    const write = (to: string, files: Look): void => {
      writeFileSync(to, files.database);
      writeFileSync(`${to}-wal`, files.log);
    };
    return {
      leave: (to) => write(to, { database: mix([database, oldDatabase], PAGE_BYTES), log }),
      leaveTorn(to) {
        const torn = tear(log, later.log);
        // A checkpoint that wrote pages since has flushed the frames that are torn here: none did.
        if (isSameLog) return write(to, { database: mix([database, oldDatabase], PAGE_BYTES), log: torn });
        // A checkpoint of the log that starts anew has flushed it before it wrote pages, and they may be in the database.
        if (base.isCopied) {
          const versions: [Buffer, Buffer] = [later.database, base.database];
          return write(to, { database: mix(versions, PAGE_BYTES), log: later.log });
        }
        // SQLite has flushed the database, and then the header of the log that starts anew.
        later.log.copy(torn, 0, 0, LOG_HEADER_BYTES);
        write(to, { database: base.database, log: torn });
      },
    };
  }

  /** What a failed flush left off the disk stays so until it is written again. */
  function withoutLost(log: Buffer): Buffer {
    if (!lost) return log;
    const left = Buffer.from(log);
    for (let at = 0; at < Math.min(left.length, lost.bad.length); at += SECTOR_BYTES) {
      const [now, bad] = [left.subarray(at, at + SECTOR_BYTES), lost.bad.subarray(at, at + SECTOR_BYTES)];
      const before = lost.good.subarray(at, at + SECTOR_BYTES);
      if (now.equals(bad) && !now.equals(before)) Buffer.concat([before], now.length).copy(now);
    }
    return left;
  }

  return {
    async flushFile(fd) {
      const salts = saltsOf(read(`${path}-wal`, 0, LOG_HEADER_BYTES));
      if (salts !== base.salts) base = readBase(salts);
      if (isFailing) {
        lost ??= { good, bad: readFileSync(`${path}-wal`) };
        await new Promise(setImmediate);
        throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
      }
      const seen = isChosen() ? look() : undefined;
      const oldDatabase = base.database;
      begun += 1;
      const number = begun;
      await flushOnPool(fd);
      if (flushed) onPoint(pointOf(flushed));
      // If one that began later has ended before, the disk has more than this one saw.
      const isLatest = number > ended;
      ended = Math.max(ended, number);
      flushed = seen && isLatest ? { ...seen, log: withoutLost(seen.log), oldDatabase } : undefined;
    },
    fail(on) {
      isFailing = on;
      if (on) good = readFileSync(`${path}-wal`);
    },
  };
}
