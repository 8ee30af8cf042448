/** The nouns of the directory, and the log of their changes. */
import { LRUCache } from 'lru-cache';
import {
  type CollectionName,
  declarationOf,
  type Nouns,
  organizationOf,
  toFirstVersion,
  type UniqueKey,
} from '../../../src/nouns/index.ts';
import {
  type Collection,
  Conflict,
  createCollections,
  type DirectoryChange,
  type DirectoryChanges,
  type DirectoryStore,
  VersionConflict,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import type { Transactions } from './database.ts';
import { putKeys, removeKeys } from './noun-keys.ts';
import { countNouns, pageOfNouns } from './noun-pages.ts';
import { optionalText, type Row, type Statements, type Values } from './statements.ts';

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

/** Jumps from value to value in the index, however many nouns have each. */
const LISTED_VALUES = `
  WITH RECURSIVE listed (value) AS (
    SELECT min(value) FROM noun_lists WHERE collection = ?1 AND name = ?2
    UNION ALL
    SELECT (SELECT min(value) FROM noun_lists WHERE collection = ?1 AND name = ?2 AND value > listed.value)
    FROM listed WHERE listed.value IS NOT NULL)
  SELECT value FROM listed WHERE value IS NOT NULL`;

const documentOrganization = (noun: object): string | null =>
  (noun as { organization?: string }).organization ?? null;

/** Inside a transaction. @throws Conflict */
export function putNoun<C extends CollectionName>(statements: Statements, name: C, noun: Nouns[C]): void {
  putKeys(statements, name, noun);
  statements.run(
    'INSERT INTO nouns (collection, id, number, version, organization, document) VALUES (?, ?, ?, ?, ?, ?)',
    [name, noun.id, noun.number, noun.version, documentOrganization(noun), JSON.stringify(noun)],
  );
}

function createCollection<C extends CollectionName>(
  name: C,
  database: Transactions,
): Collection<Nouns[C], UniqueKey<C>> {
  type T = Nouns[C];
  const parseKnown = declarationOf(name).isReadEachTime
    ? createParser<T>()
    : (_id: string, document: string): T => JSON.parse(document);
  const parse = (row: Row): T => JSON.parse(String(row.document));
  const find = (sql: string, values: Values): T | undefined => {
    const row = database.get(sql, values);
    return row && parse(row);
  };

  function changed(id: string, organization: string | null): void {
    if (!declarationOf(name).isReadEachTime) noteChange(database, name, id, organization);
  }

  const concerned = (noun: T): string | null => organizationOf(name, noun) ?? null;

  return {
    async get(id) {
      const row = database.get('SELECT document FROM nouns WHERE collection = ? AND id = ?', [name, id]);
      return row && parseKnown(id, String(row.document));
    },
    findBy: async (key, value) =>
      find(
        `SELECT document FROM noun_keys AS k JOIN nouns AS n ON n.collection = k.collection AND n.id = k.id
         WHERE k.collection = ? AND k.name = ? AND k.value = ?`,
        [name, key, value],
      ),
    findNumber: async (number) =>
      find('SELECT document FROM nouns WHERE collection = ? AND number = ?', [name, number]),
    insert: (given) =>
      database.writeAll(() => {
        const noun = toFirstVersion<T>(given, database.next(`number of ${name}`));
        if (database.get('SELECT 1 FROM nouns WHERE collection = ? AND id = ?', [name, noun.id])) {
          throw new Conflict('id');
        }
        putNoun(database, name, noun);
        changed(noun.id, concerned(noun));
        return noun;
      }),
    replace: (given) =>
      database.writeAll(() => {
        const noun = { ...given, version: given.version + 1 };
        const replaced = database.run(
          `UPDATE nouns SET version = ?, organization = ?, document = ?
           WHERE collection = ? AND id = ? AND version = ?`,
          [noun.version, documentOrganization(noun), JSON.stringify(noun), name, noun.id, given.version],
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
          [name, id, version],
        );
        if (!removed) throw new VersionConflict(`${name} ${id} was changed or removed meanwhile`);
        removeKeys(database, name, { id, number: Number(removed.number) });
        changed(id, name === 'organizations' ? id : (optionalText(removed.organization) ?? null));
      }),
    async page(options) {
      const { items, ...page } = await pageOfNouns(database, name, options);
      return { ...page, items: items.map(parse) };
    },
    count: (among, limit) => countNouns(database, name, among, limit),
    listedValues: async (key) => database.all(LISTED_VALUES, [name, key]).map(({ value }) => String(value)),
  };
}

/** Changes that the log keeps. */
const CHANGES_KEPT = 10_000;
/** A reader that is further behind reads everything anew. */
const CHANGES_READ = 1_000;

/** Inside a `write`. */
function noteChange(
  database: Transactions,
  collection: CollectionName,
  id: string,
  organization: string | null,
): void {
  const revision = database.next(REVISION);
  database.run('INSERT INTO directory_changes VALUES (?, ?, ?, ?)', [revision, collection, id, organization]);
  database.run('DELETE FROM directory_changes WHERE revision <= ?', [revision - CHANGES_KEPT]);
}

function readRevision(database: Transactions): number {
  return Number(database.get(`SELECT value FROM sequences WHERE name = '${REVISION}'`)?.value);
}

/** The cursor is a revision. A revision without an entry is one that the log does not have, or an import. */
function readChanges(database: Transactions, cursor: string | undefined): DirectoryChanges {
  const revision = readRevision(database);
  if (cursor === undefined) return { cursor: String(revision) };
  const rows = database.all('SELECT * FROM directory_changes WHERE revision > ? ORDER BY revision LIMIT ?', [
    Number(cursor),
    CHANGES_READ,
  ]);
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

export function createDirectoryStore(database: Transactions): DirectoryStore {
  return {
    ...createCollections((name) => createCollection(name, database)),
    revision: async () => readRevision(database),
    changesSince: async (cursor) => readChanges(database, cursor),
  };
}
