/** The counters of throttling. Each operation changes one document. */
import type { Counters } from '../../../src/storage/contract.ts';
import { guarded } from './errors.ts';
import { after, notAfter } from './fields.ts';
import { insertOnce, setOrInsert } from './one-document.ts';
import type { CounterDocument, Models } from './schemas.ts';

export function createCounters({ counters }: Pick<Models, 'counters'>): Counters {
  const toWindow = ({ points, expiresAt }: CounterDocument) => ({ points, expiresAt: expiresAt.getTime() });
  return {
    async increment(key, points, windowMs, now) {
      const fresh = { points, expiresAt: new Date(now + windowMs) };
      for (;;) {
        // The state before, because every server returns it atomically; for the state after, some return a later one.
        const running = await guarded(() =>
          counters
            .findOneAndUpdate(
              { _id: key, expiresAt: after(now) },
              { $inc: { points } },
              { returnDocument: 'before' },
            )
            .lean<CounterDocument>(),
        );
        if (running) return toWindow({ ...running, points: running.points + points });
        const begun = await guarded(() =>
          counters.updateOne({ _id: key, expiresAt: notAfter(now) }, { $set: fresh }),
        );
        if (begun.modifiedCount === 1 || (await insertOnce(() => counters.create({ _id: key, ...fresh })))) {
          return toWindow({ _id: key, ...fresh });
        }
      }
    },
    async get(key, now) {
      const found = await guarded(() =>
        counters.findOne({ _id: key, expiresAt: after(now) }).lean<CounterDocument>(),
      );
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
      await guarded(() => counters.deleteOne({ _id: key }));
    },
  };
}
