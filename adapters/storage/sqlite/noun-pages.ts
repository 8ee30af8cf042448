/** Pages and counts of nouns, by organization, by a listed key, or by both. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CollectionName } from '../../../src/nouns/index.ts';
import {
  type Among,
  type Counted,
  MOST_LOOKED_AT,
  type Page,
  type PageOptions,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { toCounted, toPage } from '../../../src/storage/pages.ts';
import type { Transactions } from './database.ts';
import type { Row, Values } from './statements.ts';

/** Nouns of one query. */
const SLICE = 100;
/** Slices between two turns of the event loop: about two milliseconds. */
const SLICES = 10;

interface List {
  readonly sql: string;
  readonly values: Values;
}

const listOfAll = (name: CollectionName, organization?: string): List =>
  organization === undefined
    ? { sql: 'nouns WHERE collection = ?', values: [name] }
    : { sql: 'nouns WHERE collection = ? AND organization = ?', values: [name, organization] };

const listOf = (name: CollectionName, { key, value }: NonNullable<Among['listed']>): List => ({
  sql: 'noun_lists WHERE collection = ? AND name = ? AND value = ?',
  values: [name, key, value],
});

/** Each list is an index in order of number, so a count reads no noun. */
function countList(database: Transactions, { sql, values }: List, limit: number): Counted {
  const rows = `SELECT 1 FROM ${sql} LIMIT ?`;
  const row = database.get(`SELECT count(*) AS count FROM (${rows})`, [...values, limit + 1]);
  return toCounted(Number(row?.count), limit);
}

/** The list is read, and each of its numbers looked up: without the sum, SQLite would look through the range of numbers. */
const IN_BOTH = `SELECT l.number FROM noun_lists AS l CROSS JOIN nouns AS n
  WHERE l.collection = ? AND l.name = ? AND l.value = ? AND l.number BETWEEN ? AND ?
    AND n.collection = l.collection AND n.number = l.number + 0 AND n.organization = ?
  ORDER BY l.number LIMIT ?`;

/**
 * Looks at slices of the list, each from the next noun of the organization on: few if either of both has few nouns.
 * @returns the numbers of nouns that are in both, and the one to go on after; absent: there are no more
 */
async function findInBoth(
  database: Transactions,
  name: CollectionName,
  { organization, listed }: Required<Among>,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<{ numbers: number[]; next?: number }> {
  const [list, others] = [listOf(name, listed), listOfAll(name, organization)];
  const numbers: number[] = [];
  let from = after;
  for (let slices = 1; slices * SLICE <= MOST_LOOKED_AT; slices += 1) {
    const first = database.get(`SELECT number FROM ${others.sql} AND number > ? ORDER BY number LIMIT 1`, [
      ...others.values,
      from,
    ]);
    if (!first) return { numbers };
    const start = Number(first.number);
    const last = database.get(
      `SELECT number FROM ${list.sql} AND number >= ? ORDER BY number LIMIT 1 OFFSET ?`,
      [...list.values, start, SLICE - 1],
    );
    const end = last ? Number(last.number) : Number.MAX_SAFE_INTEGER;
    const wanted = limit + 1 - numbers.length;
    const rows = database.all(IN_BOTH, [...list.values, start, end, organization, wanted]);
    for (const { number } of rows) numbers.push(Number(number));
    if (numbers.length > limit) {
      numbers.pop();
      return { numbers, next: numbers.at(-1) ?? after };
    }
    if (!last) return { numbers };
    from = end;
    if (slices % SLICES === 0) await nextTurn();
  }
  return { numbers, next: from };
}

/** @returns the rows of the nouns */
export async function pageOfNouns(
  database: Transactions,
  name: CollectionName,
  { after, limit, organization, listed }: PageOptions,
): Promise<Page<Row>> {
  const start = Number(after ?? 0);
  if (organization !== undefined && listed) {
    const both = { organization, listed };
    const { numbers, next } = await findInBoth(database, name, both, { after: start, limit });
    const rows = numbers.map((number) =>
      database.get('SELECT document FROM nouns WHERE collection = ? AND number = ?', [name, number]),
    );
    const items = rows.filter((row) => row !== undefined);
    return defined({ items, next: next === undefined ? undefined : String(next) });
  }
  const { sql, values } = listed ? listOf(name, listed) : listOfAll(name, organization);
  const numbers = `SELECT number FROM ${sql} AND number > ? ORDER BY number LIMIT ?`;
  const rows = database.all(
    listed
      ? `SELECT n.number, n.document FROM (${numbers}) AS l CROSS JOIN nouns AS n
         WHERE n.collection = ? AND n.number = l.number ORDER BY l.number`
      : numbers.replace('SELECT number', 'SELECT number, document'),
    [...values, start, limit + 1, ...(listed ? [name] : [])],
  );
  return toPage(rows, limit, ({ number }) => number);
}

export async function countNouns(
  database: Transactions,
  name: CollectionName,
  { organization, listed }: Among,
  limit: number,
): Promise<Counted> {
  if (!listed) return countList(database, listOfAll(name, organization), limit);
  if (organization === undefined) return countList(database, listOf(name, listed), limit);
  const { numbers, next } = await findInBoth(database, name, { organization, listed }, { after: 0, limit });
  return { count: numbers.length, isMore: next !== undefined };
}
