/** What happened to nodes. */
import type { NodeMark, NodeRecord, NodeScope, NodeStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import type { Transactions } from './database.ts';
import { optionalNumber, optionalText, type Row } from './statements.ts';

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

export function createNodes(database: Transactions): NodeStore {
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
        [
          id,
          mark.revokedAt ?? null,
          mark.restoredAt ?? null,
          mark.narrowedAt ?? null,
          expiresAt,
          database.next('node change'),
          organization ?? null,
          resource ?? null,
        ],
      );
    });
  return {
    mark: (...change) => markUntil('max(expires_at, excluded.expires_at)', ...change),
    markLast: (...change) => markUntil('excluded.expires_at', ...change),
    async read(ids) {
      const rows = database.all(selectNodes(ids.length), ids);
      return rows.length === 0 ? [] : rows.map(toNode);
    },
    async changesSince(change, limit) {
      const latest = latestChange();
      const records = database
        .all('SELECT * FROM nodes WHERE change > ? ORDER BY change LIMIT ?', [change, limit])
        .map(toNode);
      const last = records.at(-1)?.change ?? change;
      return { records, until: records.length === limit ? last : Math.max(last, latest) };
    },
    latestChange: async () => latestChange(),
    settledChange: async () => latestChange(),
  };
}
