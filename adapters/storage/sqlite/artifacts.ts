/** The engine's artifacts. */
import type { Artifact, ArtifactStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import type { Transactions } from './database.ts';
import { optionalNumber, type Row } from './statements.ts';

export function toArtifact(row: Row): Artifact {
  return defined({
    payload: JSON.parse(String(row.payload)) as Artifact['payload'],
    expiresAt: Number(row.expires_at),
    consumedAt: optionalNumber(row.consumed_at),
  });
}

export function createArtifacts(database: Transactions): ArtifactStore {
  const put = (model: string, key: Buffer, { payload, expiresAt, consumedAt }: Artifact, uid?: Buffer) =>
    database.run(
      `INSERT INTO artifacts (key, model, payload, expires_at, consumed_at, uid) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at,
         consumed_at = coalesce(excluded.consumed_at, consumed_at), uid = excluded.uid`,
      [key, model, JSON.stringify(payload), expiresAt, consumedAt ?? null, uid ?? null],
    );
  const find = (by: 'key' | 'uid', value: Buffer, model: string, now: number): Artifact | undefined => {
    const sql = `SELECT * FROM artifacts WHERE ${by} = ? AND model = ? AND expires_at > ?`;
    const row = database.get(sql, [value, model, now]);
    return row && toArtifact(row);
  };
  return {
    upsert: (model, key, artifact, lookups) =>
      database.write(() => {
        put(model, key, artifact, lookups?.uid);
      }),
    insert: (model, key, artifact, now) =>
      database.writeAll(() => {
        database.run('DELETE FROM artifacts WHERE key = ? AND expires_at <= ?', [key, now]);
        const taken = database.get('SELECT 1 FROM artifacts WHERE key = ?', [key]);
        return !taken && put(model, key, artifact) === 1;
      }),
    find: async (model, key, now) => find('key', key, model, now),
    findByUid: async (model, uid, now) => find('uid', uid, model, now),
    consume: (model, key, now) =>
      database.write(
        () =>
          database.run(
            `UPDATE artifacts SET consumed_at = ?
             WHERE key = ? AND model = ? AND consumed_at IS NULL AND expires_at > ?`,
            [now, key, model, now],
          ) === 1,
      ),
    remove: (model, key) =>
      database.write(() => {
        database.run('DELETE FROM artifacts WHERE key = ? AND model = ?', [key, model]);
      }),
  };
}
