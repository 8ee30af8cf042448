/**
 * Sending what stands in the outbox, again and again until it arrives or is given up. Several processes share the work: one
 * claims a row with a lease, and where that process ends the lease runs out. A webhook is sent one event at a time by each
 * process, and webhooks take turns, so a slow receiver holds up only itself.
 */
import type { Webhook } from '../nouns/index.ts';
import type { AuditLog, DirectoryStore, NodeStore, Outbox, OutboxRow } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { hasHappened } from './announced-changes.ts';
import { GIVEN_UP } from './events.ts';
import type { Answered, Post } from './post.ts';
import { sign, type WebhookSecrets } from './secrets.ts';

/** Webhooks that a process sends to at a time. */
const ROOM = 8;
/** All in milliseconds. A lease is longer than an attempt may take. */
const LEASE = 30_000;
const FIRST_PAUSE = 5_000;
const LONGEST_PAUSE = 6 * 3_600_000;
/** The other events of a webhook that fails wait for at most this. */
const LONGEST_PAUSE_OF_ALL = 60_000;
const GIVE_UP_AFTER = 3 * 86_400_000;
const KEPT_DELIVERED = 7 * 86_400_000;
const KEPT_FAILED = 30 * 86_400_000;
/** Until an event is looked at again that waits for an earlier one of its object. */
const SOON = 1_000;
/** Pauses are longer by up to this part, so that receivers that come back are not met by all at once. */
const JITTER = 0.2;

const GONE = 410;

export type Delivery = ReturnType<typeof createDelivery>;

export interface DeliveryDeps {
  readonly outbox: Outbox;
  readonly store: DirectoryStore;
  readonly nodes: Pick<NodeStore, 'read'>;
  readonly secrets: Pick<WebhookSecrets, 'signingKeys'>;
  readonly post: Post;
  /** Disables a webhook whose receiver has gone for good. */
  readonly switchOff: (webhook: Webhook) => Promise<void>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Told what went wrong on this side; the work is tried again at the next `start`. */
  readonly log: (error: unknown) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** A row without what only open ones have. */
const closed = ({ nextAt: _, isLeased: __, ...row }: OutboxRow): OutboxRow => row;

/** @param answered to the latest attempt */
function withAnswer(
  { lastStatus: _, lastReason: __, ...row }: OutboxRow,
  { status: lastStatus, reason: lastReason }: Answered,
): OutboxRow {
  return { ...row, ...defined({ lastStatus, lastReason }) };
}

/** As it is asked to be sent again. @param now milliseconds */
export function sentAgain(row: OutboxRow, now: number): OutboxRow {
  const { settledAt: _, expiresAt: __, ...kept } = closed(row);
  return { ...kept, state: 'waiting', nextAt: now, attempts: 0, since: now };
}

export function createDelivery(deps: DeliveryDeps) {
  const { outbox, store, nodes, secrets, post, switchOff, audit, log, now } = deps;
  /** By webhook. */
  const active = new Map<string, Promise<void>>();
  const pauses = new Map<string, { readonly failures: number; readonly until: number }>();
  /** Webhooks that have had their turn in this round: one with many events leaves room for the others. */
  const served = new Set<string>();
  let filling: Promise<void> | undefined;
  let again = false;
  let stopping = false;

  const pauseAfter = (failures: number): number =>
    Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)) * (1 + JITTER * Math.random());

  const paused = (): string[] =>
    [...pauses].flatMap(([webhook, { until }]) => (until > now() ? [webhook] : []));

  async function fill(): Promise<void> {
    while (active.size < ROOM && !stopping) {
      const [row] = await outbox.due(now(), 1, [...active.keys(), ...paused(), ...served]);
      if (!row && served.size === 0) return;
      if (!row) {
        served.clear();
        continue;
      }
      served.add(row.webhook);
      const work = attend(row)
        .finally(() => active.delete(row.webhook))
        .then(start)
        .catch(log);
      active.set(row.webhook, work);
    }
  }

  /** Begins to send what is due, as far as there is room; as rooms become free it goes on by itself. */
  function start(): Promise<void> {
    again = true;
    filling ??= (async () => {
      while (again) {
        again = false;
        await fill();
      }
    })().finally(() => {
      filling = undefined;
    });
    return filling;
  }

  async function attend(row: OutboxRow): Promise<void> {
    const webhook = await store.webhooks.get(row.webhook);
    if (!webhook?.enabled) pauses.delete(row.webhook);
    if (!webhook) return outbox.remove(row);
    if (row.state === 'announced') return decide(row);
    const first = await outbox.first(row.webhook, row.subject);
    if (first && first.id !== row.id) return waitFor(first, row);
    if (!webhook.enabled)
      return void (await outbox.replace(failed(row, { reason: 'The webhook is disabled.' })));
    const lease = { isLeased: true, nextAt: now() + LEASE } as const;
    const claimed = await outbox.replace({ ...row, ...lease, attempts: row.attempts + 1 });
    if (claimed) await settle(webhook, claimed, await send(webhook, claimed));
  }

  /** The process that announced the change has not said what became of it. */
  async function decide({ expected, ...row }: OutboxRow): Promise<void> {
    const isDue = expected !== undefined && (await hasHappened(expected, { store, nodes }));
    if (!isDue) return outbox.remove(row);
    await outbox.replace({ ...row, state: 'waiting', nextAt: now() });
  }

  async function waitFor({ isLeased, state, nextAt = 0 }: OutboxRow, row: OutboxRow): Promise<void> {
    const isBrief = isLeased || state === 'announced';
    await outbox.replace({ ...row, nextAt: Math.max(isBrief ? 0 : nextAt, now() + SOON) });
  }

  async function send(webhook: Webhook, { id, body }: OutboxRow): Promise<Answered> {
    const at = now();
    const signed = sign({ id, body }, secrets.signingKeys(webhook, at), Math.floor(at / 1000));
    const headers = { 'content-type': 'application/json', 'user-agent': 'Grantable', ...signed };
    return post(new URL(webhook.url), headers, body);
  }

  function failed(row: OutboxRow, answered: Answered): OutboxRow {
    const at = now();
    const times = { settledAt: at, expiresAt: at + KEPT_FAILED };
    return { ...withAnswer(closed(row), answered), state: 'failed', ...times };
  }

  async function settle(webhook: Webhook, row: OutboxRow, answered: Answered): Promise<void> {
    const at = now();
    if (answered.reason === undefined) {
      pauses.delete(webhook.id);
      const times = { settledAt: at, expiresAt: at + KEPT_DELIVERED };
      await outbox.replace({ ...withAnswer(closed(row), answered), state: 'delivered', ...times });
      return;
    }
    if (answered.status === GONE) {
      await outbox.replace(failed(row, answered));
      await switchOff(webhook);
      return;
    }
    const nextAt = at + Math.max(pauseAfter(row.attempts), Math.min(answered.retryAfter ?? 0, LONGEST_PAUSE));
    pauseAll(webhook, answered, nextAt);
    if (nextAt <= (row.since ?? row.createdAt) + GIVE_UP_AFTER) {
      const { isLeased: _, ...open } = row;
      await outbox.replace(withAnswer({ ...open, nextAt }, answered));
      return;
    }
    await recordGivenUp(webhook, row, answered.reason);
    await outbox.replace(failed(row, answered));
  }

  /** A receiver that asks for time gets it for all of its events. */
  function pauseAll({ id }: Webhook, { retryAfter }: Answered, nextAt: number): void {
    const failures = (pauses.get(id)?.failures ?? 0) + 1;
    const most = now() + Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE_OF_ALL);
    pauses.set(id, { failures, until: retryAfter === undefined ? Math.min(nextAt, most) : nextAt });
  }

  async function recordGivenUp(webhook: Webhook, row: OutboxRow, reason: string): Promise<void> {
    const { id, event, attempts } = row;
    await audit.append({
      at: now(),
      event: GIVEN_UP,
      outcome: 'denied',
      reason,
      subject: webhook.id,
      organization: webhook.organization,
      details: { name: webhook.name, id, event, attempts },
    });
  }

  /** Resolves when nothing more is being sent. Who began it is told what failed. */
  async function idle(): Promise<void> {
    while (filling || active.size > 0) await Promise.allSettled([filling, ...active.values()]);
  }

  return {
    start,
    idle,
    /** Begins nothing more, and waits for what is being sent. */
    async stop(): Promise<void> {
      stopping = true;
      await idle();
    },
  };
}
