/** Taking what `export` wrote into an empty store. */
import { z } from 'zod';
import { COLLECTIONS, type CollectionName, declarationOf } from '../nouns/index.ts';
import { structureOfNoun } from '../nouns/noun.ts';
import type { Structure } from '../nouns/structure.ts';
import type { StoredKey } from '../storage/contract.ts';
import type { DumpKind, DumpRecord } from '../storage/dump.ts';
import { toCurrentNoun } from '../storage/earlier-nouns.ts';
import { FORMAT, FORMAT_VERSION } from './export.ts';

/** The first that was released. */
const OLDEST_VERSION = 2;

/** The file is not an export, of a newer version, damaged or cut off. */
export class BadExport extends Error {
  override readonly name = 'BadExport';
}

const text = z.string().min(1);
const count = z.int().nonnegative();
const bytes = z.base64url().min(1);

/** What a value is made of. What its contents may be is not asked of what a store held. */
function toSchema(structure: Structure): z.ZodType {
  const { type, format, minimum, items, anyOf = [] } = structure;
  if (type === 'string') return format === 'uuid' ? z.uuid() : z.string();
  if (type === 'boolean') return z.boolean();
  if (type === 'number' || type === 'integer') {
    // An earlier version may have had a lower limit, but none below 0.
    const least = minimum !== undefined && minimum >= 0 ? 0 : Number.NEGATIVE_INFINITY;
    return (type === 'integer' ? z.int() : z.number()).min(least);
  }
  if (type === 'array') return z.array(items ? toSchema(items) : z.unknown());
  if (type === 'object') return toObjectSchema(structure);
  return anyOf.length > 0 ? z.union(anyOf.map(toSchema)) : z.unknown();
}

/** Members that no declaration knows are taken as they are: a store may hold what an earlier version wrote. */
function toObjectSchema({ properties = {}, required = [], additionalProperties }: Structure): z.ZodType {
  const members = Object.entries(properties).map(([name, member]) => {
    const schema = toSchema(member);
    return [name, required.includes(name) ? schema : schema.optional()] as const;
  });
  return z
    .object(Object.fromEntries(members))
    .catchall(additionalProperties ? toSchema(additionalProperties) : z.unknown());
}

const granted = z.looseObject({
  id: text,
  application: text,
  asOf: count,
  expiresAt: count,
  ancestors: z.array(text),
});

/** What finds a row and ends it; the rest is taken as it is. */
const kinds: { readonly [K in Exclude<DumpKind, CollectionName>]: z.ZodType } = {
  keys: z.object({
    row: z.looseObject({ id: text, purpose: text, sealed: text, createdAt: count, activeFrom: count }),
  }),
  counts: z.object({ name: text, value: count }),
  nodes: z.object({ row: z.looseObject({ id: text, expiresAt: count, change: count }) }),
  tokens: z.object({ key: bytes, row: granted }),
  logins: z.object({ row: granted.extend({ current: bytes }) }),
  artifacts: z.object({ model: text, key: bytes, row: z.looseObject({ expiresAt: count }) }),
  counters: z.object({ key: text, points: z.number(), expiresAt: count }),
  audit: z.object({ row: z.looseObject({ at: count, event: text }) }),
  outbox: z.object({
    row: z.looseObject({ id: text, webhook: text, subject: text, state: text, body: text, nextAt: count }),
  }),
};

const schemas: ReadonlyMap<unknown, z.ZodType> = new Map([
  ...Object.entries(kinds),
  ...COLLECTIONS.map((collection) => {
    const row = toSchema(structureOfNoun(declarationOf(collection)));
    return [collection, z.object({ row })] as const;
  }),
]);

const header = z.object({ format: z.literal(FORMAT), version: z.int() });
const end = z.strictObject({ end: z.literal(true), records: z.int() });

function parseRecord(value: unknown, number: number): DumpRecord {
  const { kind, row } = (value ?? {}) as { kind?: unknown; row?: unknown };
  const schema = schemas.get(kind);
  if (!schema) throw new BadExport(`Line ${number} of the export is not a row that this version knows.`);
  const isNoun = COLLECTIONS.includes(kind as CollectionName) && typeof row === 'object' && row !== null;
  const current = isNoun ? { kind, row: toCurrentNoun(kind as CollectionName, row as never) } : value;
  const issue = schema.safeParse(current).error?.issues[0];
  if (issue) throw new BadExport(`Line ${number} of the export is damaged at ${issue.path.join('.')}.`);
  return current as DumpRecord;
}

/** @returns undefined for a text that is not JSON */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
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
    const value = parseJson(line);
    if (value === undefined) {
      throw new BadExport(`Line ${number} of the export is not JSON: the file was changed or cut off.`);
    }
    const last = end.safeParse(value).data;
    if (!last) {
      records += 1;
      yield parseRecord(value, number);
    } else if (last.records === records) ended = true;
    else throw new BadExport(`The export has ${records} rows of ${last.records}: some are missing.`);
  }
  if (!ended) throw new BadExport('The export ends too early: it was cut off.');
}

function requireHeader(line: string): void {
  const parsed = header.safeParse(parseJson(line)).data;
  if (!parsed) throw new BadExport('The file is not an export of Grantable.');
  if (parsed.version < OLDEST_VERSION || parsed.version > FORMAT_VERSION) {
    const which = parsed.version > FORMAT_VERSION ? 'a newer version' : 'an unreleased version';
    throw new BadExport(`The export was written by ${which} of Grantable, which this one cannot read.`);
  }
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
