/**
 * Export and import. Not every MongoDB server offers a snapshot, so the operator stops the writers before an export. An
 * import that fails removes what it wrote.
 */
import type { Connection, Model } from 'mongoose';
import { COLLECTIONS } from '../../../src/nouns/index.ts';
import { defined } from '../../../src/storage/defined.ts';
import {
  type CountName,
  type Dump,
  type DumpRecord,
  StoreNotEmpty,
  toBytes,
  toLoginRecord,
  toOutboxRecord,
} from '../../../src/storage/dump.ts';
import { type ImportStores, putRecord } from '../../../src/storage/put-record.ts';
import { toArtifact } from './artifacts.ts';
import { toAuditEntry } from './audit.ts';
import { numberOf, REVISION, toNoun, toNounDocument } from './directory.ts';
import { guarded, guardedLong, toStoreError } from './errors.ts';
import { toBuffer } from './fields.ts';
import type { Heads } from './heads.ts';
import { KEY_REVISION, toStoredKey } from './keys.ts';
import { CHANGES, toNode } from './nodes.ts';
import { toOutboxRow } from './outbox.ts';
import { createShared, toLoginRow, toTokenRow } from './rows.ts';
import type { Models } from './schemas.ts';
import { createStores } from './stores.ts';

const headOf = (name: CountName): string => (name === 'changes' ? CHANGES : numberOf(name));

async function* all<T>(model: Model<T>, sort: Record<string, 1>): AsyncGenerator<T> {
  try {
    yield* model.find().sort(sort).lean<T[]>().cursor();
  } catch (error) {
    throw toStoreError(error);
  }
}

async function* readAll(models: Models, heads: Heads): AsyncGenerator<DumpRecord> {
  const shared = createShared(models);
  for await (const key of all(models.keys, { createdAt: 1, _id: 1 })) {
    yield { kind: 'keys', row: toStoredKey(key) };
  }
  for (const name of [...COLLECTIONS, 'changes'] as const) {
    const head = await heads.read(headOf(name));
    if (head) yield { kind: 'counts', name, value: head.value };
  }
  for (const kind of COLLECTIONS) {
    for await (const document of all(models.nouns[kind], { number: 1 })) {
      yield { kind, row: toNoun(document) } as DumpRecord;
    }
  }
  for await (const node of all(models.nodes, { change: 1 })) yield { kind: 'nodes', row: toNode(node) };
  for await (const token of all(models.tokens, { _id: 1 })) {
    yield {
      kind: 'tokens',
      key: toBytes(toBuffer(token._id)),
      row: toTokenRow(token, await shared.partOf(token)),
    };
  }
  for await (const document of all(models.logins, { _id: 1 })) {
    yield toLoginRecord(toLoginRow(document, await shared.partOf(document)));
  }
  for await (const document of all(models.artifacts, { _id: 1 })) {
    // An import creates the pointers again.
    if (document.payload === undefined) continue;
    yield defined({
      kind: 'artifacts',
      model: document.model,
      key: toBytes(toBuffer(document._id)),
      uid: document.uid && toBytes(toBuffer(document.uid)),
      row: toArtifact(document),
    });
  }
  for await (const { _id, points, expiresAt } of all(models.counters, { _id: 1 })) {
    yield { kind: 'counters', key: _id, points, expiresAt: expiresAt.getTime() };
  }
  for await (const entry of all(models.audit, { _id: 1 })) yield { kind: 'audit', row: toAuditEntry(entry) };
  for await (const document of all(models.outbox, { position: 1 })) {
    if (document.nextAt !== undefined) yield toOutboxRecord(toOutboxRow(document));
  }
}

function importStores(models: Models, heads: Heads): ImportStores {
  return {
    ...createStores(models, heads, createShared(models)),
    raiseCount: (name, value) => heads.raise(headOf(name), value),
    putNode: ({ id, expiresAt, ...rest }) =>
      models.nodes.create({ _id: id, ...rest, expiresAt: new Date(expiresAt) }),
    putNoun: (record) => models.nouns[record.kind].create(toNounDocument(record)),
  };
}

export function createDump({ models: all }: Connection, models: Models, heads: Heads): Dump {
  const filled = Object.values(all).filter((model) => model !== models.heads);
  return {
    export: () => readAll(models, heads),
    async import(records) {
      for (const model of filled) if (await guarded(() => model.exists({}))) throw new StoreNotEmpty();
      const stores = importStores(models, heads);
      try {
        for await (const record of records) await guarded(() => putRecord(stores, record));
        for (const name of [KEY_REVISION, REVISION]) await heads.next(name);
      } catch (error) {
        for (const model of filled) await guardedLong(() => model.deleteMany({}));
        throw error;
      }
    },
  };
}
