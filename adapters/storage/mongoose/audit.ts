/** The audit log. It is read by time; entries of one time in the order of their ids. */
import { type QueryFilter, Types, trusted } from 'mongoose';
import {
  type AuditEntry,
  type AuditFilter,
  type AuditLog,
  type AuditRecord,
  MOST_LOOKED_AT,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { toCounted, toPage } from '../../../src/storage/pages.ts';
import { parseOptional } from './fields.ts';
import type { AuditDocument, Models } from './schemas.ts';

/** Those with an index, which leads to the fewest entries first. */
const LEADING = ['subject', 'actor', 'organization'] as const;

const ORDER = { at: -1, _id: -1 } as const;

type Place = Pick<AuditDocument, 'at' | '_id'>;
type Filter = QueryFilter<AuditDocument>;

const spell = ({ at, _id }: Place): string => `${at}-${_id}`;

function parse(cursor: string): Place | undefined {
  const [, at, id] = /^(\d{1,15})-([0-9a-f]{24})$/.exec(cursor) ?? [];
  return id === undefined ? undefined : { at: Number(at), _id: new Types.ObjectId(id) };
}

function toAuditDocument({ details, ...entry }: AuditEntry): Omit<AuditDocument, '_id'> {
  return { ...entry, ...defined({ details: details && JSON.stringify(details) }) };
}

export function toAuditEntry({ _id, details, ...entry }: AuditDocument): AuditEntry {
  return { ...entry, ...defined({ details: parseOptional(details) }) };
}

function toRecord(document: AuditDocument): AuditRecord {
  return { ...toAuditEntry(document), cursor: spell(document) };
}

/** The character after the dot. */
const AFTER_DOT = '/';

function toEvent(event: string | undefined): Filter['event'] {
  if (!event?.endsWith('.')) return event;
  return trusted({ $gte: event, $lt: event.slice(0, -1) + AFTER_DOT });
}

/** @returns what an index leads to, and what each entry there is compared with */
function filtersOf({ event, outcome, ...filter }: AuditFilter): { lead: Filter; rest: Filter } {
  const [first, ...others] = LEADING.filter((field) => filter[field] !== undefined);
  const pick = (fields: readonly (typeof LEADING)[number][]): Filter =>
    Object.fromEntries(fields.map((field) => [field, filter[field]]));
  return {
    lead: pick(first ? [first] : []),
    rest: { ...pick(others), ...defined({ event: toEvent(event), outcome }) },
  };
}

/** Entries of the time that is asked for, after one place and up to another. */
function between({ since = 0, until }: AuditFilter, start?: Place, end?: Place): Filter {
  const from = start && (until === undefined || start.at < until) ? start : undefined;
  const at = trusted({
    $gte: end?.at ?? since,
    ...defined({ $lte: from?.at, $lt: from ? undefined : until }),
  });
  const $and = [
    from && { $or: [{ at: trusted({ $lt: from.at }) }, { _id: trusted({ $lt: from._id }) }] },
    end && { $or: [{ at: trusted({ $gt: end.at }) }, { _id: trusted({ $gte: end._id }) }] },
  ].filter((limit) => limit !== undefined);
  return { at, ...($and.length > 0 && { $and }) };
}

export function createAudit({ audit }: Pick<Models, 'audit'>): AuditLog {
  /** @returns the filter of a reading, and where it ends if it does not reach the oldest entry */
  async function toReading(filter: AuditFilter, start?: Place): Promise<{ wanted: Filter; end?: Place }> {
    const { lead, rest } = filtersOf(filter);
    const isLed = Object.keys(rest).length === 0;
    const last = audit
      .findOne({ ...lead, ...between(filter, start) }, { at: 1 })
      .sort(ORDER)
      .skip(MOST_LOOKED_AT - 1);
    const end = isLed ? null : await last.lean<Place>();
    const wanted = { ...lead, ...rest, ...between(filter, start, end ?? undefined) };
    return { wanted, ...(end && { end }) };
  }

  return {
    async append(entry) {
      await audit.create(toAuditDocument(entry));
    },
    async removeBefore(at, limit) {
      const isOld = { at: trusted({ $lt: at }) };
      const old = await audit.find(isOld, { _id: 1 }).sort({ at: 1, _id: 1 }).limit(limit).lean();
      if (old.length === 0) return 0;
      const ids = trusted({ $in: old.map(({ _id }) => _id) });
      return (await audit.deleteMany({ _id: ids })).deletedCount;
    },
    async page({ before, limit, ...filter }) {
      const { wanted, end } = await toReading(filter, before === undefined ? undefined : parse(before));
      const found = audit
        .find(wanted)
        .sort(ORDER)
        .limit(limit + 1);
      const { items: entries, next = end && spell(end) } = toPage(
        (await found.lean<AuditDocument[]>()).map(toRecord),
        limit,
        ({ cursor }) => cursor,
      );
      return defined({ entries, next });
    },
    async count(filter, limit) {
      const { wanted, end } = await toReading(filter);
      const { count, isMore } = toCounted(await audit.countDocuments(wanted, { limit: limit + 1 }), limit);
      return { count, isMore: isMore || end !== undefined };
    },
    async find(cursor) {
      const place = parse(cursor);
      const document = place && (await audit.findOne({ ...place }).lean<AuditDocument>());
      return document ? toRecord(document) : undefined;
    },
  };
}
