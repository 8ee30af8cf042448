/** The server's keys. */
import type { KeyStore, StoredKey } from '../../../src/storage/contract.ts';
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
