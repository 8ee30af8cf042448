/** Removes what has expired, checks whether the store can be written, and copies the whole store. */
import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { backup, DatabaseSync } from 'node:sqlite';
import type { Counted } from '../../../src/storage/contract.ts';
import { countAll } from '../../../src/storage/pages.ts';
import type { Database } from './database.ts';

/** Shared documents come last, after the rows that refer to them. */
const EXPIRING = [
  'tokens',
  'artifacts',
  'logins',
  'counters',
  'nodes',
  'outbox',
  'shared_documents',
] as const;
/** Milliseconds of one sweep: requests of this process and writes of all others wait for it. */
const SWEEP_MS = 3;
/** Rows of one statement: about a tenth of a millisecond. */
const SWEEP_ROWS = 50;

/** @returns how many rows went; at most `limit`, the oldest of each table first; 0 when all have gone */
export async function sweep(database: Database, now: number, limit: number): Promise<number> {
  // Looked for first, because a write makes other processes wait even if it changes nothing.
  const expiring = EXPIRING.filter((table) => hasExpired(database, table, now));
  if (expiring.length === 0) return 0;
  return database.writeAll(() => {
    const until = performance.now() + SWEEP_MS;
    let left = limit;
    for (const table of expiring) {
      for (let removed = SWEEP_ROWS; removed === SWEEP_ROWS && left > 0; left -= removed) {
        if (left < limit && performance.now() > until) return limit - left;
        removed = removeExpired(database, table, now, Math.min(left, SWEEP_ROWS));
      }
    }
    return limit - left;
  });
}

function hasExpired(database: Database, table: string, now: number): boolean {
  return database.get(`SELECT 1 FROM ${table} WHERE expires_at <= ? LIMIT 1`, [now]) !== undefined;
}

/** Rows that a sweep would remove, up to `limit`. */
export function countExpired(database: Database, now: number, limit: number): Promise<Counted> {
  return countAll(EXPIRING, limit, (table, most) => {
    const rows = `SELECT 1 FROM ${table} WHERE expires_at <= ? LIMIT ?`;
    return Number(database.get(`SELECT count(*) AS count FROM (${rows})`, [now, most])?.count);
  });
}

function removeExpired(database: Database, table: string, now: number, limit: number): number {
  return database.run(
    `DELETE FROM ${table} WHERE rowid IN
       (SELECT rowid FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    [now, limit],
  );
}

/** Bytes of a login and its token: on an almost full disk, a smaller write may succeed where they fail. */
const PING_BYTES = 32_768;

/** Writes, because reads work on a full disk too. */
export function ping(database: Database): Promise<void> {
  return database.write(() => {
    // Random, because SQLite does not write unchanged pages.
    database.run(
      `INSERT INTO sequences VALUES ('ping', randomblob(?1))
       ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      [PING_BYTES],
    );
  });
}

export function verify(database: Database): string[] {
  const findings = database
    .all('PRAGMA integrity_check')
    .map((row) => String(row.integrity_check))
    .filter((finding) => finding !== 'ok');
  for (const table of ['tokens', 'logins']) {
    const sql = `SELECT count(*) AS count FROM ${table} WHERE shared NOT IN (SELECT number FROM shared_documents)`;
    const count = Number(database.get(sql)?.count);
    if (count > 0) findings.push(`${count} rows of the table ${table} have lost their shared document`);
  }
  return findings;
}

/** Pages in one step: enough for the whole file, because a further step starts again if the file has changed. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * @param from path of a store's file, which may be in use
 * @throws Error if the file exists
 */
export async function copyTo(from: string, path: string): Promise<void> {
  if (existsSync(path)) throw new Error(`${path} exists already.`);
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
  try {
    await backup(source, path, { rate: ALL_PAGES });
  } finally {
    source.close();
  }
  await chmod(path, 0o600);
}
