/**
 * Refused requests in the audit log. Strangers can cause any number, so each address gets single rows up to a limit, and
 * one row counts the rest. The log has a line for each.
 *
 * Each process counts by itself and in memory, because a write for each would cost what the limit saves.
 */
import type { AuditEntry, AuditLog } from './contract.ts';
import { defined } from './defined.ts';

const WINDOW_MS = 60_000;
/** Rows that one address gets in a window. */
const ROWS_OF_ADDRESS = 10;
/** Rows that one client gets for one person: more than a person causes manually. */
const ROWS_OF_PROVED = 100;
/** Counted one by one in a window; the others are counted together. */
const COUNTED = 1_000;

type Whose = Pick<AuditEntry, 'address' | 'client' | 'subject'>;

const OTHERS: Whose = { address: 'other addresses' };

interface Count {
  readonly whose: Whose;
  readonly most: number;
  rows: number;
  leftOut: number;
}

export type Refusals = ReturnType<typeof createRefusals>;

export function createRefusals({
  audit,
  toKey,
  now,
}: {
  readonly audit: Pick<AuditLog, 'append'>;
  /** The key under which an address is counted. */
  readonly toKey: (address: string) => string;
  /** Milliseconds. */
  readonly now: () => number;
}) {
  let counts = new Map<string, Count>();
  /** When the first of them was counted. */
  let since = 0;

  function countOf(whose: Whose, most: number): Count {
    const key = JSON.stringify(whose);
    const known = counts.get(key);
    if (known) return known;
    if (counts.size >= COUNTED && whose !== OTHERS) return countOf(OTHERS, ROWS_OF_ADDRESS);
    const count = { whose, most, rows: 0, leftOut: 0 };
    counts.set(key, count);
    return count;
  }

  /** The store is away: they are told another time. @param from when the first of them was counted */
  function putBack(untold: Iterable<Count>, from: number): void {
    since = counts.size === 0 ? from : Math.min(since, from);
    for (const { whose, most, rows, leftOut } of untold) {
      const count = countOf(whose, most);
      count.rows = Math.max(count.rows, rows);
      count.leftOut += leftOut;
    }
  }

  /** Writes how many have been left out so far. */
  async function settle(): Promise<void> {
    const [untold, from, at] = [counts, since, now()];
    const seconds = Math.max(0, Math.ceil((at - from) / 1000));
    counts = new Map();
    try {
      for (const [key, { whose, leftOut }] of untold) {
        if (leftOut > 0) {
          await audit.append({
            at,
            event: 'request.refusals_left_out',
            outcome: 'denied',
            reason: 'more refused requests than are written one by one',
            ...whose,
            details: { count: leftOut, seconds },
          });
        }
        untold.delete(key);
      }
    } catch (error) {
      putBack(untold.values(), from);
      throw error;
    }
  }

  /** Writes how many were left out in windows that have ended. */
  async function tellEnded(): Promise<void> {
    // Also if the clock was set back; otherwise no row would be written until it has caught up.
    if (Math.abs(now() - since) >= WINDOW_MS) await settle();
  }

  return {
    /**
     * @param isProved whether the client, and the person if there is one, have authenticated: far more of these are
     *   written, counted by client and person
     */
    async append(entry: AuditEntry, isProved: boolean): Promise<void> {
      await tellEnded();
      if (counts.size === 0) since = now();
      const { address = '', client, subject } = entry;
      const count = isProved
        ? countOf(defined({ client, subject }), ROWS_OF_PROVED)
        : countOf({ address: toKey(address) }, ROWS_OF_ADDRESS);
      if (count.rows >= count.most) {
        count.leftOut += 1;
        return;
      }
      count.rows += 1;
      await audit.append(entry);
    },
    tellEnded,
    settle,
  };
}
