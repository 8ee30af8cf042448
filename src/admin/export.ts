/**
 * A store as lines of JSON: a first line that says what this is, one line per row, a last line that says how many. A
 * file that was cut off is told from a whole one.
 */
import type { Dump } from '../storage/dump.ts';

export const FORMAT = 'grantable-export';
export const FORMAT_VERSION = 4;

/** `now` (milliseconds) is written into the first line. */
export async function* exportLines(dump: Pick<Dump, 'export'>, now: number): AsyncGenerator<string> {
  yield JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, exportedAt: new Date(now).toISOString() });
  let records = 0;
  for await (const record of dump.export()) {
    records += 1;
    yield JSON.stringify(record);
  }
  yield JSON.stringify({ end: true, records });
}
