/** What nouns are found by beside their ids: unique keys, and listed keys, whose values several nouns may have. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  COLLECTIONS,
  type CollectionName,
  declarationOf,
  listedValuesOf,
  type Noun,
  type Nouns,
  uniqueValuesOf,
} from '../../../src/nouns/index.ts';
import { Conflict } from '../../../src/storage/contract.ts';
import type { Statements } from './statements.ts';

const INSERT_LISTED = 'INSERT INTO noun_lists VALUES (?, ?, ?, ?)';

const isListed = (collection: CollectionName): boolean =>
  Object.keys(declarationOf(collection).listed).length > 0;

/** Of a noun that has none in the store. @throws Conflict */
export function putKeys<C extends CollectionName>(
  { run }: Pick<Statements, 'run'>,
  collection: C,
  noun: Nouns[C],
): void {
  for (const [key, value] of uniqueValuesOf(collection, noun)) {
    const sql = 'INSERT INTO noun_keys VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING';
    if (run(sql, [collection, key, value, noun.id]) === 0) throw new Conflict(key);
  }
  for (const [key, values] of listedValuesOf(collection, noun)) {
    for (const value of values) run(INSERT_LISTED, [collection, key, value, noun.number]);
  }
}

export function removeKeys(
  { run }: Pick<Statements, 'run'>,
  collection: CollectionName,
  { id, number }: Pick<Noun, 'id' | 'number'>,
): void {
  run('DELETE FROM noun_keys WHERE collection = ? AND id = ?', [collection, id]);
  if (isListed(collection)) {
    run('DELETE FROM noun_lists WHERE collection = ? AND number = ?', [collection, number]);
  }
}

function insertLists(insert: StatementSync, collection: CollectionName, document: unknown): void {
  const noun: Nouns[typeof collection] = JSON.parse(String(document));
  for (const [key, values] of listedValuesOf(collection, noun)) {
    for (const value of values) insert.run(collection, key, value, noun.number);
  }
}

/** The lists of all nouns, made anew: a part of migrations. */
export function fillLists(connection: DatabaseSync): void {
  connection.exec('DELETE FROM noun_lists');
  const insert = connection.prepare(INSERT_LISTED);
  const read = connection.prepare('SELECT document FROM nouns WHERE collection = ? ORDER BY number');
  for (const collection of COLLECTIONS.filter(isListed)) {
    for (const { document } of read.iterate(collection)) insertLists(insert, collection, document);
  }
}

/**
 * The lists that nouns of one collection lack: a part of migrations.
 * @param after number of the last noun that has all @param most nouns
 * @returns number of the last noun of these; undefined: all nouns have all lists
 */
export function addLists(
  connection: DatabaseSync,
  collection: CollectionName,
  after: number,
  most: number,
): number | undefined {
  const insert = connection.prepare(`${INSERT_LISTED} ON CONFLICT DO NOTHING`);
  const rows = connection
    .prepare('SELECT number, document FROM nouns WHERE collection = ? AND number > ? ORDER BY number LIMIT ?')
    .all(collection, after, most);
  for (const { document } of rows) insertLists(insert, collection, document);
  return rows.length === 0 ? undefined : Number(rows.at(-1)?.number);
}
