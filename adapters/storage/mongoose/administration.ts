/** What administration keeps: the directory's nouns, the server's keys, the audit log. */
import { type Model, Types, trusted } from 'mongoose';
import {
  type AuditEntry,
  type AuditLog,
  type Collection,
  Conflict,
  type DirectoryStore,
  type KeyStore,
  type StoredKey,
  VersionConflict,
} from '../../../src/storage/contract.ts';
import {
  type Application,
  type CollectionName,
  type Nouns,
  uniqueKeys,
  withoutRevision,
} from '../../../src/storage/nouns.ts';
import { guarded } from './errors.ts';
import { createRevision, type Heads, type Revision } from './heads.ts';
import type { AuditDocument, KeyDocument, Models, NounDocument } from './schemas.ts';

export const numberOf = (collection: CollectionName): string => `number of ${collection}`;

export function toNounDocument<C extends CollectionName>(collection: C, noun: Nouns[C]): NounDocument {
  const { id, ...rest } = noun;
  const unique: Record<string, string> = {};
  for (const [key, toValue] of Object.entries(uniqueKeys[collection])) {
    const value = (toValue as (noun: Nouns[C]) => string | undefined)(noun);
    if (value !== undefined) unique[key] = value;
  }
  const { jwks } = noun as Partial<Application>;
  return { ...rest, _id: id, unique, ...(jwks && { jwks: JSON.stringify(jwks) }) } as unknown as NounDocument;
}

export function toNoun<C extends CollectionName>({ _id, unique, ...rest }: NounDocument): Nouns[C] {
  const { jwks } = rest;
  return {
    id: _id,
    ...rest,
    ...(typeof jwks === 'string' && { jwks: JSON.parse(jwks) }),
  } as unknown as Nouns[C];
}

function createCollection<C extends CollectionName>(
  name: C,
  model: Model<NounDocument>,
  heads: Heads,
  revision: Revision,
): Collection<Nouns[C]> {
  const changing = <T>(change: () => Promise<T>): Promise<T> =>
    withoutRevision.has(name) ? change() : revision.around(change);
  const find = async (filter: object): Promise<Nouns[C] | undefined> => {
    const document = await guarded(() => model.findOne(filter).lean<NounDocument>());
    return document ? toNoun<C>(document) : undefined;
  };
  const changed = (id: string): VersionConflict =>
    new VersionConflict(`${name} ${id} was changed or removed meanwhile`);

  return {
    get: (id) => find({ _id: id }),
    findBy: (key, value) => find({ [`unique.${key}`]: value }),
    findNumber: (number) => find({ number }),
    async insert(given) {
      // A number that a clash uses up is never given again.
      const number = await heads.next(numberOf(name));
      const noun = { ...given, number, version: 1 } as unknown as Nouns[C];
      await changing(() => guarded(() => model.create(toNounDocument(name, noun))));
      return noun;
    },
    async replace(given) {
      const noun = { ...given, version: given.version + 1 };
      const { matchedCount } = await changing(() =>
        guarded(() =>
          model.replaceOne({ _id: given.id, version: given.version }, toNounDocument(name, noun) as never),
        ),
      );
      if (matchedCount === 0) throw changed(given.id);
      return noun;
    },
    async remove(id, version) {
      const { deletedCount } = await changing(() => guarded(() => model.deleteOne({ _id: id, version })));
      if (deletedCount === 0) throw changed(id);
    },
    async page({ after, limit, organization }) {
      const documents = await guarded(() =>
        model
          .find({
            number: trusted({ $gt: Number(after ?? 0) }),
            ...(organization !== undefined && { organization }),
          })
          .sort({ number: 1 })
          .limit(limit + 1)
          .lean<NounDocument[]>(),
      );
      const items = documents.slice(0, limit).map((document) => toNoun<C>(document));
      return { items, ...(documents.length > limit && { next: String(items.at(-1)?.number) }) };
    },
  };
}

export function createDirectoryStore({ nouns }: Pick<Models, 'nouns'>, heads: Heads): DirectoryStore {
  const revision = createRevision(heads, 'directory revision');
  const collection = <C extends CollectionName>(name: C) =>
    createCollection(name, nouns[name], heads, revision);
  return {
    organizations: collection('organizations'),
    applications: collection('applications'),
    roles: collection('roles'),
    resources: collection('resources'),
    users: collection('users'),
    connections: collection('connections'),
    datasources: collection('datasources'),
    revision: () => revision.read(),
  };
}

export function toKeyDocument({ id, publicJwk, ...rest }: StoredKey): KeyDocument {
  return { ...rest, _id: id, ...(publicJwk && { publicJwk: JSON.stringify(publicJwk) }) };
}

export function toStoredKey({ _id, publicJwk, ...rest }: KeyDocument): StoredKey {
  return { id: _id, ...rest, ...(publicJwk !== undefined && { publicJwk: JSON.parse(publicJwk) }) };
}

export function createKeys({ keys }: Pick<Models, 'keys'>, heads: Heads): KeyStore {
  const revision = createRevision(heads, 'key revision');
  return {
    async list() {
      const documents = await guarded(() => keys.find().sort({ createdAt: 1, _id: 1 }).lean<KeyDocument[]>());
      return documents.map(toStoredKey);
    },
    insert: (key) =>
      revision.around(async () => {
        try {
          await guarded(() => keys.create(toKeyDocument(key)));
          return true;
        } catch (error) {
          if (error instanceof Conflict) return false;
          throw error;
        }
      }),
    replace: (key) =>
      revision.around(async () => {
        await guarded(() => keys.replaceOne({ _id: key.id }, toKeyDocument(key) as never));
      }),
    remove: (id) =>
      revision.around(async () => {
        await guarded(() => keys.deleteOne({ _id: id }));
      }),
    revision: () => revision.read(),
  };
}

export function toAuditDocument({ details, ...entry }: AuditEntry): Omit<AuditDocument, '_id'> {
  return { ...entry, ...(details && { details: JSON.stringify(details) }) };
}

export function toAuditEntry({ _id, details, ...entry }: AuditDocument): AuditEntry {
  return { ...entry, ...(details !== undefined && { details: JSON.parse(details) }) };
}

export function createAudit({ audit }: Pick<Models, 'audit'>): AuditLog {
  return {
    async append(entry) {
      await guarded(() => audit.create(toAuditDocument(entry)));
    },
    async removeBefore(at, limit) {
      const old = await guarded(() =>
        audit
          .find({ at: trusted({ $lt: at }) }, { _id: 1 })
          .sort({ at: 1 })
          .limit(limit)
          .lean<Pick<AuditDocument, '_id'>[]>(),
      );
      if (old.length === 0) return 0;
      const ids = trusted({ $in: old.map(({ _id }) => _id) });
      return (await guarded(() => audit.deleteMany({ _id: ids } as never))).deletedCount;
    },
    async page({ before, limit, organization }) {
      const documents = await guarded(() =>
        audit
          .find({
            ...(before !== undefined && { _id: trusted({ $lt: new Types.ObjectId(before) }) }),
            ...(organization !== undefined && { organization }),
          })
          .sort({ _id: -1 })
          .limit(limit + 1)
          .lean<AuditDocument[]>(),
      );
      const entries = documents
        .slice(0, limit)
        .map((document) => ({ ...toAuditEntry(document), cursor: String(document._id) }));
      const last = entries.at(-1)?.cursor;
      return { entries, ...(documents.length > limit && last !== undefined && { next: last }) };
    },
  };
}
