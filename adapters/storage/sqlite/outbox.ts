/** Events on their way to webhooks. */
import type { NewOutboxRow, Outbox, OutboxRow } from '../../../src/storage/contract.ts';
import { toPage } from '../../../src/storage/pages.ts';
import type { Transactions } from './database.ts';
import type { Row, Values } from './statements.ts';

export function toOutboxRow({ position, version, document }: Row): OutboxRow {
  return { ...JSON.parse(String(document)), position: Number(position), version: Number(version) };
}

/** The document has all but what the store gives. */
function toDocument(row: NewOutboxRow | OutboxRow): string {
  return JSON.stringify({ ...row, position: undefined, version: undefined });
}

/**
 * The next of each webhook, and of these the earliest: rows of webhooks that are left out are not read, however many
 * there are.
 */
export const DUE = `
  WITH RECURSIVE open (webhook) AS (
    SELECT min(webhook) FROM outbox WHERE next_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(webhook) FROM outbox WHERE next_at IS NOT NULL AND webhook > open.webhook)
    FROM open WHERE webhook IS NOT NULL)
  SELECT outbox.* FROM open JOIN outbox ON outbox.position IN (
    SELECT position FROM outbox WHERE webhook = open.webhook AND next_at <= ? ORDER BY next_at, position LIMIT ?)
  WHERE open.webhook NOT IN (SELECT value FROM json_each(?))
  ORDER BY next_at, position LIMIT ?`;

export function createOutbox(database: Transactions): Outbox {
  const find = (sql: string, values: Values): OutboxRow | undefined => {
    const row = database.get(sql, values);
    return row && toOutboxRow(row);
  };
  const all = (sql: string, values: Values): OutboxRow[] => database.all(sql, values).map(toOutboxRow);
  return {
    insert: (row) =>
      database.write(() => {
        const { id, webhook, subject, state, nextAt = null, expiresAt = null } = row;
        return find(
          `INSERT INTO outbox (id, webhook, subject, state, version, next_at, expires_at, document)
           VALUES (?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING position, version, document`,
          [id, webhook, subject, state, nextAt, expiresAt, toDocument(row)],
        );
      }),
    find: async (id) => find('SELECT * FROM outbox WHERE id = ?', [id]),
    due: async (now, limit, except) => all(DUE, [now, limit, JSON.stringify(except), limit]),
    first: async (webhook, subject) =>
      find(
        `SELECT * FROM outbox WHERE webhook = ? AND subject = ? AND next_at IS NOT NULL ORDER BY position LIMIT 1`,
        [webhook, subject],
      ),
    replace: (row) =>
      database.write(() => {
        const { id, version, state, nextAt = null, expiresAt = null } = row;
        return find(
          `UPDATE outbox SET version = version + 1, state = ?, next_at = ?, expires_at = ?, document = ?
           WHERE id = ? AND version = ? RETURNING position, version, document`,
          [state, nextAt, expiresAt, toDocument(row), id, version],
        );
      }),
    remove: ({ id, version }) =>
      database.write(() => {
        database.run('DELETE FROM outbox WHERE id = ? AND version = ?', [id, version]);
      }),
    async page({ webhook, state, after = String(Number.MAX_SAFE_INTEGER), limit }) {
      const of = state === undefined ? '' : 'AND state = ?';
      const rows = all(
        `SELECT * FROM outbox WHERE webhook = ? ${of} AND position < ? ORDER BY position DESC LIMIT ?`,
        [webhook, ...(state === undefined ? [] : [state]), Number(after), limit + 1],
      );
      return toPage(rows, limit, ({ position }) => position);
    },
  };
}
