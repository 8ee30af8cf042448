/** The engine's artifacts, and counters. Each operation changes one document. */
import { trusted } from 'mongoose';
import type { Artifact, ArtifactStore, Counters } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { guarded } from './errors.ts';
import { insertOnce, setOrInsert } from './one-document.ts';
import type { ArtifactDocument, CounterDocument, Models } from './schemas.ts';

export const after = (now: number) => trusted({ $gt: new Date(now) });
const notAfter = (now: number) => trusted({ $lte: new Date(now) });

/** The driver has its own type for bytes. */
export const toBuffer = (bytes: unknown): Buffer => {
  const { buffer } = bytes as { buffer?: unknown };
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from((Buffer.isBuffer(buffer) ? buffer : bytes) as Uint8Array);
};

export function toArtifact(document: ArtifactDocument): Artifact {
  return defined({
    payload: JSON.parse(document.payload ?? '{}') as Artifact['payload'],
    expiresAt: document.expiresAt.getTime(),
    consumedAt: document.consumedAt,
  });
}

export function createArtifacts({ artifacts }: Pick<Models, 'artifacts'>): ArtifactStore {
  const find = (model: string, key: Buffer, now: number) =>
    guarded(() => artifacts.findOne({ _id: key, model, expiresAt: after(now) }).lean<ArtifactDocument>());

  return {
    async upsert(model, key, { payload, expiresAt, consumedAt }, lookups) {
      const uid = lookups?.uid;
      const fields = {
        model,
        payload: JSON.stringify(payload),
        expiresAt: new Date(expiresAt),
        ...defined({ uid, consumedAt }),
      };
      const put = (id: Buffer, set: Omit<ArtifactDocument, '_id'>, $unset?: { uid: 1 }) =>
        setOrInsert(
          () => artifacts.updateOne({ _id: id }, defined({ $set: set, $unset })),
          () => artifacts.create({ _id: id, ...set }),
        );
      await put(key, fields, uid ? undefined : { uid: 1 });
      // A document of its own, so that the second key finds its shard as the first one does.
      if (uid) await put(uid, { model, target: key, expiresAt: fields.expiresAt });
    },
    async insert(model, key, { payload, expiresAt }, now) {
      const document = { model, payload: JSON.stringify(payload), expiresAt: new Date(expiresAt) };
      if (await insertOnce(() => artifacts.create({ _id: key, ...document }))) return true;
      // Exactly one caller may replace an expired one.
      const replaced = await guarded(() =>
        artifacts.updateOne(
          { _id: key, expiresAt: notAfter(now) },
          { $set: document, $unset: { consumedAt: 1, uid: 1 } },
        ),
      );
      return replaced.modifiedCount === 1;
    },
    async find(model, key, now) {
      const document = await find(model, key, now);
      return document?.payload === undefined ? undefined : toArtifact(document);
    },
    async findByUid(model, uid, now) {
      const pointer = await find(model, uid, now);
      const document = pointer?.target && (await find(model, toBuffer(pointer.target), now));
      return document?.uid && toBuffer(document.uid).equals(uid) ? toArtifact(document) : undefined;
    },
    async consume(model, key, now) {
      const { modifiedCount } = await guarded(() =>
        artifacts.updateOne(
          { _id: key, model, consumedAt: trusted({ $exists: false }), expiresAt: after(now) },
          { $set: { consumedAt: now } },
        ),
      );
      return modifiedCount === 1;
    },
    async remove(model, key) {
      await guarded(() => artifacts.deleteOne({ _id: key, model }));
    },
  };
}

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
