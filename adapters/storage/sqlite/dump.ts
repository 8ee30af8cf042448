/** Export and import, each on a connection of its own, so that a long transaction does not block other requests. */
import { DatabaseSync } from 'node:sqlite';
import { COLLECTIONS, type CollectionName } from '../../../src/nouns/index.ts';
import { Conflict } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import {
  type Dump,
  type DumpRecord,
  fromBytes,
  type NounRecord,
  StoreNotEmpty,
  toBytes,
} from '../../../src/storage/dump.ts';
import {
  encodeLogin,
  encodeToken,
  KnownShared,
  type SharedPart,
} from '../../../src/storage/row-documents.ts';
import { toArtifact } from './artifacts.ts';
import { isConstraint, toStoreError } from './errors.ts';
import { toNode } from './nodes.ts';
import { putKeys } from './noun-keys.ts';
import { putLogin, putShared, putToken, toLogin, toToken } from './rows.ts';
import { createStatements, type Row, type Values } from './statements.ts';

const TABLES = ['artifacts', 'tokens', 'logins', 'nodes', 'counters', 'audit', 'keys', 'nouns'];
/** Milliseconds that the lock is waited for. */
const PATIENCE = 5_000;

const sequenceOf = (name: CollectionName | 'changes'): string =>
  name === 'changes' ? 'node change' : `number of ${name}`;
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
        requireEmpty(connection);
        const write = createWriter(connection);
        for await (const record of records) writeOnce(record, write);
        for (const name of ['key revision', 'directory revision']) raise(connection, name);
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
    const { current, previous, ...login } = toLogin(row, sharedOf(row));
    yield {
      kind: 'logins',
      row: { ...login, ...defined({ current: bytes(current), previous: previous && bytes(previous) }) },
    };
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
}

/** @throws Conflict when the row, or a name that only one may have, was written already */
function writeOnce(record: DumpRecord, write: (record: DumpRecord) => void): void {
  try {
    write(record);
  } catch (error) {
    throw isConstraint(error) ? new Conflict(record.kind) : error;
  }
}

function requireEmpty(connection: DatabaseSync): void {
  for (const table of TABLES) {
    if (connection.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get()) {
      throw new StoreNotEmpty();
    }
  }
}

function raise(connection: DatabaseSync, sequence: string, least = 0): void {
  connection
    .prepare(
      'INSERT INTO sequences VALUES (?1, max(1, ?2)) ON CONFLICT (name) DO UPDATE SET value = max(value + 1, ?2)',
    )
    .run(sequence, least);
}

function createWriter(connection: DatabaseSync): (record: DumpRecord) => void {
  const statements = createStatements(connection);
  const { run } = statements;

  function writeNoun<C extends CollectionName>({ kind: collection, row: noun }: NounRecord<C>): void {
    const { organization = null } = noun as { organization?: string };
    run(
      'INSERT INTO nouns (collection, id, number, version, organization, document) VALUES (?, ?, ?, ?, ?, ?)',
      [collection, noun.id, noun.number, noun.version, organization, JSON.stringify(noun)],
    );
    putKeys(statements, collection, noun);
  }

  return (record) => {
    switch (record.kind) {
      case 'keys':
        run('INSERT INTO keys (id, document) VALUES (?, ?)', [record.row.id, JSON.stringify(record.row)]);
        break;
      case 'counts':
        run('INSERT INTO sequences VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = max(value, ?2)', [
          sequenceOf(record.name),
          record.value,
        ]);
        break;
      case 'nodes': {
        const { id, revokedAt, restoredAt, narrowedAt, expiresAt, change, organization, resource } =
          record.row;
        run(
          `INSERT INTO nodes (id, revoked_at, restored_at, narrowed_at, expires_at, change, organization, resource)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
          [
            id,
            revokedAt ?? null,
            restoredAt ?? null,
            narrowedAt ?? null,
            expiresAt,
            change,
            organization ?? null,
            resource ?? null,
          ],
        );
        break;
      }
      case 'tokens': {
        const documents = encodeToken(record.row);
        const shared = putShared(statements, documents);
        putToken(statements, fromBytes(record.key), record.row, documents, shared);
        break;
      }
      case 'logins': {
        const { current, previous, ...rest } = record.row;
        const hashes = defined({
          current: fromBytes(current),
          previous: previous === undefined ? undefined : fromBytes(previous),
        });
        const login = { ...rest, ...hashes };
        const documents = encodeLogin(login);
        putLogin(statements, login, documents, putShared(statements, documents));
        break;
      }
      case 'artifacts': {
        const { payload, expiresAt, consumedAt } = record.row;
        run(
          'INSERT INTO artifacts (key, model, payload, expires_at, consumed_at, uid) VALUES (?, ?, ?, ?, ?, ?)',
          [
            fromBytes(record.key),
            record.model,
            JSON.stringify(payload),
            expiresAt,
            consumedAt ?? null,
            record.uid === undefined ? null : fromBytes(record.uid),
          ],
        );
        break;
      }
      case 'counters':
        run('INSERT INTO counters VALUES (?, ?, ?)', [record.key, record.points, record.expiresAt]);
        break;
      case 'audit':
        run('INSERT INTO audit (organization, entry) VALUES (?, ?)', [
          record.row.organization ?? null,
          JSON.stringify(record.row),
        ]);
        break;
      default:
        writeNoun(record);
    }
  };
}
