/**
 * Export and import. Not every MongoDB server offers a snapshot, so the operator stops the writers before an export. An
 * import that fails removes what it wrote.
 */
import type { Model } from 'mongoose';
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
import { createArtifacts, toArtifact } from './artifacts.ts';
import { createAudit, toAuditEntry } from './audit.ts';
import { createCounters } from './counters.ts';
import { numberOf, toNoun, toNounDocument } from './directory.ts';
import { guarded, guardedLong, toStoreError } from './errors.ts';
import { toBuffer } from './fields.ts';
import type { Heads } from './heads.ts';
import { createKeys, toStoredKey } from './keys.ts';
import { CHANGES, toNode } from './nodes.ts';
import { createOutbox, toOutboxRow } from './outbox.ts';
import { createLogins, createShared, createTokens, toLoginRow, toTokenRow } from './rows.ts';
import { type Models, seenAs } from './schemas.ts';

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

function modelsOf(models: Models): Model<object>[] {
  const { nouns, heads: _, ...rest } = models;
  return seenAs<object>(...Object.values(rest), ...Object.values(nouns));
}

async function requireEmpty(models: Models): Promise<void> {
  for (const model of modelsOf(models)) {
    if (await guarded(() => model.exists({}))) {
      throw new StoreNotEmpty();
    }
  }
}

function importStores(models: Models, heads: Heads): ImportStores {
  const shared = createShared(models);
  return {
    artifacts: createArtifacts(models),
    tokens: createTokens(models, shared),
    logins: createLogins(models, shared),
    counters: createCounters(models),
    audit: createAudit(models),
    keys: createKeys(models, heads),
    outbox: createOutbox(models, heads),
    raiseCount: (name, value) => heads.raise(headOf(name), value),
    putNode: ({ id, expiresAt, ...rest }) =>
      models.nodes.create({ _id: id, ...rest, expiresAt: new Date(expiresAt) }),
    putNoun: (record) => models.nouns[record.kind].create(toNounDocument(record)),
  };
}

export function createDump(models: Models, heads: Heads): Dump {
  return {
    export: () => readAll(models, heads),
    async import(records) {
      await requireEmpty(models);
      const stores = importStores(models, heads);
      try {
        for await (const record of records) await guarded(() => putRecord(stores, record));
        for (const name of ['key revision', 'directory revision']) await heads.next(name);
      } catch (error) {
        for (const model of modelsOf(models)) await guardedLong(() => model.deleteMany({}));
        throw error;
      }
    },
  };
}
