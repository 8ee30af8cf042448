/** What happened to nodes, and the order in which followers of the feed get it. */
import { trusted } from 'mongoose';
import type { NodeMark, NodeRecord, NodeScope, NodeStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { type Heads, isDead } from './heads.ts';
import { setOrInsert } from './one-document.ts';
import type { DocumentOf, HeadDocument, Models } from './schemas.ts';

/** The number of the last change of any node. */
export const CHANGES = 'changes';

interface Note {
  readonly id: string;
  readonly mark: NodeMark;
  readonly expiresAt: number;
  readonly scope?: NodeScope;
  readonly isLast?: true;
}

export function toNode({ _id, expiresAt, ...rest }: DocumentOf<'nodes'>): NodeRecord {
  return { id: _id, ...rest, expiresAt: expiresAt.getTime() };
}

/** A write under way has a number above its floor and may commit late: no follower may be past it yet. */
function passableOf({ value, pending }: HeadDocument): number {
  return Math.min(value, ...pending.map(({ floor }) => floor));
}

export function createNodes({ nodes }: Pick<Models, 'nodes'>, heads: Heads): NodeStore {
  /** Some number that was given earlier: what is announced with it gets a higher one. */
  let floor = 0;

  async function write({ id, mark, expiresAt, scope = {}, isLast }: Note, change: number): Promise<void> {
    const expiry = new Date(expiresAt);
    const growing = defined({ ...mark, expiresAt: isLast ? undefined : expiry, change });
    const set = defined({ ...scope, expiresAt: isLast ? expiry : undefined });
    const $set = Object.keys(set).length > 0 ? set : undefined;
    await setOrInsert(
      () => nodes.updateOne({ _id: id }, defined({ $max: growing, $set })),
      () => nodes.create({ _id: id, ...growing, ...set }),
    );
  }

  async function mark(note: Note): Promise<void> {
    const { key, value } = await heads.announce(CHANGES, { floor, note: JSON.stringify(note) });
    floor = value;
    await write(note, value);
    const withdraw = () => heads.withdraw(CHANGES, key);
    // The mark holds already, but followers wait for this. It is tried twice; if both fail, they finish it.
    await withdraw()
      .catch(withdraw)
      .catch(() => undefined);
  }

  return {
    mark: (id, given, expiresAt, scope) => mark(defined({ id, mark: given, expiresAt, scope })),
    markLast: (id, given, expiresAt, scope) =>
      mark(defined({ id, mark: given, expiresAt, scope, isLast: true })),
    async read(ids) {
      if (ids.length === 0) return [];
      return (await nodes.find({ _id: trusted({ $in: [...ids] }) }).lean()).map(toNode);
    },
    async changesSince(change, limit) {
      const head = await heads.read(CHANGES);
      if (!head) return { records: [], until: change };
      floor = Math.max(floor, head.value);
      for (const pending of head.pending) {
        if (!isDead(pending)) continue;
        // Its writer died in between and told no caller that the mark holds. Finishing it does not harm.
        await mark(JSON.parse(pending.note ?? 'null') as Note);
        await heads.withdraw(CHANGES, pending.key);
      }
      const passable = passableOf(head);
      const found = nodes
        .find({ change: trusted({ $gt: change }) })
        .sort({ change: 1 })
        .limit(limit);
      const records = (await found.lean()).map(toNode);
      const last = records.at(-1)?.change ?? change;
      const until = records.length === limit ? Math.min(last, passable) : passable;
      return { records, until: Math.max(change, until) };
    },
    async latestChange() {
      return (await heads.read(CHANGES))?.value ?? 0;
    },
    async settledChange() {
      const head = await heads.read(CHANGES);
      return head ? passableOf(head) : 0;
    },
  };
}
