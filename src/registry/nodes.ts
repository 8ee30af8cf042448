/** What the records of a token's ancestors say about it. */
import type { NodeRecord } from '../storage/contract.ts';

/**
 * Clocks of several processes may differ. Recomputing a token that was issued a little after its rights shrank gives
 * the same result, so the comparison may err on that side.
 */
const CLOCK_DIFFERENCE_MS = 60_000;

export type Standing = 'alive' | 'narrowed' | 'ended';

/** True once a node has ended and was not restored since. */
export function isEnded(record: NodeRecord): boolean {
  return (
    record.revokedAt !== undefined &&
    (record.restoredAt === undefined || record.restoredAt < record.revokedAt)
  );
}

/**
 * @param records of all of the token's ancestors and of itself
 * @param asOf milliseconds: when the rights that the token was made from were read
 */
export function standingOf(records: readonly NodeRecord[], asOf: number): Standing {
  let standing: Standing = 'alive';
  for (const record of records) {
    if (isEnded(record)) return 'ended';
    if (record.restoredAt !== undefined && asOf <= record.restoredAt) return 'ended';
    if (record.narrowedAt !== undefined && asOf <= record.narrowedAt + CLOCK_DIFFERENCE_MS)
      standing = 'narrowed';
  }
  return standing;
}
