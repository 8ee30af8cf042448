/** Tokens and logins, each in an own document and a shared one (`src/storage/row-documents.ts`). */
import type {
  LoginRow,
  LoginStore,
  Page,
  RowPage,
  TokenRow,
  TokenStore,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import {
  decodeRow,
  encodeLogin,
  encodeToken,
  hashShared,
  type KnownShared,
  type RowDocuments,
  type SharedPart,
} from '../../../src/storage/row-documents.ts';
import { countRows } from './count-rows.ts';
import type { Transactions } from './database.ts';
import { numberOf } from './id-numbers.ts';
import { optionalNumber, type Row, type Statements } from './statements.ts';

/** Writes it, or has it kept longer. @returns its number, which no other ever gets */
function putShared(statements: Statements, { shared, keptUntil }: RowDocuments): number {
  const row = statements.get(
    `INSERT INTO shared_documents (hash, expires_at, document) VALUES (?, ?, ?)
     ON CONFLICT (hash) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at) RETURNING number`,
    [hashShared(shared), keptUntil, shared],
  );
  return Number(row?.number);
}

/**
 * A sweep by a clock that was ahead may have removed a shared document that a process remembers.
 * @param shared number of its shared document @returns whether that is there; if not, nothing was written
 */
function putToken(
  statements: Statements,
  key: Buffer,
  { expiresAt, application, user, connection, parent, login }: TokenRow,
  { own }: RowDocuments,
  shared: number,
): boolean {
  const written = statements.run(
    `INSERT INTO tokens (key, expires_at, shared, application, user, connection, parent, login, document)
     SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM shared_documents WHERE number = ?)`,
    [
      key,
      expiresAt,
      shared,
      numberOf(application),
      numberOf(user),
      numberOf(connection),
      numberOf(parent),
      numberOf(login),
      own,
      shared,
    ],
  );
  return written === 1;
}

/** @param shared number of its shared document @returns whether that is there; if not, nothing was written */
function putLogin(
  statements: Statements,
  { id, expiresAt, current, previous, rotatedAt, origin, application, user }: LoginRow,
  { own }: RowDocuments,
  shared: number,
): boolean {
  const whose = [numberOf(origin), numberOf(application), numberOf(user)];
  const written = statements.run(
    `INSERT INTO logins
       (id, expires_at, current, previous, rotated_at, shared, origin, application, user, document)
     SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM shared_documents WHERE number = ?)`,
    [id, expiresAt, current, previous ?? null, rotatedAt ?? null, shared, ...whose, own, shared],
  );
  return written === 1;
}

export function toToken(row: Row, shared: SharedPart): TokenRow {
  return decodeRow<TokenRow, 'expiresAt'>(shared, String(row.document), {
    expiresAt: Number(row.expires_at),
  });
}

export function toLogin(row: Row, shared: SharedPart): LoginRow {
  return decodeRow<LoginRow, 'expiresAt' | 'current' | 'previous' | 'rotatedAt'>(
    shared,
    String(row.document),
    defined({
      expiresAt: Number(row.expires_at),
      current: Buffer.from(row.current as Uint8Array),
      previous: row.previous === null ? undefined : Buffer.from(row.previous as Uint8Array),
      rotatedAt: optionalNumber(row.rotated_at),
    }),
  );
}

/** Writes a row and, unless it is known to be there, its shared document: both or neither. */
async function write(
  database: Transactions,
  known: KnownShared<number>,
  documents: RowDocuments,
  put: (shared: number) => boolean,
): Promise<void> {
  const there = known.find(documents);
  if (there !== undefined && (await database.write(() => put(there)))) return;
  const shared = await database.writeAll(() => {
    const number = putShared(database, documents);
    put(number);
    return number;
  });
  known.wrote(documents, shared);
}

function sharedOf(database: Transactions, known: KnownShared<number>, row: Row): SharedPart {
  const number = Number(row.shared);
  const part = known.part(number);
  if (part) return part;
  const found = database.get('SELECT document FROM shared_documents WHERE number = ?', [number]);
  return known.remember(number, found && String(found.document));
}

/** Newest first. */
function readPage<By extends string, T extends { readonly [B in By]?: string }>(
  database: Transactions,
  table: 'tokens' | 'logins',
  { by, id, now, after, limit }: RowPage<By>,
  toRow: (row: Row) => T,
): Page<T> {
  const rows = database.all(
    `SELECT rowid AS position, * FROM ${table}
     WHERE ${by} = ? AND rowid < ? AND expires_at > ? ORDER BY rowid DESC LIMIT ?`,
    [numberOf(id), after === undefined ? Number.MAX_SAFE_INTEGER : Number(after), now, limit + 1],
  );
  const found = rows.slice(0, limit);
  return defined({
    items: found.map(toRow).filter((row) => row[by] === id),
    next: rows.length > limit ? String(found.at(-1)?.position) : undefined,
  });
}

export function createTokens(database: Transactions, known: KnownShared<number>): TokenStore {
  return {
    insert(key, row) {
      const documents = encodeToken(row);
      return write(database, known, documents, (shared) => putToken(database, key, row, documents, shared));
    },
    async find(key, now) {
      const row = database.get(
        'SELECT expires_at, shared, document FROM tokens WHERE key = ? AND expires_at > ?',
        [key, now],
      );
      return row && toToken(row, sharedOf(database, known, row));
    },
    async findAmong({ from, to }, id, now) {
      const rows = database.all(
        `SELECT expires_at, shared, document FROM tokens
         WHERE key >= ? AND key < ? AND expires_at > ? AND instr(document, ?) > 0`,
        [from, to, now, JSON.stringify(id)],
      );
      return rows.map((row) => toToken(row, sharedOf(database, known, row))).find((row) => row.id === id);
    },
    page: async (options) =>
      readPage(database, 'tokens', options, (row) => toToken(row, sharedOf(database, known, row))),
    countOf: (connection, now, limit) =>
      countRows(database, 'tokens.connection', numberOf(connection), now, limit),
  };
}

export function createLogins(database: Transactions, known: KnownShared<number>): LoginStore {
  return {
    insert(login) {
      const documents = encodeLogin(login);
      return write(database, known, documents, (shared) => putLogin(database, login, documents, shared));
    },
    page: async (options) =>
      readPage(database, 'logins', options, (row) => toLogin(row, sharedOf(database, known, row))),
    countOf: (origin, now, limit) => countRows(database, 'logins.origin', numberOf(origin), now, limit),
    async find(id, now) {
      const row = database.get('SELECT * FROM logins WHERE id = ? AND expires_at > ?', [id, now]);
      return row && toLogin(row, sharedOf(database, known, row));
    },
    rotate: (id, from, to, now, account) => {
      const changed = account === undefined ? [] : [JSON.stringify(account)];
      const change = account === undefined ? '' : ", document = json_set(document, '$.account', json(?))";
      return database.write(
        () =>
          database.run(
            `UPDATE logins SET previous = current, current = ?, rotated_at = ?${change}
             WHERE id = ? AND current = ? AND expires_at > ?`,
            [to, now, ...changed, id, from, now],
          ) === 1,
      );
    },
  };
}
