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
import type { Database } from './database.ts';
import type { Row, Values } from './statements.ts';

/** Jumps between two turns of the event loop: about two milliseconds. */
const JUMPS = 250;

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
function countList(database: Database, { sql, values }: List, limit: number): Counted {
  const row = database.get(`SELECT count(*) AS count FROM (SELECT 1 FROM ${sql} LIMIT ?)`, [
    ...values,
    limit + 1,
  ]);
  const count = Number(row?.count);
  return { count: Math.min(count, limit), isMore: count > limit };
}

/**
 * Jumps to and fro between two lists, so it looks at few more numbers than twice those of the shorter one.
 * @returns the numbers that are in both, and the one to go on after; absent: there are no more
 */
async function findInBoth(
  database: Database,
  [one, other]: readonly [List, List],
  after: number,
  limit: number,
): Promise<{ numbers: number[]; next?: number }> {
  const firstFrom = ({ sql, values }: List, number: number): number | undefined => {
    const row = database.get(`SELECT number FROM ${sql} AND number >= ? ORDER BY number LIMIT 1`, [
      ...values,
      number,
    ]);
    return row && Number(row.number);
  };
  const numbers: number[] = [];
  let from = after + 1;
  for (let jumps = 1; jumps <= MOST_LOOKED_AT; jumps += 1) {
    const number = firstFrom(one, from);
    const following = number === undefined ? undefined : firstFrom(other, number);
    if (following === undefined) return { numbers };
    if (following === number) {
      if (numbers.length === limit) return { numbers, next: from - 1 };
      numbers.push(number);
      from = number + 1;
    } else from = following;
    if (jumps % JUMPS === 0) await nextTurn();
  }
  return { numbers, next: from - 1 };
}

const toPage = (rows: readonly (Row | undefined)[], next: unknown): Page<string> =>
  defined({
    items: rows.flatMap((row) => (row ? [String(row.document)] : [])),
    next: next === undefined ? undefined : String(next),
  });

/** @returns the documents of the nouns */
export async function pageOfNouns(
  database: Database,
  name: CollectionName,
  { after, limit, organization, listed }: PageOptions,
): Promise<Page<string>> {
  const start = Number(after ?? 0);
  if (organization !== undefined && listed) {
    const lists = [listOf(name, listed), listOfAll(name, organization)] as const;
    const { numbers, next } = await findInBoth(database, lists, start, limit);
    const documents = numbers.map((number) =>
      database.get('SELECT document FROM nouns WHERE collection = ? AND number = ?', [name, number]),
    );
    return toPage(documents, next);
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
  return toPage(rows.slice(0, limit), rows.length > limit ? rows[limit - 1]?.number : undefined);
}

export async function countNouns(
  database: Database,
  name: CollectionName,
  { organization, listed }: Among,
  limit: number,
): Promise<Counted> {
  if (!listed) return countList(database, listOfAll(name, organization), limit);
  if (organization === undefined) return countList(database, listOf(name, listed), limit);
  const lists = [listOf(name, listed), listOfAll(name, organization)] as const;
  const { numbers, next } = await findInBoth(database, lists, 0, limit);
  return { count: numbers.length, isMore: next !== undefined };
}
