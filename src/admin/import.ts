/** Taking what `export` wrote into an empty store. */
import { z } from 'zod';
import type { StoredKey } from '../storage/contract.ts';
import type { DumpKind, DumpRecord } from '../storage/dump.ts';
import { FORMAT, FORMAT_VERSION } from './export.ts';

/** The file is none of ours, of a newer version, damaged or cut off. */
export class BadExport extends Error {
  override readonly name = 'BadExport';
}

const kinds: { readonly [K in DumpKind]: true } = {
  keys: true,
  counts: true,
  organizations: true,
  applications: true,
  roles: true,
  resources: true,
  users: true,
  nodes: true,
  tokens: true,
  logins: true,
  artifacts: true,
  counters: true,
  audit: true,
};

const header = z.object({ format: z.literal(FORMAT), version: z.int() });
const end = z.strictObject({ end: z.literal(true), records: z.int() });
const record = z.looseObject({ kind: z.enum(Object.keys(kinds) as [DumpKind, ...DumpKind[]]) });

function parseLine<T>(line: string, number: number, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    throw new BadExport(`Line ${number} of the export is no JSON: the file was changed or cut off.`);
  }
}

/**
 * @param lines without line breaks
 * @yields the records; only when it has ended without an error was the file whole
 * @throws BadExport
 */
export async function* importRecords(lines: AsyncIterable<string>): AsyncGenerator<DumpRecord> {
  let number = 0;
  let records = 0;
  let ended = false;
  for await (const line of lines) {
    number += 1;
    if (number === 1) {
      requireHeader(line);
      continue;
    }
    if (line === '' && ended) continue;
    if (ended) throw new BadExport(`Line ${number} of the export comes after its end.`);
    const last = parseLine(line, number, end);
    if (last) {
      ended = true;
      if (last.records !== records) {
        throw new BadExport(`The export has ${records} rows, but ${last.records} were written: some are missing.`);
      }
      continue;
    }
    const parsed = parseLine(line, number, record);
    if (!parsed) throw new BadExport(`Line ${number} of the export is no row that this version knows.`);
    records += 1;
    yield parsed as unknown as DumpRecord;
  }
  if (!ended) throw new BadExport('The export ends too early: it was cut off.');
}

function requireHeader(line: string): void {
  let parsed: z.infer<typeof header> | undefined;
  try {
    parsed = header.safeParse(JSON.parse(line)).data;
  } catch {
    // Said below.
  }
  if (!parsed) throw new BadExport('The file is no export of Grantable.');
  if (parsed.version > FORMAT_VERSION) throw new BadExport('The export was written by a newer version of Grantable.');
}

/** The keys, which an export begins with, to see whether the master key opens them before anything is written. */
export async function readKeys(records: AsyncIterable<DumpRecord>): Promise<StoredKey[]> {
  const keys: StoredKey[] = [];
  for await (const each of records) {
    if (each.kind !== 'keys') break;
    keys.push(each.row);
  }
  return keys;
}
