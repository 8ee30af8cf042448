/** Events on their way to webhooks. */
import { trusted } from 'mongoose';
import type { NewOutboxRow, Outbox, OutboxRow } from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import { toPage } from '../../../src/storage/pages.ts';
import type { Heads } from './heads.ts';
import { insertOnce } from './one-document.ts';
import type { DocumentOf, Models } from './schemas.ts';

/** The last position. */
const POSITIONS = 'outbox positions';

export function toOutboxRow({
  position,
  version,
  document,
}: Pick<DocumentOf<'outbox'>, 'position' | 'version' | 'document'>): OutboxRow {
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
  const first = (document: DocumentOf<'outbox'> | null): OutboxRow | undefined =>
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
    find: async (id) => first(await outbox.findOne({ _id: id }).lean()),
    async due(now, limit, except) {
      const found = outbox
        .find({ nextAt: trusted({ $lte: now }), webhook: trusted({ $nin: [...except] }) })
        .sort({ nextAt: 1, position: 1 })
        .limit(limit);
      return (await found.lean()).map(toOutboxRow);
    },
    async first(webhook, subject) {
      const open = outbox.findOne({ openLane: laneOf(webhook, subject) }).sort({ position: 1 });
      return first(await open.lean());
    },
    async replace(row) {
      const { id, version } = row;
      const $set = { ...toMembers(row), version: version + 1 };
      const $unset = {
        ...(row.nextAt === undefined && { nextAt: 1, openLane: 1 }),
        ...(row.expiresAt === undefined && { expiresAt: 1 }),
      } as const;
      const change = { $set, ...(Object.keys($unset).length > 0 && { $unset }) };
      const { matchedCount } = await outbox.updateOne({ _id: id, version }, change);
      return matchedCount === 1 ? { ...row, version: version + 1 } : undefined;
    },
    async remove({ id, version }) {
      await outbox.deleteOne({ _id: id, version });
    },
    async page({ webhook, state, after, limit }) {
      const position = after === undefined ? undefined : trusted({ $lt: Number(after) });
      const found = outbox
        .find(defined({ webhook, state, position }))
        .sort({ position: -1 })
        .limit(limit + 1);
      return toPage((await found.lean()).map(toOutboxRow), limit, (row) => row.position);
    },
  };
}
