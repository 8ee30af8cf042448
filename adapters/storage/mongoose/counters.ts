/** The counters of throttling. Each operation changes one document. */
import type { Counters } from '../../../src/storage/contract.ts';
import { after, notAfter } from './fields.ts';
import { insertOnce, setOrInsert } from './one-document.ts';
import type { DocumentOf, Models } from './schemas.ts';

type Window = Pick<DocumentOf<'counters'>, 'points' | 'expiresAt'>;

export function createCounters({ counters }: Pick<Models, 'counters'>): Counters {
  const toWindow = ({ points, expiresAt }: Window) => ({ points, expiresAt: expiresAt.getTime() });
  return {
    async increment(key, points, windowMs, now) {
      const fresh = { points, expiresAt: new Date(now + windowMs) };
      for (;;) {
        // The state before, because every server returns it atomically; for the state after, some return a later one.
        const running = await counters
          .findOneAndUpdate(
            { _id: key, expiresAt: after(now) },
            { $inc: { points } },
            { returnDocument: 'before' },
          )
          .lean();
        if (running) return toWindow({ ...running, points: running.points + points });
        const begun = await counters.updateOne({ _id: key, expiresAt: notAfter(now) }, { $set: fresh });
        if (begun.modifiedCount === 1 || (await insertOnce(() => counters.create({ _id: key, ...fresh })))) {
          return toWindow(fresh);
        }
      }
    },
    async get(key, now) {
      const found = await counters.findOne({ _id: key, expiresAt: after(now) }).lean();
      return found ? toWindow(found) : undefined;
    },
    async set(key, points, expiresAt) {
      const window = { points, expiresAt: new Date(expiresAt) };
      await setOrInsert(
        () => counters.updateOne({ _id: key }, { $set: window }),
        () => counters.create({ _id: key, ...window }),
      );
    },
    async remove(key) {
      await counters.deleteOne({ _id: key });
    },
  };
}
