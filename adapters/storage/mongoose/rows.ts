/**
 * Tokens and logins, each in an own document and a shared one (`src/storage/row-documents.ts`). The shared one is written
 * first, so that a row always has one; a shared document without rows expires.
 */
import { type QueryFilter, trusted } from 'mongoose';
import type { LoginRow, LoginStore, TokenRow, TokenStore } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import {
  decodeRow,
  encodeLogin,
  encodeToken,
  hashShared,
  KnownShared,
  type RowDocuments,
  type SharedPart,
} from '../../../src/storage/row-documents.ts';
import { guarded } from './errors.ts';
import { after, toBuffer } from './fields.ts';
import { setOrInsert } from './one-document.ts';
import type { LoginDocument, Models, TokenDocument } from './schemas.ts';

/** The shared documents of a database. */
export interface SharedDocuments {
  /** Writes it, or has it kept longer, unless it is known to be there. @returns its id */
  put(documents: RowDocuments): Promise<Buffer>;
  /** @throws Error if it is not there */
  partOf(row: { readonly shared: Buffer }): Promise<SharedPart>;
  /** Call it before a sweep. */
  forget(): void;
}

export function createShared({ shared }: Pick<Models, 'shared'>): SharedDocuments {
  const known = new KnownShared<string>();
  return {
    async put(documents) {
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
    async partOf(row) {
      const id = toBuffer(row.shared);
      const reference = id.toString('base64');
      const part = known.part(reference);
      if (part) return part;
      const found = await guarded(() => shared.findOne({ _id: id }).lean());
      return known.remember(reference, found?.document);
    },
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

export function createTokens({ tokens }: Pick<Models, 'tokens'>, shared: SharedDocuments): TokenStore {
  return {
    async insert(key, row) {
      const documents = encodeToken(row);
      const id = await shared.put(documents);
      await guarded(() => tokens.create(toTokenDocument(key, row, documents, id)));
    },
    async find(key, now) {
      const document = await guarded(() =>
        tokens.findOne({ _id: key, expiresAt: after(now) }).lean<TokenDocument>(),
      );
      return document ? toTokenRow(document, await shared.partOf(document)) : undefined;
    },
    async findAmong({ from, to }, id, now) {
      const found = await guarded(() =>
        tokens
          .find({
            _id: trusted({ $gte: from, $lt: to }),
            expiresAt: after(now),
            $expr: trusted({ $gte: [{ $indexOfCP: ['$document', JSON.stringify(id)] }, 0] }),
          })
          .lean<TokenDocument[]>(),
      );
      for (const document of found) {
        const row = toTokenRow(document, await shared.partOf(document));
        if (row.id === id) return row;
      }
      return undefined;
    },
    async page({ by, id, now, after: cursor, limit }) {
      const held: QueryFilter<TokenDocument> = { expiresAt: after(now) };
      held[by] = id;
      if (cursor !== undefined) held._id = trusted({ $lt: Buffer.from(cursor, 'base64url') });
      const found = await guarded(() =>
        tokens
          .find(held)
          // A key starts with its time.
          .sort({ _id: -1 })
          .limit(limit + 1)
          .lean<TokenDocument[]>(),
      );
      const listed = found.slice(0, limit);
      const items: TokenRow[] = [];
      for (const document of listed) items.push(toTokenRow(document, await shared.partOf(document)));
      const last = listed.at(-1);
      const next = last && found.length > limit ? toBuffer(last._id).toString('base64url') : undefined;
      return defined({ items, next });
    },
    countOf: (connection, now, limit) =>
      guarded(() => tokens.countDocuments({ connection, expiresAt: after(now) }, { limit })),
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
      const id = await shared.put(documents);
      await guarded(() => logins.create(toLoginDocument(login, documents, id)));
    },
    async find(id, now) {
      const document = await guarded(() =>
        logins.findOne({ _id: id, expiresAt: after(now) }).lean<LoginDocument>(),
      );
      return document ? toLoginRow(document, await shared.partOf(document)) : undefined;
    },
    async page({ by, id, now, after: cursor, limit }) {
      const held: QueryFilter<LoginDocument> = { expiresAt: after(now), [by]: id };
      if (cursor !== undefined) {
        const [createdAt, last] = parseCursor(cursor);
        held.createdAt = trusted({ $lte: createdAt });
        held.$or = [{ createdAt: trusted({ $lt: createdAt }) }, { _id: trusted({ $lt: last }) }];
      }
      const found = await guarded(() =>
        logins
          .find(held)
          .sort({ createdAt: -1, _id: -1 })
          .limit(limit + 1)
          .lean<LoginDocument[]>(),
      );
      const listed = found.slice(0, limit);
      const items: LoginRow[] = [];
      for (const document of listed) items.push(toLoginRow(document, await shared.partOf(document)));
      const last = listed.at(-1);
      const next = last && found.length > limit ? `${last.createdAt} ${last._id}` : undefined;
      return defined({ items, next });
    },
    countOf: (origin, now, limit) =>
      guarded(() => logins.countDocuments({ origin, expiresAt: after(now) }, { limit })),
    async rotate(id, from, to, now, account) {
      const current = { _id: id, current: from, expiresAt: after(now) };
      const before = account && (await guarded(() => logins.findOne(current).lean<LoginDocument>()));
      // Only a rotation changes the document, and then `from` is not current.
      const document = before ? JSON.stringify({ ...JSON.parse(before.document), account }) : undefined;
      const set = defined({ previous: from, current: to, rotatedAt: now, document });
      const { modifiedCount } = await guarded(() => logins.updateOne(current, { $set: set }));
      return modifiedCount === 1;
    },
  };
}
