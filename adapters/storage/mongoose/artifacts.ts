/** The engine's artifacts. Each operation changes one document. */
import { trusted } from 'mongoose';
import type { Artifact, ArtifactStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { after, notAfter, toBuffer } from './fields.ts';
import { insertOnce, setOrInsert } from './one-document.ts';
import type { DocumentOf, Models } from './schemas.ts';

type ArtifactDocument = DocumentOf<'artifacts'>;

export function toArtifact(document: Omit<ArtifactDocument, '_id'>): Artifact {
  return defined({
    payload: JSON.parse(document.payload ?? '{}') as Artifact['payload'],
    expiresAt: document.expiresAt.getTime(),
    consumedAt: document.consumedAt,
  });
}

export function createArtifacts({ artifacts }: Pick<Models, 'artifacts'>): ArtifactStore {
  const find = (model: string, key: Buffer, now: number) =>
    artifacts.findOne({ _id: key, model, expiresAt: after(now) }).lean();

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
      const replaced = await artifacts.updateOne(
        { _id: key, expiresAt: notAfter(now) },
        { $set: document, $unset: { consumedAt: 1, uid: 1 } },
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
      const isUnused = { consumedAt: trusted({ $exists: false }), expiresAt: after(now) };
      const used = await artifacts.updateOne({ _id: key, model, ...isUnused }, { $set: { consumedAt: now } });
      return used.modifiedCount === 1;
    },
    async remove(model, key) {
      await artifacts.deleteOne({ _id: key, model });
    },
  };
}
