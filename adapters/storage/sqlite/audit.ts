/**
 * The audit log. It is read by time; entries of one time in the order in which they were written. Where no index leads to
 * the entries that are asked for, a call looks at slices of the log, and lets others take turns in between.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type AuditEntry,
  type AuditFilter,
  type AuditLog,
  type AuditRecord,
  MOST_LOOKED_AT,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { toCounted, toPage } from '../../../src/storage/pages.ts';
import type { Transactions } from './database.ts';
import type { Row, Values } from './statements.ts';

/** Those with an index, which leads to the fewest entries first. */
const LEADING = ['subject', 'actor', 'organization'] as const;

/** Entries between two turns of the event loop: about two milliseconds. */
const SLICE = 1_000;

interface Place {
  /** Milliseconds. */
  readonly at: number;
  readonly cursor: number;
}

const placeOf = ({ at, cursor }: Row): Place => ({ at: Number(at), cursor: Number(cursor) });
const spell = ({ at, cursor }: Place): string => `${at}-${cursor}`;

function parse(cursor: string): Place | undefined {
  const [, at, position] = /^(\d{1,15})-(\d{1,15})$/.exec(cursor) ?? [];
  return position === undefined ? undefined : { at: Number(at), cursor: Number(position) };
}

function toRecord(row: Row): AuditRecord {
  return { ...(JSON.parse(String(row.entry)) as AuditEntry), cursor: spell(placeOf(row)) };
}

interface Conditions {
  readonly sql: string;
  readonly values: Values;
}

const toConditions = (values: Readonly<Record<string, string | undefined>>): Conditions => {
  const given = Object.entries(values).flatMap(([sql, value]) =>
    value === undefined ? [] : [{ sql, value }],
  );
  return { sql: given.map(({ sql }) => `${sql} AND `).join(''), values: given.map(({ value }) => value) };
};

/** @returns what an index leads to, and what each entry there is compared with */
function conditionsOf({ event, outcome, ...filter }: AuditFilter): { lead: Conditions; rest: Conditions } {
  const [first, ...others] = LEADING.filter((column) => filter[column] !== undefined);
  return {
    lead: toConditions(first ? { [`${first} = ?`]: filter[first] } : {}),
    rest: toConditions({
      // The plus keeps SQLite from using the other indexes.
      ...Object.fromEntries(others.map((column) => [`+${column} = ?`, filter[column]])),
      'outcome = ?': outcome,
      [event?.endsWith('.') ? 'instr(event, ?) = 1' : 'event = ?']: event,
    }),
  };
}

/** Where a reading begins: at the entry, or at the end of the time that is asked for, whichever is earlier. */
function startOf({ until = Number.MAX_SAFE_INTEGER }: AuditFilter, before?: Place): Place {
  return before && before.at < until ? before : { at: until, cursor: 0 };
}

const ORDERED = 'ORDER BY at DESC, cursor DESC LIMIT';

export function createAudit(database: Transactions): AuditLog {
  /**
   * @param most rows that are wanted
   * @param columns of each row
   * @returns the rows, and where the looking ended; absent: there are no more
   */
  async function read(
    filter: AuditFilter,
    start: Place,
    most: number,
    columns: string,
  ): Promise<{ rows: Row[]; end?: Place }> {
    const { lead, rest } = conditionsOf(filter);
    const rows: Row[] = [];
    let { at, cursor } = start;
    for (let misses = 0; ; await nextTurn()) {
      const last = database.get(
        `SELECT at, cursor FROM audit WHERE ${lead.sql} (at, cursor) < (?, ?) AND at >= ? ${ORDERED} 1 OFFSET ?`,
        [...lead.values, at, cursor, filter.since ?? 0, SLICE - 1],
      );
      const end = last && placeOf(last);
      const found = database.all(
        `SELECT ${columns} FROM audit
         WHERE ${lead.sql} ${rest.sql} (at, cursor) < (?, ?) AND (at, cursor) >= (?, ?) ${ORDERED} ?`,
        [
          ...[...lead.values, ...rest.values, at, cursor],
          ...(end ? [end.at, end.cursor] : [filter.since ?? 0, 0]),
          most - rows.length,
        ],
      );
      rows.push(...found);
      misses += SLICE - found.length;
      if (!end || rows.length === most) return { rows };
      if (misses >= MOST_LOOKED_AT) return { rows, end };
      ({ at, cursor } = end);
    }
  }

  return {
    append: (entry) =>
      database.write(() => {
        database.run('INSERT INTO audit (organization, entry) VALUES (?, ?)', [
          entry.organization ?? null,
          JSON.stringify(entry),
        ]);
      }),
    async removeBefore(at, limit) {
      // Looked for first, because a write makes other processes wait even if it changes nothing.
      const isThere = database.get('SELECT 1 FROM audit WHERE at < ? LIMIT 1', [at]);
      if (!isThere) return 0;
      return database.write(() =>
        database.run(
          'DELETE FROM audit WHERE cursor IN (SELECT cursor FROM audit WHERE at < ? ORDER BY at LIMIT ?)',
          [at, limit],
        ),
      );
    },
    async page({ before, limit, ...filter }) {
      const start = before === undefined ? undefined : parse(before);
      const { rows, end } = await read(filter, startOf(filter, start), limit + 1, 'at, cursor, entry');
      const { items, next } = toPage(rows.map(toRecord), limit, ({ cursor }) => cursor);
      return defined({ entries: items, next: next ?? (end && spell(end)) });
    },
    async count(filter, limit) {
      const { rows, end } = await read(filter, startOf(filter), limit + 1, 'cursor');
      const { count, isMore } = toCounted(rows.length, limit);
      return { count, isMore: isMore || end !== undefined };
    },
    async find(cursor) {
      const place = parse(cursor);
      const row =
        place && database.get('SELECT at, cursor, entry FROM audit WHERE cursor = ?', [place.cursor]);
      return row && Number(row.at) === place.at ? toRecord(row) : undefined;
    },
  };
}
