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

  function countOf({ address = '', client, subject }: AuditEntry, isProved: boolean): Count {
    const whose: Whose = isProved ? defined({ client, subject }) : { address: toKey(address) };
    const key = JSON.stringify(whose);
    const known = counts.get(key);
    if (known) return known;
    const isFull = counts.size >= COUNTED;
    const others = { address: 'other addresses' };
    const count = isFull
      ? (counts.get('others') ?? { whose: others, most: ROWS_OF_ADDRESS, rows: 0, leftOut: 0 })
      : { whose, most: isProved ? ROWS_OF_PROVED : ROWS_OF_ADDRESS, rows: 0, leftOut: 0 };
    counts.set(isFull ? 'others' : key, count);
    return count;
  }

  /** Writes how many have been left out so far. */
  async function settle(): Promise<void> {
    const ended = counts;
    const at = now();
    const seconds = Math.max(0, Math.ceil((at - since) / 1000));
    counts = new Map();
    for (const { whose, leftOut } of ended.values()) {
      if (leftOut === 0) continue;
      await audit.append({
        at,
        event: 'request.refusals_left_out',
        outcome: 'denied',
        reason: 'more refused requests than are written one by one',
        ...whose,
        details: { count: leftOut, seconds },
      });
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
      const count = countOf(entry, isProved);
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
