/** What administration keeps: the directory's nouns, the server's keys, the audit log. */
import { LRUCache } from 'lru-cache';
import {
  type AuditEntry,
  type AuditLog,
  type Collection,
  Conflict,
  type DirectoryChange,
  type DirectoryChanges,
  type DirectoryStore,
  type KeyStore,
  type StoredKey,
  VersionConflict,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import {
  type CollectionName,
  type Nouns,
  organizationOf,
  toFirstVersion,
  type UniqueKey,
  withoutRevision,
} from '../../../src/storage/nouns.ts';
import { type Database, optionalText, type Row } from './database.ts';
import { putKeys, removeKeys } from './noun-keys.ts';

/** Nouns of one kind kept in memory. */
const NOUNS_KEPT = 5_000;

/**
 * For those that are read at each request: a noun whose document reads as it did the last time is the same object.
 * Parsing costs as much as reading.
 */
function createParser<T extends object>(): (id: string, document: string) => T {
  const last = new LRUCache<string, { readonly document: string; readonly noun: T }>({ max: NOUNS_KEPT });
  return (id, document) => {
    const known = last.get(id);
    if (known?.document === document) return known.noun;
    const noun = JSON.parse(document) as T;
    last.set(id, { document, noun });
    return noun;
  };
}

const REVISION = 'directory revision';

/** Few of many nouns: the small table is read first. */
const LISTED = `noun_lists AS l CROSS JOIN nouns AS n ON n.collection = l.collection AND n.number = l.number
  WHERE l.collection = ? AND l.name = ? AND l.value = ?`;
/** Jumps from value to value in the index, however many nouns have each. */
const LISTED_VALUES = `
  WITH RECURSIVE listed (value) AS (
    SELECT min(value) FROM noun_lists WHERE collection = ?1 AND name = ?2
    UNION ALL
    SELECT (SELECT min(value) FROM noun_lists WHERE collection = ?1 AND name = ?2 AND value > listed.value)
    FROM listed WHERE listed.value IS NOT NULL)
  SELECT value FROM listed WHERE value IS NOT NULL`;

function createCollection<C extends CollectionName>(
  name: C,
  database: Database,
): Collection<Nouns[C], UniqueKey<C>> {
  type T = Nouns[C];
  const parseKnown = withoutRevision.has(name)
    ? createParser<T>()
    : (_id: string, document: string): T => JSON.parse(document);
  const parse = (row: Row | undefined): T | undefined => row && JSON.parse(String(row.document));

  function changed(id: string, organization: string | null): void {
    if (!withoutRevision.has(name)) noteChange(database, { collection: name, id, organization });
  }

  const documentOrganization = (noun: T): string | null =>
    (noun as { organization?: string }).organization ?? null;
  const concerned = (noun: T): string | null => organizationOf(name, noun) ?? null;

  return {
    async get(id) {
      const row = database.get('SELECT document FROM nouns WHERE collection = ? AND id = ?', name, id);
      return row && parseKnown(id, String(row.document));
    },
    async findBy(key, value) {
      return parse(
        database.get(
          `SELECT document FROM noun_keys AS k JOIN nouns AS n ON n.collection = k.collection AND n.id = k.id
           WHERE k.collection = ? AND k.name = ? AND k.value = ?`,
          name,
          key,
          value,
        ),
      );
    },
    async findNumber(number) {
      return parse(
        database.get('SELECT document FROM nouns WHERE collection = ? AND number = ?', name, number),
      );
    },
    insert: (given) =>
      database.writeAll(() => {
        const noun = toFirstVersion<T>(given, database.next(`number of ${name}`));
        if (database.get('SELECT 1 FROM nouns WHERE collection = ? AND id = ?', name, noun.id)) {
          throw new Conflict('id');
        }
        putKeys(database, name, noun);
        database.run(
          'INSERT INTO nouns (collection, id, number, version, organization, document) VALUES (?, ?, ?, ?, ?, ?)',
          name,
          noun.id,
          noun.number,
          noun.version,
          documentOrganization(noun),
          JSON.stringify(noun),
        );
        changed(noun.id, concerned(noun));
        return noun;
      }),
    replace: (given) =>
      database.writeAll(() => {
        const noun = { ...given, version: given.version + 1 };
        const replaced = database.run(
          `UPDATE nouns SET version = ?, organization = ?, document = ?
           WHERE collection = ? AND id = ? AND version = ?`,
          noun.version,
          documentOrganization(noun),
          JSON.stringify(noun),
          name,
          noun.id,
          given.version,
        );
        if (replaced === 0) throw new VersionConflict(`${name} ${noun.id} was changed or removed meanwhile`);
        removeKeys(database, name, noun);
        putKeys(database, name, noun);
        changed(noun.id, concerned(noun));
        return noun;
      }),
    remove: (id, version) =>
      database.writeAll(() => {
        const removed = database.get(
          'DELETE FROM nouns WHERE collection = ? AND id = ? AND version = ? RETURNING number, organization',
          name,
          id,
          version,
        );
        if (!removed) throw new VersionConflict(`${name} ${id} was changed or removed meanwhile`);
        removeKeys(database, name, { id, number: Number(removed.number) });
        changed(id, name === 'organizations' ? id : (optionalText(removed.organization) ?? null));
      }),
    async page({ after, limit, organization, listed }) {
      const among = listed ? LISTED : 'nouns AS n WHERE n.collection = ?';
      const values = listed ? [name, listed.key, listed.value] : [name];
      const within = organization === undefined ? '' : 'AND n.organization = ?';
      const rows = database.all(
        `SELECT n.number, n.document FROM ${among} ${within} AND ${listed ? 'l' : 'n'}.number > ?
         ORDER BY ${listed ? 'l' : 'n'}.number LIMIT ?`,
        ...values,
        ...(organization === undefined ? [] : [organization]),
        Number(after ?? 0),
        limit + 1,
      );
      const items = rows.slice(0, limit);
      return defined({
        items: items.map((row) => JSON.parse(String(row.document))),
        next: rows.length > limit ? String(items.at(-1)?.number) : undefined,
      });
    },
    async listedValues(key) {
      return database.all(LISTED_VALUES, name, key).map(({ value }) => String(value));
    },
  };
}

/** Changes that the log keeps. */
const CHANGES_KEPT = 10_000;
/** A reader that is further behind reads everything anew. */
const CHANGES_READ = 1_000;

interface Change extends Omit<DirectoryChange, 'organization'> {
  readonly organization: string | null;
}

/** Inside a `write`. */
function noteChange(database: Database, { collection, id, organization }: Change): void {
  const revision = database.next(REVISION);
  database.run('INSERT INTO directory_changes VALUES (?, ?, ?, ?)', revision, collection, id, organization);
  database.run('DELETE FROM directory_changes WHERE revision <= ?', revision - CHANGES_KEPT);
}

function readRevision(database: Database): number {
  return Number(database.get(`SELECT value FROM sequences WHERE name = '${REVISION}'`)?.value);
}

/** The cursor is a revision. A revision without an entry is one that the log does not have, or an import. */
function readChanges(database: Database, cursor: string | undefined): DirectoryChanges {
  const revision = readRevision(database);
  if (cursor === undefined) return { cursor: String(revision) };
  const rows = database.all(
    'SELECT * FROM directory_changes WHERE revision > ? ORDER BY revision LIMIT ?',
    Number(cursor),
    CHANGES_READ,
  );
  const until = Number(cursor) + rows.length;
  const hasAll = until >= revision && (rows.length === 0 || Number(rows.at(-1)?.revision) === until);
  if (!hasAll) return { cursor: String(revision) };
  const changes = rows.map(
    (row): DirectoryChange =>
      defined({
        collection: String(row.collection) as CollectionName,
        id: String(row.id),
        organization: optionalText(row.organization),
      }),
  );
  return { changes, cursor: String(until) };
}

export function createDirectoryStore(database: Database): DirectoryStore {
  return {
    organizations: createCollection('organizations', database),
    applications: createCollection('applications', database),
    roles: createCollection('roles', database),
    resources: createCollection('resources', database),
    users: createCollection('users', database),
    connections: createCollection('connections', database),
    datasources: createCollection('datasources', database),
    async revision() {
      return readRevision(database);
    },
    async changesSince(cursor) {
      return readChanges(database, cursor);
    },
  };
}

export function createKeys(database: Database): KeyStore {
  return {
    async list() {
      return database
        .all('SELECT document FROM keys ORDER BY position')
        .map(({ document }) => JSON.parse(String(document)) as StoredKey);
    },
    insert: (key) =>
      database.writeAll(() => {
        const inserted = database.run(
          'INSERT INTO keys (id, document) VALUES (?, ?) ON CONFLICT DO NOTHING',
          key.id,
          JSON.stringify(key),
        );
        if (inserted === 1) database.next('key revision');
        return inserted === 1;
      }),
    replace: (key) =>
      database.writeAll(() => {
        database.run('UPDATE keys SET document = ? WHERE id = ?', JSON.stringify(key), key.id);
        database.next('key revision');
      }),
    remove: (id) =>
      database.writeAll(() => {
        database.run('DELETE FROM keys WHERE id = ?', id);
        database.next('key revision');
      }),
    async revision() {
      return Number(database.get("SELECT value FROM sequences WHERE name = 'key revision'")?.value);
    },
  };
}

export function createAudit(database: Database): AuditLog {
  return {
    append: (entry) =>
      database.write(() => {
        database.run(
          'INSERT INTO audit (organization, entry) VALUES (?, ?)',
          entry.organization ?? null,
          JSON.stringify(entry),
        );
      }),
    async removeBefore(at, limit) {
      // Looked for first, because a write makes other processes wait even if it changes nothing.
      const isThere = database.get("SELECT 1 FROM audit WHERE entry ->> '$.at' < ? LIMIT 1", at);
      if (!isThere) return 0;
      return database.write(() =>
        database.run(
          `DELETE FROM audit WHERE cursor IN
             (SELECT cursor FROM audit WHERE entry ->> '$.at' < ? ORDER BY entry ->> '$.at' LIMIT ?)`,
          at,
          limit,
        ),
      );
    },
    async page({ before: cursor = String(Number.MAX_SAFE_INTEGER), limit, organization }) {
      const before = Number(cursor);
      const rows =
        organization === undefined
          ? database.all(
              'SELECT cursor, entry FROM audit WHERE cursor < ? ORDER BY cursor DESC LIMIT ?',
              before,
              limit + 1,
            )
          : database.all(
              'SELECT cursor, entry FROM audit WHERE organization = ? AND cursor < ? ORDER BY cursor DESC LIMIT ?',
              organization,
              before,
              limit + 1,
            );
      const entries = rows.slice(0, limit).map(({ cursor, entry }) => ({
        ...(JSON.parse(String(entry)) as AuditEntry),
        cursor: String(cursor),
      }));
      return defined({ entries, next: rows.length > limit ? entries.at(-1)?.cursor : undefined });
    },
  };
}
