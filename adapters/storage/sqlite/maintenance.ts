/** Removes what has expired, checks whether the store can be written, and copies the whole store. */
import { existsSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { backup, DatabaseSync } from 'node:sqlite';
import type { Database } from './database.ts';

const EXPIRING = ['tokens', 'artifacts', 'logins', 'counters', 'nodes', 'shared_documents'] as const;

/** @returns how many rows went; at most `limit`, the oldest of each table first */
export function sweep(database: Database, now: number, limit: number): Promise<number> {
  return database.writeAll(() => {
    let left = limit;
    for (const table of EXPIRING) {
      if (left === 0) break;
      left -= database.run(
        `DELETE FROM ${table} WHERE rowid IN
           (SELECT rowid FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
        now,
        left,
      );
    }
    return limit - left;
  });
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
      PING_BYTES,
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
