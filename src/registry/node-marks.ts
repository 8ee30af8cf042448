/**
 * Marks of nodes, kept in memory: every token hangs below its organization, its application and its resource, so the
 * same few nodes are asked for at each request. What is kept is brought up to date before each use, by the number of the
 * last change, so a mark is never missed once the process that made it has answered its caller. It is bounded, and not a copy of all marks.
 */
import { LRUCache } from 'lru-cache';
import type { NodeRecord, NodeStore } from '../storage/contract.ts';

/** Changes read at once; after more, beginning again costs less. */
const MOST_CHANGES = 200;
/** Bytes that an entry takes beside the id, roughly. */
const ENTRY_BYTES = 250;

/** What is known of one node. */
interface Known {
  /** Undefined: the store has no record of it. */
  readonly record: NodeRecord | undefined;
}

export type NodeMarks = ReturnType<typeof createNodeMarks>;

/** @param maxBytes memory that is used at most; 0 keeps nothing */
export function createNodeMarks(
  nodes: Pick<NodeStore, 'read' | 'changesSince' | 'latestChange' | 'settledChange'>,
  maxBytes: number,
) {
  const kept =
    maxBytes > 0
      ? new LRUCache<string, Known>({
          maxSize: maxBytes,
          sizeCalculation: (_, id) => ENTRY_BYTES + id.length,
        })
      : undefined;
  /** Every change up to it is in `kept`, or of a node that is not there. */
  let cursor: number | undefined;
  let current = 0;

  async function beginAgain(): Promise<number> {
    const settled = await nodes.settledChange();
    kept?.clear();
    cursor = settled;
    current += 1;
    return current;
  }

  function learn(record: NodeRecord): void {
    const known = kept?.peek(record.id);
    // Of two readings that overlap, the older one may come later.
    if (known && (known.record?.change ?? 0) < record.change) kept?.set(record.id, { record });
  }

  /** A number of this process: while it stays the same, no mark was added that an earlier reading could not see. */
  async function version(): Promise<number> {
    const from = cursor;
    const latest = await nodes.latestChange();
    if (latest === from) return current;
    const isTooFar = from === undefined || latest - from > MOST_CHANGES;
    // A store that was put back to an earlier state gives numbers anew.
    if (isTooFar || latest < from) return beginAgain();
    const { records, until } = await nodes.changesSince(from, MOST_CHANGES);
    if (records.length === MOST_CHANGES) return beginAgain();
    for (const record of records) learn(record);
    if (records.length > 0) current += 1;
    // Another reading may have moved it, or begun again.
    if (cursor === from) cursor = until;
    return current;
  }

  return {
    version,
    /**
     * The records among `ids`, in no order; ids without a record are absent. One query at most for the ids.
     * @param given the version as of this request; asked for if absent
     */
    async read(ids: readonly string[], given?: number): Promise<NodeRecord[]> {
      const at = given ?? (await version());
      const records: NodeRecord[] = [];
      const missing: string[] = [];
      for (const id of ids) {
        const known = kept?.get(id);
        if (!known) missing.push(id);
        else if (known.record) records.push(known.record);
      }
      if (missing.length === 0) return records;
      const found = await nodes.read(missing);
      // A mark that was learned of meanwhile may be missing in what was read.
      if (kept && at === current) {
        const byId = new Map(found.map((record) => [record.id, record]));
        for (const id of missing) kept.set(id, { record: byId.get(id) });
      }
      return [...records, ...found];
    },
  };
}
