/**
 * Tokens and logins, each in an own document and a shared one (`src/storage/row-documents.ts`). The shared one is written
 * first, so that a row always has one; a shared document without rows expires.
 */
import { type QueryFilter, trusted } from 'mongoose';
import type { LoginRow, LoginStore, TokenRow, TokenStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { toPage } from '../../../src/storage/pages.ts';
import {
  decodeRow,
  encodeLogin,
  encodeToken,
  hashShared,
  KnownShared,
  type RowDocuments,
  type SharedPart,
} from '../../../src/storage/row-documents.ts';
import { after, toBuffer } from './fields.ts';
import { setOrInsert } from './one-document.ts';
import type { DocumentOf, Models } from './schemas.ts';

type TokenDocument = DocumentOf<'tokens'>;
type LoginDocument = DocumentOf<'logins'>;

export type SharedDocuments = ReturnType<typeof createShared>;

/** The shared documents of a database. */
export function createShared({ shared }: Pick<Models, 'shared'>) {
  const known = new KnownShared<string>();
  return {
    /** Writes it, or has it kept longer, unless it is known to be there. @returns its id */
    async put(documents: RowDocuments): Promise<Buffer> {
      const there = known.find(documents);
      if (there !== undefined) return Buffer.from(there, 'base64');
      const id = hashShared(documents.shared);
      const expiresAt = new Date(documents.keptUntil);
      await setOrInsert(
        () => shared.updateOne({ _id: id }, { $max: { expiresAt } }),
        () => shared.create({ _id: id, document: documents.shared, expiresAt }),
      );
      known.wrote(documents, id.toString('base64'));
      return id;
    },
    /** @throws Error if it is not there */
    async partOf(row: { readonly shared: Buffer }): Promise<SharedPart> {
      const id = toBuffer(row.shared);
      const reference = id.toString('base64');
      const part = known.part(reference);
      if (part) return part;
      return known.remember(reference, (await shared.findOne({ _id: id }).lean())?.document);
    },
    /** Call it before a sweep. */
    forget: () => known.forget(),
  };
}

/** @param shared id of its shared document */
function toTokenDocument(
  key: Buffer,
  { expiresAt, application, user, connection, parent, login }: TokenRow,
  { own }: RowDocuments,
  shared: Buffer,
): TokenDocument {
  const found = { application, user, connection, parent, login };
  return { _id: key, shared, document: own, ...defined(found), expiresAt: new Date(expiresAt) };
}

export function toTokenRow({ document, expiresAt }: TokenDocument, shared: SharedPart): TokenRow {
  return decodeRow<TokenRow, 'expiresAt'>(shared, document, { expiresAt: expiresAt.getTime() });
}

/** @param shared id of its shared document */
function toLoginDocument(
  { id, expiresAt, current, previous, rotatedAt, origin, application, user, createdAt }: LoginRow,
  { own }: RowDocuments,
  shared: Buffer,
): LoginDocument {
  const columns = { current, previous, rotatedAt, origin, application, user, createdAt };
  return { _id: id, shared, document: own, ...defined(columns), expiresAt: new Date(expiresAt) };
}

export function toLoginRow(stored: LoginDocument, shared: SharedPart): LoginRow {
  const { document, expiresAt, current, previous, rotatedAt } = stored;
  return decodeRow<LoginRow, 'expiresAt' | 'current' | 'previous' | 'rotatedAt'>(shared, document, {
    expiresAt: expiresAt.getTime(),
    current: toBuffer(current),
    ...defined({ previous: previous && toBuffer(previous), rotatedAt }),
  });
}

/** @param toRow of the document and what it shares */
async function joined<D extends { readonly shared: Buffer }, T>(
  shared: SharedDocuments,
  documents: readonly D[],
  toRow: (document: D, part: SharedPart) => T,
): Promise<T[]> {
  const rows: T[] = [];
  for (const document of documents) rows.push(toRow(document, await shared.partOf(document)));
  return rows;
}

export function createTokens({ tokens }: Pick<Models, 'tokens'>, shared: SharedDocuments): TokenStore {
  return {
    async insert(key, row) {
      const documents = encodeToken(row);
      await tokens.create(toTokenDocument(key, row, documents, await shared.put(documents)));
    },
    async find(key, now) {
      const document = await tokens.findOne({ _id: key, expiresAt: after(now) }).lean<TokenDocument>();
      return document ? toTokenRow(document, await shared.partOf(document)) : undefined;
    },
    async findAmong({ from, to }, id, now) {
      const found = tokens.find({
        _id: trusted({ $gte: from, $lt: to }),
        expiresAt: after(now),
        $expr: trusted({ $gte: [{ $indexOfCP: ['$document', JSON.stringify(id)] }, 0] }),
      });
      const rows = await joined(shared, await found.lean<TokenDocument[]>(), toTokenRow);
      return rows.find((row) => row.id === id);
    },
    async page({ by, id, now, after: cursor, limit }) {
      const held: QueryFilter<TokenDocument> = { expiresAt: after(now), [by]: id };
      if (cursor !== undefined) held._id = trusted({ $lt: Buffer.from(cursor, 'base64url') });
      // A key starts with its time.
      const query = tokens.find(held).sort({ _id: -1 });
      const found = await query.limit(limit + 1).lean<TokenDocument[]>();
      const { items, ...page } = toPage(found, limit, ({ _id }) => toBuffer(_id).toString('base64url'));
      return { ...page, items: await joined(shared, items, toTokenRow) };
    },
    countOf: (connection, now, limit) =>
      tokens.countDocuments({ connection, expiresAt: after(now) }, { limit }).exec(),
  };
}

/** Of a page of logins. */
function parseCursor(cursor: string): [createdAt: number, id: string] {
  const end = cursor.indexOf(' ');
  return [Number(cursor.slice(0, end)), cursor.slice(end + 1)];
}

export function createLogins({ logins }: Pick<Models, 'logins'>, shared: SharedDocuments): LoginStore {
  return {
    async insert(login) {
      const documents = encodeLogin(login);
      await logins.create(toLoginDocument(login, documents, await shared.put(documents)));
    },
    async find(id, now) {
      const document = await logins.findOne({ _id: id, expiresAt: after(now) }).lean<LoginDocument>();
      return document ? toLoginRow(document, await shared.partOf(document)) : undefined;
    },
    async page({ by, id, now, after: cursor, limit }) {
      const held: QueryFilter<LoginDocument> = { expiresAt: after(now), [by]: id };
      if (cursor !== undefined) {
        const [createdAt, last] = parseCursor(cursor);
        held.createdAt = trusted({ $lte: createdAt });
        held.$or = [{ createdAt: trusted({ $lt: createdAt }) }, { _id: trusted({ $lt: last }) }];
      }
      const query = logins.find(held).sort({ createdAt: -1, _id: -1 });
      const found = await query.limit(limit + 1).lean<LoginDocument[]>();
      const { items, ...page } = toPage(found, limit, ({ createdAt, _id }) => `${createdAt} ${_id}`);
      return { ...page, items: await joined(shared, items, toLoginRow) };
    },
    countOf: (origin, now, limit) =>
      logins.countDocuments({ origin, expiresAt: after(now) }, { limit }).exec(),
    async rotate(id, from, to, now, account) {
      const current = { _id: id, current: from, expiresAt: after(now) };
      const before = account && (await logins.findOne(current).lean<LoginDocument>());
      // Only a rotation changes the document, and then `from` is not current.
      const document = before ? JSON.stringify({ ...JSON.parse(before.document), account }) : undefined;
      const set = defined({ previous: from, current: to, rotatedAt: now, document });
      return (await logins.updateOne(current, { $set: set })).modifiedCount === 1;
    },
  };
}
