/** A change and its audit entry, which webhooks hear of even if the process ends between the two. */
import type { AuditEntry, AuditLog, ExpectedChange } from '../storage/contract.ts';
import type { Events } from '../webhooks/events.ts';
import { isRace } from './retry-on-conflict.ts';

/** @param expected what the store shows once the change has happened; called only if a webhook hears of it */
export type Recorded = <T>(
  entry: Omit<AuditEntry, 'at'>,
  expected: () => ExpectedChange,
  change: () => Promise<T>,
) => Promise<T>;

export function createRecorded({
  events,
  audit,
  now,
}: {
  readonly events: Pick<Events, 'announce'>;
  /** The log itself: the events come from here. */
  readonly audit: Pick<AuditLog, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}): Recorded {
  return async (entry, expected, change) => {
    const announced = await events.announce({ ...entry, at: now() }, expected);
    try {
      const result = await change();
      await announced.happened();
      await audit.append({ ...entry, at: now() });
      return result;
    } catch (error) {
      // After any other error the change may have been written all the same.
      if (isRace(error)) await announced.failed();
      throw error;
    }
  };
}
