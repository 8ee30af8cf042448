/** Events on their way to webhooks. */
import { trusted } from 'mongoose';
import type { NewOutboxRow, Outbox, OutboxRow } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { guarded } from './errors.ts';
import type { Heads } from './heads.ts';
import { insertOnce } from './one-document.ts';
import type { Models, OutboxDocument } from './schemas.ts';

/** The last position. */
const POSITIONS = 'outbox positions';

export function toOutboxRow({ position, version, document }: OutboxDocument): OutboxRow {
  return { ...JSON.parse(document), position, version };
}

const laneOf = (webhook: string, subject: string): string => JSON.stringify([webhook, subject]);

/** What changes with a replacement. */
function toMembers({ state, nextAt, expiresAt, webhook, subject, ...row }: NewOutboxRow | OutboxRow) {
  const all = defined({ ...row, position: undefined, version: undefined, state, nextAt, expiresAt });
  return {
    state,
    document: JSON.stringify({ ...all, webhook, subject }),
    ...(nextAt !== undefined && { nextAt, openLane: laneOf(webhook, subject) }),
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt) }),
  };
}

export function createOutbox({ outbox }: Pick<Models, 'outbox'>, heads: Heads): Outbox {
  const first = (document: OutboxDocument | null): OutboxRow | undefined =>
    document ? toOutboxRow(document) : undefined;
  return {
    async insert(row) {
      const { id, webhook, subject } = row;
      const given = { position: await heads.next(POSITIONS), version: 1 };
      const isNew = await insertOnce(() =>
        outbox.create({ _id: id, webhook, subject, ...given, ...toMembers(row) }),
      );
      return isNew ? { ...row, ...given } : undefined;
    },
    find: async (id) => first(await guarded(() => outbox.findOne({ _id: id }).lean<OutboxDocument>())),
    async due(now, limit, except) {
      const found = await guarded(() =>
        outbox
          .find({ nextAt: trusted({ $lte: now }), webhook: trusted({ $nin: [...except] }) })
          .sort({ nextAt: 1, position: 1 })
          .limit(limit)
          .lean<OutboxDocument[]>(),
      );
      return found.map(toOutboxRow);
    },
    first: async (webhook, subject) =>
      first(
        await guarded(() =>
          outbox
            .findOne({ openLane: laneOf(webhook, subject) })
            .sort({ position: 1 })
            .lean<OutboxDocument>(),
        ),
      ),
    async replace(row) {
      const { id, version } = row;
      const members = toMembers(row);
      const $unset = {
        ...(row.nextAt === undefined && { nextAt: 1, openLane: 1 }),
        ...(row.expiresAt === undefined && { expiresAt: 1 }),
      } as const;
      const { matchedCount } = await guarded(() =>
        outbox.updateOne(
          { _id: id, version },
          {
            $set: { ...members, version: version + 1 },
            ...(Object.keys($unset).length > 0 && { $unset }),
          },
        ),
      );
      return matchedCount === 1 ? { ...row, version: version + 1 } : undefined;
    },
    async remove({ id, version }) {
      await guarded(() => outbox.deleteOne({ _id: id, version }));
    },
    async page({ webhook, state, after, limit }) {
      const position = after === undefined ? undefined : trusted({ $lt: Number(after) });
      const found = await guarded(() =>
        outbox
          .find(defined({ webhook, state, position }))
          .sort({ position: -1 })
          .limit(limit + 1)
          .lean<OutboxDocument[]>(),
      );
      const items = found.slice(0, limit).map(toOutboxRow);
      return defined({ items, next: found.length > limit ? String(items.at(-1)?.position) : undefined });
    },
  };
}
