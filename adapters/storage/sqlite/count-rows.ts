/** Counts rows that have not expired, without stopping the event loop: a million take 50 ms. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transactions } from './database.ts';

/** Rows between two turns of the event loop: half a millisecond. */
const SLICE_ROWS = 10_000;

/**
 * Counts on the index of the column and the expiry alone. It has numbers instead of ids (`id-numbers.ts`), so
 * ids that have the same number are counted together: one in 2^48 pairs.
 * @param now milliseconds
 * @param limit where counting ends
 */
export async function countRows(
  database: Transactions,
  column: 'tokens.connection' | 'logins.origin',
  number: number,
  now: number,
  limit: number,
): Promise<number> {
  const [table] = column.split('.');
  const rest = `FROM ${table} WHERE ${column} = ? AND (expires_at, rowid) > (?, ?)`;
  let from = [now, Number.MAX_SAFE_INTEGER] as const;
  for (let counted = 0; ; counted += SLICE_ROWS) {
    const rows = Math.min(SLICE_ROWS, limit - counted);
    const last = database.get(
      `SELECT expires_at, rowid AS position ${rest} ORDER BY expires_at, rowid LIMIT 1 OFFSET ?`,
      [number, ...from, rows - 1],
    );
    if (!last) {
      const left = database.get(`SELECT count(*) AS count ${rest}`, [number, ...from]);
      return counted + Number(left?.count);
    }
    if (counted + rows === limit) return limit;
    from = [Number(last.expires_at), Number(last.position)];
    await nextTurn();
  }
}
