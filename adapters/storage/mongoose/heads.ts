/**
 * Numbers that only grow, and what is under way. MongoDB has no transaction over two documents on every server, so
 * a process that writes what others cache or follow first announces it in one document, writes, and withdraws. A reader
 * that finds an announcement knows that the number does not yet cover all that is written.
 */
import { randomUUID } from 'node:crypto';
import { type Model, trusted } from 'mongoose';
import type { DirectoryChanges } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { guardEach, guarded } from './errors.ts';
import { setOrInsert, updateOrInsert } from './one-document.ts';
import type { HeadDocument, LoggedChange } from './schemas.ts';

/** Milliseconds after which the process behind an announcement that was not withdrawn counts as dead. */
const DEAD_AFTER_MS = 30_000;

/** Changes that a head's log keeps: it is a part of the document that each change writes. */
const LOG_KEPT = 200;

type Pending = HeadDocument['pending'][number];

type Change = Omit<LoggedChange, 'key'>;

/** What is announced: a change for the log, or a note from which another process can finish the write. */
interface Announced {
  readonly logged?: Change;
  readonly note?: string;
  readonly floor?: number;
}

/** Whether its process counts as dead and will not withdraw it. */
export const isDead = ({ at }: Pending): boolean => Math.abs(Date.now() - at) > DEAD_AFTER_MS;

export type Heads = ReturnType<typeof createHeads>;

export function createHeads(model: Model<HeadDocument>) {
  /** @returns the number that this gave */
  async function raiseByOne(name: string, pending?: Pending, logged?: LoggedChange): Promise<number> {
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

  return guardEach({
    /** Raises the number by one. */
    next: (name: string): Promise<number> => raiseByOne(name),
    /** Raises it to at least this. */
    raise: (name: string, least: number): Promise<void> =>
      setOrInsert(
        () => model.updateOne({ _id: name }, { $max: { value: least } }),
        () => model.create({ _id: name, value: least, pending: [] }),
      ),
    /** Without the log. */
    read: async (name: string): Promise<HeadDocument | undefined> =>
      (await model.findOne({ _id: name }, { log: 0 }).lean()) ?? undefined,
    readLog: async (name: string): Promise<HeadDocument | undefined> =>
      (await model.findOne({ _id: name }).lean()) ?? undefined,
    /**
     * The announcement and its entry in the log are one write.
     * @returns its key, and the number that was given with it
     */
    async announce(name: string, { logged, note, floor = 0 }: Announced = {}) {
      const key = randomUUID();
      const pending = defined({ key, at: Date.now(), floor, note });
      return { key, value: await raiseByOne(name, pending, logged && { key, ...logged }) };
    },
    async withdraw(name: string, key: string): Promise<void> {
      await model.updateOne({ _id: name }, { $inc: { value: 1, ownSteps: 1 }, $pull: { pending: { key } } });
    },
  });
}

export type Revision = ReturnType<typeof createRevision>;

/** A number by which others know that what they have cached still holds. */
export function createRevision(heads: Heads, name: string) {
  let readings = 0;
  return {
    /** Grows with every change that was answered, and at each reading while one is under way. */
    async read(): Promise<number> {
      const head = await heads.read(name);
      if (!head) return 0;
      for (const pending of head.pending) if (isDead(pending)) await heads.withdraw(name, pending.key);
      if (head.pending.length === 0) return head.value;
      // Above the number before the change and below the one after it, and another one at each reading: what is cached under
      // it is read again.
      readings += 1;
      return head.value + 1 - 1 / (readings + 1);
    },
    /** Runs a change. @param logged what the log says of it */
    async around<T>(change: () => PromiseLike<T>, logged?: Change): Promise<T> {
      const { key } = await heads.announce(name, defined({ logged }));
      try {
        // On its own, so that the announcement of a change that never ends is withdrawn.
        return await guarded(change);
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
