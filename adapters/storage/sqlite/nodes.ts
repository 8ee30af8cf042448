/** What happened to nodes. */
import type { NodeMark, NodeRecord, NodeScope, NodeStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import type { Transactions } from './database.ts';
import { optionalNumber, optionalText, type Row, type Statements } from './statements.ts';

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

/** One statement for any number of ids; CROSS JOIN has SQLite look each of them up in the index. */
const READ = 'SELECT nodes.* FROM json_each(?) AS wanted CROSS JOIN nodes ON nodes.id = wanted.value';

/** @param onConflict what becomes of a record that is there */
export function putNode(
  { run }: Pick<Statements, 'run'>,
  { id, revokedAt, restoredAt, narrowedAt, expiresAt, change, organization, resource }: NodeRecord,
  onConflict = '',
): void {
  const marks = [revokedAt ?? null, restoredAt ?? null, narrowedAt ?? null];
  run(
    `INSERT INTO nodes (id, revoked_at, restored_at, narrowed_at, expires_at, change, organization, resource)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ${onConflict}`,
    [id, ...marks, expiresAt, change, organization ?? null, resource ?? null],
  );
}

const merging = (expiresAt: string): string => `
  ON CONFLICT (id) DO UPDATE SET
    revoked_at = max(coalesce(revoked_at, excluded.revoked_at), coalesce(excluded.revoked_at, revoked_at)),
    restored_at = max(coalesce(restored_at, excluded.restored_at), coalesce(excluded.restored_at, restored_at)),
    narrowed_at = max(coalesce(narrowed_at, excluded.narrowed_at), coalesce(excluded.narrowed_at, narrowed_at)),
    expires_at = ${expiresAt}, change = excluded.change,
    organization = coalesce(excluded.organization, organization),
    resource = coalesce(excluded.resource, resource)`;

const MARK = merging('max(expires_at, excluded.expires_at)');
const MARK_LAST = merging('excluded.expires_at');

export function createNodes(database: Transactions): NodeStore {
  const latestChange = (): number =>
    Number(database.get("SELECT value FROM sequences WHERE name = 'node change'")?.value);
  const put = (how: string, id: string, mark: NodeMark, expiresAt: number, scope?: NodeScope) =>
    database.write(() => {
      // The transaction numbers the change itself, so readers never pass a number that commits later.
      putNode(database, { id, ...mark, expiresAt, change: database.next('node change'), ...scope }, how);
    });
  return {
    mark: (...change) => put(MARK, ...change),
    markLast: (...change) => put(MARK_LAST, ...change),
    async read(ids) {
      const rows = database.all(READ, [JSON.stringify(ids)]);
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
