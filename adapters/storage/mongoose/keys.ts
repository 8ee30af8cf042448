/** The server's keys. */
import { Conflict, type KeyStore, type StoredKey } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { guarded } from './errors.ts';
import { parseOptional } from './fields.ts';
import { createRevision, type Heads } from './heads.ts';
import type { KeyDocument, Models } from './schemas.ts';

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
