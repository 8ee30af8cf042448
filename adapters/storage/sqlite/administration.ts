/** What administration keeps: the directory's nouns, the server's keys, the audit log. */
import { LRUCache } from 'lru-cache';
import {
  type AuditEntry,
  type AuditLog,
  type Collection,
  Conflict,
  type DirectoryStore,
  type KeyStore,
  type StoredKey,
  VersionConflict,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import {
  type CollectionName,
  type Nouns,
  toFirstVersion,
  uniqueKeys,
  withoutRevision,
} from '../../../src/storage/nouns.ts';
import type { Database, Row } from './database.ts';

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

function createCollection<C extends CollectionName>(name: C, database: Database): Collection<Nouns[C]> {
  type T = Nouns[C];
  const keys = Object.entries(uniqueKeys[name]) as [string, (noun: T) => string | undefined][];
  const parseKnown = withoutRevision.has(name)
    ? createParser<T>()
    : (_id: string, document: string): T => JSON.parse(document);
  const parse = (row: Row | undefined): T | undefined => row && JSON.parse(String(row.document));

  function takeKeys(noun: T): void {
    database.run('DELETE FROM noun_keys WHERE collection = ? AND id = ?', name, noun.id);
    for (const [key, toValue] of keys) {
      const value = toValue(noun);
      if (value === undefined) continue;
      const taken = database.get(
        'SELECT 1 FROM noun_keys WHERE collection = ? AND name = ? AND value = ?',
        name,
        key,
        value,
      );
      if (taken) throw new Conflict(key);
      database.run('INSERT INTO noun_keys VALUES (?, ?, ?, ?)', name, key, value, noun.id);
    }
  }

  function changed(): void {
    if (!withoutRevision.has(name)) database.next('directory revision');
  }

  const organizationOf = (noun: T): string | null => (noun as { organization?: string }).organization ?? null;

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
        takeKeys(noun);
        database.run(
          'INSERT INTO nouns (collection, id, number, version, organization, document) VALUES (?, ?, ?, ?, ?, ?)',
          name,
          noun.id,
          noun.number,
          noun.version,
          organizationOf(noun),
          JSON.stringify(noun),
        );
        changed();
        return noun;
      }),
    replace: (given) =>
      database.writeAll(() => {
        const noun = { ...given, version: given.version + 1 };
        const replaced = database.run(
          `UPDATE nouns SET version = ?, organization = ?, document = ?
           WHERE collection = ? AND id = ? AND version = ?`,
          noun.version,
          organizationOf(noun),
          JSON.stringify(noun),
          name,
          noun.id,
          given.version,
        );
        if (replaced === 0) throw new VersionConflict(`${name} ${noun.id} was changed or removed meanwhile`);
        takeKeys(noun);
        changed();
        return noun;
      }),
    remove: (id, version) =>
      database.writeAll(() => {
        const removed = database.run(
          'DELETE FROM nouns WHERE collection = ? AND id = ? AND version = ?',
          name,
          id,
          version,
        );
        if (removed === 0) throw new VersionConflict(`${name} ${id} was changed or removed meanwhile`);
        database.run('DELETE FROM noun_keys WHERE collection = ? AND id = ?', name, id);
        changed();
      }),
    async page({ after, limit, organization }) {
      const rows =
        organization === undefined
          ? database.all(
              'SELECT number, document FROM nouns WHERE collection = ? AND number > ? ORDER BY number LIMIT ?',
              name,
              Number(after ?? 0),
              limit + 1,
            )
          : database.all(
              `SELECT number, document FROM nouns
               WHERE collection = ? AND organization = ? AND number > ? ORDER BY number LIMIT ?`,
              name,
              organization,
              Number(after ?? 0),
              limit + 1,
            );
      const items = rows.slice(0, limit);
      return defined({
        items: items.map((row) => JSON.parse(String(row.document))),
        next: rows.length > limit ? String(items.at(-1)?.number) : undefined,
      });
    },
  };
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
      return Number(database.get("SELECT value FROM sequences WHERE name = 'directory revision'")?.value);
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
