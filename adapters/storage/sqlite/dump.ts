/** Export and import, each on a connection of its own, so that a long transaction does not block other requests. */
import { DatabaseSync } from 'node:sqlite';
import { COLLECTIONS } from '../../../src/nouns/index.ts';
import { Conflict } from '../../../src/storage/contract.ts';
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
import { KnownShared, type SharedPart } from '../../../src/storage/row-documents.ts';
import { toArtifact } from './artifacts.ts';
import { putNoun } from './directory.ts';
import { isConstraint, toStoreError } from './errors.ts';
import { putNode, toNode } from './nodes.ts';
import { toOutboxRow } from './outbox.ts';
import { toLogin, toToken } from './rows.ts';
import { createStatements, type Row, type Statements, type Values } from './statements.ts';
import { createStores } from './stores.ts';

const TABLES = ['artifacts', 'tokens', 'logins', 'nodes', 'counters', 'audit', 'keys', 'nouns', 'outbox'];
/** Milliseconds that the lock is waited for. */
const PATIENCE = 5_000;

const sequenceOf = (name: CountName): string => (name === 'changes' ? 'node change' : `number of ${name}`);
const parse = (text: unknown) => JSON.parse(String(text));
const bytes = (value: unknown): string => toBytes(value as Uint8Array);

/** @param path of the open store's file */
export function createDump(path: string): Dump {
  return {
    async *export() {
      const connection = new DatabaseSync(path, { readOnly: true, timeout: PATIENCE });
      try {
        connection.exec('BEGIN');
        yield* readAll(connection);
      } catch (error) {
        throw toStoreError(error);
      } finally {
        connection.close();
      }
    },

    async import(records) {
      const connection = new DatabaseSync(path, { timeout: PATIENCE });
      try {
        connection.exec('PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
        const statements = createStatements(connection);
        for (const table of TABLES) {
          if (statements.get(`SELECT 1 FROM ${table} LIMIT 1`)) throw new StoreNotEmpty();
        }
        const stores = importStores(statements);
        for await (const record of records) await putOnce(stores, record);
        for (const name of ['key revision', 'directory revision']) statements.next(name);
        connection.exec('COMMIT');
      } catch (error) {
        throw toStoreError(error);
      } finally {
        // What is not committed is undone.
        connection.close();
      }
    },
  };
}

function* readAll(connection: DatabaseSync): Generator<DumpRecord> {
  const rows = (sql: string, values: Values = []) =>
    connection.prepare(sql).iterate(...values) as IterableIterator<Row>;
  for (const { document } of rows('SELECT document FROM keys ORDER BY position')) {
    yield { kind: 'keys', row: parse(document) };
  }
  for (const name of [...COLLECTIONS, 'changes'] as const) {
    for (const { value } of rows('SELECT value FROM sequences WHERE name = ?', [sequenceOf(name)])) {
      yield { kind: 'counts', name, value: Number(value) };
    }
  }
  for (const kind of COLLECTIONS) {
    for (const { document } of rows('SELECT document FROM nouns WHERE collection = ? ORDER BY number', [
      kind,
    ])) {
      yield { kind, row: parse(document) };
    }
  }
  for (const row of rows('SELECT * FROM nodes ORDER BY change')) {
    yield { kind: 'nodes', row: toNode(row) };
  }
  const known = new KnownShared<number>();
  const withShared = (table: string) =>
    rows(
      `SELECT ${table}.*, shared_documents.document AS shared_document FROM ${table}
       LEFT JOIN shared_documents ON number = shared ORDER BY ${table}.rowid`,
    );
  const sharedOf = ({ shared, shared_document: document }: Row): SharedPart => {
    const number = Number(shared);
    return known.part(number) ?? known.remember(number, document === null ? undefined : String(document));
  };
  for (const row of withShared('tokens')) {
    yield { kind: 'tokens', key: bytes(row.key), row: toToken(row, sharedOf(row)) };
  }
  for (const row of withShared('logins')) {
    yield toLoginRecord(toLogin(row, sharedOf(row)));
  }
  for (const row of rows('SELECT * FROM artifacts')) {
    yield defined({
      kind: 'artifacts',
      model: String(row.model),
      key: bytes(row.key),
      uid: row.uid === null ? undefined : bytes(row.uid),
      row: toArtifact(row),
    });
  }
  for (const row of rows('SELECT * FROM counters')) {
    yield {
      kind: 'counters',
      key: String(row.key),
      points: Number(row.points),
      expiresAt: Number(row.expires_at),
    };
  }
  for (const { entry } of rows('SELECT entry FROM audit ORDER BY cursor'))
    yield { kind: 'audit', row: parse(entry) };
  for (const row of rows('SELECT * FROM outbox WHERE next_at IS NOT NULL ORDER BY position'))
    yield toOutboxRecord(toOutboxRow(row));
}

/** @throws Conflict when the row, or a name that only one may have, was written already */
async function putOnce(stores: ImportStores, record: DumpRecord): Promise<void> {
  try {
    await putRecord(stores, record);
  } catch (error) {
    throw isConstraint(error) ? new Conflict(record.kind) : error;
  }
}

/** @param statements of a connection in a transaction */
function importStores(statements: Statements): ImportStores {
  const { run } = statements;
  const write = async <T>(work: () => T): Promise<T> => work();
  return {
    ...createStores({ ...statements, write, writeAll: write }),
    raiseCount: (name, value) =>
      run('INSERT INTO sequences VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = max(value, ?2)', [
        sequenceOf(name),
        value,
      ]),
    putNode: (node) => putNode(statements, node),
    putNoun: ({ kind, row }) => putNoun(statements, kind, row),
  };
}
