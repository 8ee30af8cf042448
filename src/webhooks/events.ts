/**
 * Events for webhooks: which webhooks hear of what the audit log records, and their rows in the outbox. A row is written
 * before the audit entry and, if it tells of a change, before the change: then it is announced, and becomes due when the
 * change has happened. Where a process ends in between, `delivery.ts` looks whether it has. So no event is lost.
 */
import { randomUUID } from 'node:crypto';
import type { Directory } from '../directory/directory.ts';
import type { Webhook } from '../nouns/index.ts';
import type { AuditEntry, AuditLog, ExpectedChange, NewOutboxRow, Outbox } from '../storage/contract.ts';
import { toBody } from './body.ts';

/** Milliseconds after which a process that has not said whether its change has happened counts as dead. */
const DEAD_AFTER = 60_000;

/** Events about webhooks themselves that no webhook hears of: a failing one would make more of them. */
export const GIVEN_UP = 'webhook.given_up';

export type Events = ReturnType<typeof createEvents>;

export interface EventsDeps {
  readonly outbox: Outbox;
  readonly directory: Pick<Directory, 'view'>;
  /** Id of the organization whose webhooks hear of everything on the server. */
  readonly serverOrganization?: string;
  /** Milliseconds. */
  readonly now: () => number;
}

/** @param event name @param wanted exact names, `user.*`, or `*` */
export function isWanted(event: string, wanted: readonly string[]): boolean {
  return wanted.some(
    (each) => each === '*' || each === event || (each.endsWith('.*') && event.startsWith(each.slice(0, -1))),
  );
}

type RowState = Pick<NewOutboxRow, 'state' | 'nextAt'> & { readonly expected?: ExpectedChange };

export function createRow(webhook: Pick<Webhook, 'id'>, entry: AuditEntry, state: RowState): NewOutboxRow {
  const id = `evt_${randomUUID()}`;
  return {
    id,
    webhook: webhook.id,
    // Without a subject its order means nothing.
    subject: entry.subject ?? id,
    event: entry.event,
    body: toBody(id, entry),
    createdAt: entry.at,
    attempts: 0,
    ...state,
  };
}

export function createEvents({ outbox, directory, serverOrganization, now }: EventsDeps) {
  async function findHearers({ event, organization }: AuditEntry): Promise<Webhook[]> {
    if (event === GIVEN_UP) return [];
    const hearing = new Set([organization, serverOrganization].filter((id) => id !== undefined));
    if (hearing.size === 0) return [];
    const view = await directory.view();
    const found = await Promise.all([...hearing].map((id) => view.findWebhooks(id)));
    return found.flat().filter(({ events }) => isWanted(event, events));
  }

  async function writeRows(entry: AuditEntry, stateOf: () => RowState): Promise<NewOutboxRow[]> {
    const hearers = await findHearers(entry);
    const rows = hearers.map((webhook) => createRow(webhook, entry, stateOf()));
    await Promise.all(rows.map((row) => outbox.insert(row)));
    return rows;
  }

  /** Another process may have taken this one for dead, and looked too early. */
  async function becomeDue({ expected: _, ...row }: NewOutboxRow): Promise<void> {
    const due = { ...row, state: 'waiting', nextAt: now() } as const;
    for (;;) {
      const stored = (await outbox.find(row.id)) ?? (await outbox.insert(due));
      if (stored && stored.state !== 'announced') return;
      if (stored && (await outbox.replace({ ...stored, ...due }))) return;
    }
  }

  async function withdraw({ id }: NewOutboxRow): Promise<void> {
    const stored = await outbox.find(id);
    if (stored?.state === 'announced') await outbox.remove(stored);
  }

  return {
    /** Of a change that follows. @param entry as the audit log will have it */
    async announce(entry: AuditEntry, expected: () => ExpectedChange) {
      const rows = await writeRows(entry, () => ({
        state: 'announced',
        nextAt: now() + DEAD_AFTER,
        expected: expected(),
      }));
      return {
        /** To be called once the change has happened. */
        happened: async () => void (await Promise.all(rows.map(becomeDue))),
        /** To be called if the change will not happen. */
        failed: async () => void (await Promise.all(rows.map(withdraw))),
      };
    },
    /** Of what has happened. */
    async record(entry: AuditEntry): Promise<void> {
      await writeRows(entry, () => ({ state: 'waiting', nextAt: now() }));
    },
  };
}

/** The audit log, whose entries webhooks hear of. */
export function withEvents(audit: AuditLog, events: Pick<Events, 'record'>): AuditLog {
  return {
    ...audit,
    async append(entry) {
      await events.record(entry);
      await audit.append(entry);
    },
  };
}
