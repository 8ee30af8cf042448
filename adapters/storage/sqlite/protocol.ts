/** The engine's artifacts, marks of nodes, and counters. */
import type {
  Artifact,
  ArtifactStore,
  Counters,
  NodeMark,
  NodeRecord,
  NodeScope,
  NodeStore,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { type Database, optionalNumber, optionalText, type Row } from './database.ts';

export function toArtifact(row: Row): Artifact {
  return defined({
    payload: JSON.parse(String(row.payload)) as Artifact['payload'],
    expiresAt: Number(row.expires_at),
    consumedAt: optionalNumber(row.consumed_at),
  });
}

export function createArtifacts(database: Database): ArtifactStore {
  const put = (model: string, key: Buffer, { payload, expiresAt, consumedAt }: Artifact, uid?: Buffer) =>
    database.run(
      `INSERT INTO artifacts (key, model, payload, expires_at, consumed_at, uid) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at,
         consumed_at = coalesce(excluded.consumed_at, consumed_at), uid = excluded.uid`,
      key,
      model,
      JSON.stringify(payload),
      expiresAt,
      consumedAt ?? null,
      uid ?? null,
    );
  return {
    upsert: (model, key, artifact, lookups) =>
      database.write(() => {
        put(model, key, artifact, lookups?.uid);
      }),
    insert: (model, key, artifact, now) =>
      database.writeAll(() => {
        database.run('DELETE FROM artifacts WHERE key = ? AND expires_at <= ?', key, now);
        const taken = database.get('SELECT 1 FROM artifacts WHERE key = ?', key);
        return !taken && put(model, key, artifact) === 1;
      }),
    async find(model, key, now) {
      const row = database.get(
        'SELECT * FROM artifacts WHERE key = ? AND model = ? AND expires_at > ?',
        key,
        model,
        now,
      );
      return row && toArtifact(row);
    },
    async findByUid(model, uid, now) {
      const row = database.get(
        'SELECT * FROM artifacts WHERE uid = ? AND model = ? AND expires_at > ?',
        uid,
        model,
        now,
      );
      return row && toArtifact(row);
    },
    consume: (model, key, now) =>
      database.write(
        () =>
          database.run(
            `UPDATE artifacts SET consumed_at = ?
             WHERE key = ? AND model = ? AND consumed_at IS NULL AND expires_at > ?`,
            now,
            key,
            model,
            now,
          ) === 1,
      ),
    remove: (model, key) =>
      database.write(() => {
        database.run('DELETE FROM artifacts WHERE key = ? AND model = ?', key, model);
      }),
  };
}

export function toNode(row: Row): NodeRecord {
  return defined({
    id: String(row.id),
    revokedAt: optionalNumber(row.revoked_at),
    restoredAt: optionalNumber(row.restored_at),
    narrowedAt: optionalNumber(row.narrowed_at),
    expiresAt: Number(row.expires_at),
    change: Number(row.change),
    organization: optionalText(row.organization),
    resource: optionalText(row.resource),
  });
}

/** One text for each number of ids, so that the prepared statement is found by the same string. */
const nodeQueries: string[] = [];

function selectNodes(count: number): string {
  nodeQueries[count] ??= `SELECT * FROM nodes WHERE id IN (${Array(count).fill('?').join(',')})`;
  return nodeQueries[count];
}

export function createNodes(database: Database): NodeStore {
  const latestChange = (): number =>
    Number(database.get("SELECT value FROM sequences WHERE name = 'node change'")?.value);
  const markUntil = (
    expiry: string,
    id: string,
    mark: NodeMark,
    expiresAt: number,
    { organization, resource }: NodeScope = {},
  ): Promise<void> =>
    database.write(() => {
      // The transaction numbers the change itself, so readers never pass a number that commits later.
      database.run(
        `INSERT INTO nodes
             (id, revoked_at, restored_at, narrowed_at, expires_at, change, organization, resource)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (id) DO UPDATE SET
             revoked_at = max(coalesce(revoked_at, excluded.revoked_at), coalesce(excluded.revoked_at, revoked_at)),
             restored_at = max(coalesce(restored_at, excluded.restored_at), coalesce(excluded.restored_at, restored_at)),
             narrowed_at = max(coalesce(narrowed_at, excluded.narrowed_at), coalesce(excluded.narrowed_at, narrowed_at)),
             expires_at = ${expiry}, change = excluded.change,
             organization = coalesce(excluded.organization, organization),
             resource = coalesce(excluded.resource, resource)`,
        id,
        mark.revokedAt ?? null,
        mark.restoredAt ?? null,
        mark.narrowedAt ?? null,
        expiresAt,
        database.next('node change'),
        organization ?? null,
        resource ?? null,
      );
    });
  return {
    mark: (...change) => markUntil('max(expires_at, excluded.expires_at)', ...change),
    markLast: (...change) => markUntil('excluded.expires_at', ...change),
    async read(ids) {
      const rows = database.all(selectNodes(ids.length), ...ids);
      return rows.length === 0 ? [] : rows.map(toNode);
    },
    async changesSince(change, limit) {
      const latest = latestChange();
      const records = database
        .all('SELECT * FROM nodes WHERE change > ? ORDER BY change LIMIT ?', change, limit)
        .map(toNode);
      const last = records.at(-1)?.change ?? change;
      return { records, until: records.length === limit ? last : Math.max(last, latest) };
    },
    latestChange: async () => latestChange(),
    settledChange: async () => latestChange(),
  };
}

export function createCounters(database: Database): Counters {
  const toWindow = (row: Row) => ({ points: Number(row.points), expiresAt: Number(row.expires_at) });
  return {
    increment: (key, points, windowMs, now) =>
      database.write(() => {
        const row = database.get(
          `INSERT INTO counters VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET
             points = CASE WHEN expires_at > ?4 THEN points + ?2 ELSE ?2 END,
             expires_at = CASE WHEN expires_at > ?4 THEN expires_at ELSE ?3 END
           RETURNING points, expires_at`,
          key,
          points,
          now + windowMs,
          now,
        );
        if (!row) throw new Error('a counter without a row');
        return toWindow(row);
      }),
    async get(key, now) {
      const row = database.get('SELECT * FROM counters WHERE key = ? AND expires_at > ?', key, now);
      return row && toWindow(row);
    },
    set: (key, points, expiresAt) =>
      database.write(() => {
        database.run(
          `INSERT INTO counters VALUES (?, ?, ?)
           ON CONFLICT (key) DO UPDATE SET points = excluded.points, expires_at = excluded.expires_at`,
          key,
          points,
          expiresAt,
        );
      }),
    remove: (key) =>
      database.write(() => {
        database.run('DELETE FROM counters WHERE key = ?', key);
      }),
  };
}
