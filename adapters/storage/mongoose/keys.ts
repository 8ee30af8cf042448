/** The server's keys. */
import type { KeyStore, StoredKey } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { parseOptional } from './fields.ts';
import { createRevision, type Heads } from './heads.ts';
import { insertOnce } from './one-document.ts';
import type { DocumentOf, Models } from './schemas.ts';

type KeyDocument = DocumentOf<'keys'>;

function toKeyDocument({ id, publicJwk, ...rest }: StoredKey): KeyDocument {
  return { ...rest, _id: id, ...defined({ publicJwk: publicJwk && JSON.stringify(publicJwk) }) };
}

export function toStoredKey({ _id, publicJwk, ...rest }: KeyDocument): StoredKey {
  return { id: _id, ...rest, ...defined({ publicJwk: parseOptional(publicJwk) }) };
}

export const KEY_REVISION = 'key revision';

export function createKeys({ keys }: Pick<Models, 'keys'>, heads: Heads): KeyStore {
  const revision = createRevision(heads, KEY_REVISION);
  return {
    list: async () => (await keys.find().sort({ createdAt: 1, _id: 1 }).lean()).map(toStoredKey),
    insert: (key) => revision.around(() => insertOnce(() => keys.create(toKeyDocument(key)))),
    replace: (key) =>
      revision.around(async () => {
        await keys.replaceOne({ _id: key.id }, toKeyDocument(key));
      }),
    remove: (id) =>
      revision.around(async () => {
        await keys.deleteOne({ _id: id });
      }),
    revision: revision.read,
  };
}
