/** The server's keys and the audit log. */
import type { AuditEntry, AuditLog, KeyStore, StoredKey } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import type { Transactions } from './database.ts';

export function createKeys(database: Transactions): KeyStore {
  return {
    async list() {
      return database
        .all('SELECT document FROM keys ORDER BY position')
        .map(({ document }) => JSON.parse(String(document)) as StoredKey);
    },
    insert: (key) =>
      database.writeAll(() => {
        const inserted = database.run(
          'INSERT INTO keys (id, document) VALUES (?, ?) ON CONFLICT DO NOTHING',
          [key.id, JSON.stringify(key)],
        );
        if (inserted === 1) database.next('key revision');
        return inserted === 1;
      }),
    replace: (key) =>
      database.writeAll(() => {
        database.run('UPDATE keys SET document = ? WHERE id = ?', [JSON.stringify(key), key.id]);
        database.next('key revision');
      }),
    remove: (id) =>
      database.writeAll(() => {
        database.run('DELETE FROM keys WHERE id = ?', [id]);
        database.next('key revision');
      }),
    async revision() {
      return Number(database.get("SELECT value FROM sequences WHERE name = 'key revision'")?.value);
    },
  };
}

export function createAudit(database: Transactions): AuditLog {
  return {
    append: (entry) =>
      database.write(() => {
        database.run('INSERT INTO audit (organization, entry) VALUES (?, ?)', [
          entry.organization ?? null,
          JSON.stringify(entry),
        ]);
      }),
    async removeBefore(at, limit) {
      // Looked for first, because a write makes other processes wait even if it changes nothing.
      const isThere = database.get("SELECT 1 FROM audit WHERE entry ->> '$.at' < ? LIMIT 1", [at]);
      if (!isThere) return 0;
      return database.write(() =>
        database.run(
          `DELETE FROM audit WHERE cursor IN
             (SELECT cursor FROM audit WHERE entry ->> '$.at' < ? ORDER BY entry ->> '$.at' LIMIT ?)`,
          [at, limit],
        ),
      );
    },
    async page({ before: cursor = String(Number.MAX_SAFE_INTEGER), limit, organization }) {
      const within = organization === undefined ? '' : 'organization = ? AND';
      const rows = database.all(
        `SELECT cursor, entry FROM audit WHERE ${within} cursor < ? ORDER BY cursor DESC LIMIT ?`,
        [...(organization === undefined ? [] : [organization]), Number(cursor), limit + 1],
      );
      const entries = rows.slice(0, limit).map(({ cursor, entry }) => ({
        ...(JSON.parse(String(entry)) as AuditEntry),
        cursor: String(cursor),
      }));
      return defined({ entries, next: rows.length > limit ? entries.at(-1)?.cursor : undefined });
    },
  };
}
