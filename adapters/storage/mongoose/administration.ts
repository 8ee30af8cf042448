/** The server's keys and the audit log. */
import { Types, trusted } from 'mongoose';
import {
  type AuditEntry,
  type AuditLog,
  Conflict,
  type KeyStore,
  type StoredKey,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { guarded } from './errors.ts';
import { createRevision, type Heads } from './heads.ts';
import type { AuditDocument, KeyDocument, Models } from './schemas.ts';

function parseOptional(json: string | undefined): Record<string, unknown> | undefined {
  return json === undefined ? undefined : JSON.parse(json);
}

function toKeyDocument({ id, publicJwk, ...rest }: StoredKey): KeyDocument {
  return { ...rest, _id: id, ...defined({ publicJwk: publicJwk && JSON.stringify(publicJwk) }) };
}

export function toStoredKey({ _id, publicJwk, ...rest }: KeyDocument): StoredKey {
  return { id: _id, ...rest, ...defined({ publicJwk: parseOptional(publicJwk) }) };
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
        await guarded(() => keys.replaceOne({ _id: key.id }, toKeyDocument(key)));
      }),
    remove: (id) =>
      revision.around(async () => {
        await guarded(() => keys.deleteOne({ _id: id }));
      }),
    revision: () => revision.read(),
  };
}

function toAuditDocument({ details, ...entry }: AuditEntry): Omit<AuditDocument, '_id'> {
  return { ...entry, ...defined({ details: details && JSON.stringify(details) }) };
}

export function toAuditEntry({ _id, details, ...entry }: AuditDocument): AuditEntry {
  return { ...entry, ...defined({ details: parseOptional(details) }) };
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
      return (await guarded(() => audit.deleteMany({ _id: ids }))).deletedCount;
    },
    async page({ before, limit, organization }) {
      const documents = await guarded(() =>
        audit
          .find(
            defined({
              _id: before === undefined ? undefined : trusted({ $lt: new Types.ObjectId(before) }),
              organization,
            }),
          )
          .sort({ _id: -1 })
          .limit(limit + 1)
          .lean<AuditDocument[]>(),
      );
      const entries = documents
        .slice(0, limit)
        .map((document) => ({ ...toAuditEntry(document), cursor: String(document._id) }));
      return defined({ entries, next: documents.length > limit ? entries.at(-1)?.cursor : undefined });
    },
  };
}
