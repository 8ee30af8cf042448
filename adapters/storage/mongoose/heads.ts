/**
 * Numbers that only grow, and what is under way. MongoDB has no transaction over two documents on every server, so
 * a process that writes what others cache or follow first announces it in one document, writes, and withdraws. A reader
 * that finds an announcement knows that the number does not yet cover all that is written.
 */
import { randomUUID } from 'node:crypto';
import { type Model, trusted } from 'mongoose';
import type { DirectoryChanges } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { guarded } from './errors.ts';
import { setOrInsert, updateOrInsert } from './one-document.ts';
import type { HeadDocument, LoggedChange } from './schemas.ts';

/** Milliseconds after which the process behind an announcement that was not withdrawn counts as dead. */
const DEAD_AFTER_MS = 30_000;

/** Changes that a head's log keeps: it is a part of the document that each change writes. */
const LOG_KEPT = 200;

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
  /** Without the log. */
  read(name: string): Promise<HeadDocument | undefined>;
  readLog(name: string): Promise<HeadDocument | undefined>;
  announce(name: string, note?: { readonly floor: number; readonly text: string }): Promise<Announcement>;
  /** The announcement and its entry in the log are one write. */
  announceLogged(name: string, change: Omit<LoggedChange, 'key'>): Promise<Announcement>;
  withdraw(name: string, key: string): Promise<void>;
  /** Whether its process counts as dead and will not withdraw it. */
  isDead(pending: Pending): boolean;
}

export function createHeads(model: Model<HeadDocument>): Heads {
  /**
   * Raises the number by one.
   * @param with what comes with it
   * @returns the number that this gave
   */
  async function raiseByOne(
    name: string,
    { pending, logged }: { readonly pending?: Pending; readonly logged?: LoggedChange } = {},
  ): Promise<number> {
    const change = defined({
      $inc: { value: 1, ...(logged && { ownSteps: 1, logged: 1 }) },
      $push: pending && defined({ pending, log: logged && trusted({ $each: [logged], $slice: -LOG_KEPT }) }),
    });
    const before = await updateOrInsert(
      // The state before the update, because every server returns it atomically; for the state after, some return a
      // later one.
      async () => {
        const head = await model
          .findOneAndUpdate({ _id: name }, change, { returnDocument: 'before', projection: { value: 1 } })
          .lean();
        return head?.value;
      },
      () =>
        model.create({
          _id: name,
          value: 1,
          pending: pending ? [pending] : [],
          ...(logged && { ownSteps: 1, logged: 1, log: [logged] }),
        }),
    );
    return (before ?? 0) + 1;
  }

  const toPending = (note?: { readonly floor: number; readonly text: string }): Pending =>
    defined({ key: randomUUID(), at: Date.now(), floor: note?.floor ?? 0, note: note?.text });

  return {
    next: (name) => raiseByOne(name),
    async raise(name, least) {
      await setOrInsert(
        () => model.updateOne({ _id: name }, { $max: { value: least } }),
        () => model.create({ _id: name, value: least, pending: [] }),
      );
    },
    async read(name) {
      return (await guarded(() => model.findOne({ _id: name }, { log: 0 }).lean())) ?? undefined;
    },
    async readLog(name) {
      return (await guarded(() => model.findOne({ _id: name }).lean())) ?? undefined;
    },
    async announce(name, note) {
      const pending = toPending(note);
      return { key: pending.key, value: await raiseByOne(name, { pending }) };
    },
    async announceLogged(name, change) {
      const pending = toPending();
      const { key } = pending;
      return { key, value: await raiseByOne(name, { pending, logged: { key, ...change } }) };
    },
    async withdraw(name, key) {
      await guarded(() =>
        model.updateOne({ _id: name }, { $inc: { value: 1, ownSteps: 1 }, $pull: { pending: { key } } }),
      );
    },
    isDead: ({ at }) => Math.abs(Date.now() - at) > DEAD_AFTER_MS,
  };
}

export interface Revision {
  /** Grows with every change that was answered, and at each reading while one is under way. */
  read(): Promise<number>;
  /** Runs a change. @param logged what the log says of it */
  around<T>(change: () => Promise<T>, logged?: Omit<LoggedChange, 'key'>): Promise<T>;
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
      // Above the number before the change and below the one after it, and another one at each reading: what is cached under
      // it is read again.
      readings += 1;
      return head.value + 1 - 1 / (readings + 1);
    },
    async around(change, logged) {
      const { key } = logged ? await heads.announceLogged(name, logged) : await heads.announce(name);
      try {
        return await change();
      } finally {
        await heads.withdraw(name, key);
      }
    },
  };
}

/**
 * The entries after the cursor, and those that were under way there. A cursor is how many entries were settled, and how many
 * steps of the number came without an entry: an import, or a process of an earlier version, which has no log.
 */
export async function readLog(heads: Heads, name: string, cursor?: string): Promise<DirectoryChanges> {
  const { value = 0, pending = [], ownSteps = 0, logged = 0, log = [] } = (await heads.readLog(name)) ?? {};
  const unlogged = value - ownSteps;
  const forgotten = logged - log.length;
  const settled = Math.min(
    logged,
    // A change under way that the log does not have leads to a cursor that it does not reach back to.
    ...pending.map(({ key }) => {
      const at = log.findIndex((entry) => entry.key === key);
      return at === -1 ? forgotten - 1 : forgotten + at;
    }),
  );
  const next = `${unlogged}/${settled}`;
  const [unloggedBefore, settledBefore] = (cursor ?? '').split('/').map(Number);
  const reachesBack =
    cursor !== undefined &&
    unloggedBefore === unlogged &&
    settledBefore !== undefined &&
    settledBefore >= forgotten;
  if (!reachesBack) return { cursor: next };
  const changes = log.slice(settledBefore - forgotten).map(({ key: _, ...change }) => change);
  return { changes, cursor: next };
}
