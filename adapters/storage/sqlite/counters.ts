/** The counters of throttling. */
import type { Counters } from '../../../src/storage/contract.ts';
import type { Transactions } from './database.ts';
import type { Row } from './statements.ts';

export function createCounters(database: Transactions): Counters {
  const toWindow = (row: Row) => ({ points: Number(row.points), expiresAt: Number(row.expires_at) });
  return {
    increment: (key, points, windowMs, now) =>
      database.write(() => {
        const row = database.get(
          `INSERT INTO counters VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET
             points = CASE WHEN expires_at > ?4 THEN points + ?2 ELSE ?2 END,
             expires_at = CASE WHEN expires_at > ?4 THEN expires_at ELSE ?3 END
           RETURNING points, expires_at`,
          [key, points, now + windowMs, now],
        );
        if (!row) throw new Error('a counter without a row');
        return toWindow(row);
      }),
    async get(key, now) {
      const row = database.get('SELECT * FROM counters WHERE key = ? AND expires_at > ?', [key, now]);
      return row && toWindow(row);
    },
    set: (key, points, expiresAt) =>
      database.write(() => {
        database.run(
          `INSERT INTO counters VALUES (?, ?, ?)
           ON CONFLICT (key) DO UPDATE SET points = excluded.points, expires_at = excluded.expires_at`,
          [key, points, expiresAt],
        );
      }),
    remove: (key) =>
      database.write(() => {
        database.run('DELETE FROM counters WHERE key = ?', [key]);
      }),
  };
}
