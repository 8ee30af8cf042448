/**
 * Numbers that only grow, and what is under way. MongoDB has no transaction over two documents on every server, so
 * a process that writes what others cache or follow first announces it in one document, writes, and withdraws. A reader
 * that finds an announcement knows that the number does not yet cover all that is written.
 */
import { randomUUID } from 'node:crypto';
import type { Model } from 'mongoose';
import { defined } from '../../../src/storage/defined.ts';
import { guarded } from './errors.ts';
import { setOrInsert, updateOrInsert } from './one-document.ts';
import type { HeadDocument } from './schemas.ts';

/** Milliseconds after which the process behind an announcement that was not withdrawn counts as dead. */
const DEAD_AFTER_MS = 30_000;

export interface Announcement {
  readonly key: string;
  /** The number that was given with it. */
  readonly value: number;
}

export type Pending = HeadDocument['pending'][number];

export interface Heads {
  /** Raises the number by one. */
  next(name: string): Promise<number>;
  /** Raises it to at least this. */
  raise(name: string, least: number): Promise<void>;
  read(name: string): Promise<HeadDocument | undefined>;
  announce(name: string, note?: { readonly floor: number; readonly text: string }): Promise<Announcement>;
  withdraw(name: string, key: string): Promise<void>;
  /** Whether its process counts as dead and will not withdraw it. */
  isDead(pending: Pending): boolean;
}

export function createHeads(model: Model<HeadDocument>): Heads {
  /**
   * Raises the number by one.
   * @param pending announced with it
   * @returns the number that this gave
   */
  async function raiseByOne(name: string, pending?: Pending): Promise<number> {
    const change = defined({ $inc: { value: 1 }, $push: pending && { pending } });
    const before = await updateOrInsert(
      // The state before the update, because every server returns it atomically; for the state after, some return a
      // later one.
      async () => {
        const head = await model
          .findOneAndUpdate({ _id: name }, change, { returnDocument: 'before', projection: { value: 1 } })
          .lean();
        return head?.value;
      },
      () => model.create({ _id: name, value: 1, pending: pending ? [pending] : [] }),
    );
    return (before ?? 0) + 1;
  }

  return {
    next: (name) => raiseByOne(name),
    async raise(name, least) {
      await setOrInsert(
        () => model.updateOne({ _id: name }, { $max: { value: least } }),
        () => model.create({ _id: name, value: least, pending: [] }),
      );
    },
    async read(name) {
      return (await guarded(() => model.findOne({ _id: name }).lean())) ?? undefined;
    },
    async announce(name, note) {
      const key = randomUUID();
      const pending = defined({ key, at: Date.now(), floor: note?.floor ?? 0, note: note?.text });
      return { key, value: await raiseByOne(name, pending) };
    },
    async withdraw(name, key) {
      await guarded(() =>
        model.updateOne({ _id: name }, { $inc: { value: 1 }, $pull: { pending: { key } } }),
      );
    },
    isDead: ({ at }) => Math.abs(Date.now() - at) > DEAD_AFTER_MS,
  };
}

export interface Revision {
  /** Grows with every change that was answered, and at each reading while one is under way. */
  read(): Promise<number>;
  /** Runs a change. */
  around<T>(change: () => Promise<T>): Promise<T>;
}

/** A number by which others know that what they have cached still holds. */
export function createRevision(heads: Heads, name: string): Revision {
  let readings = 0;
  return {
    async read() {
      const head = await heads.read(name);
      if (!head) return 0;
      for (const pending of head.pending) if (heads.isDead(pending)) await heads.withdraw(name, pending.key);
      if (head.pending.length === 0) return head.value;
      readings += 1;
      return head.value + 1 - 1 / (readings + 1);
    },
    async around(change) {
      const { key } = await heads.announce(name);
      try {
        return await change();
      } finally {
        await heads.withdraw(name, key);
      }
    },
  };
}
