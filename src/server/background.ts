/** What a running server does beside answering: it notices changed keys and clears away what has expired. */
import type { Foundations } from './foundations.ts';
import { endUnusedAgents, sweep } from './sweep.ts';
import { createWebhookDelivery } from './webhook-delivery.ts';

/** Another process' new key holds here after this long at most; well below the time it is published before it signs. */
const KEYS_EVERY_MS = 1_000;
/** Multiple of the reading time: reading a large directory takes at most a twentieth of the time. */
const PAUSE_AFTER_READING = 20;
/** Rows that expire meanwhile wait for the next round. */
const SWEEP_EVERY_MS = 5_000;
/** An event reaches its webhooks after this at the earliest. */
const DELIVER_EVERY_MS = 1_000;
/** An agent goes after days, so some minutes more do not matter. */
const AGENTS_EVERY_MS = 60_000;
const TELL_EVERY_MS = 10_000;

/** Runs `work` again and again, `everyMs` or as long as it says after it ended, until stopped. */
function repeat(everyMs: number, work: () => Promise<unknown>, failed: (error: unknown) => void) {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  const schedule = (delay: number): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      running = work()
        .catch(failed)
        .then((next) => schedule(typeof next === 'number' ? next : everyMs));
    }, delay);
    timer.unref();
  };
  schedule(everyMs);
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}

/**
 * @param keysChanged called when the published keys or the server's own secrets changed
 * @param log told what went wrong; the work is tried again
 */
export function startBackground(
  foundations: Foundations,
  { keysChanged, log }: { keysChanged: () => void; log: (error: unknown, what: string) => void },
): { stop(): Promise<void> } {
  const { signingKeys, followSigningAlgs, refusals, vault } = foundations;
  const sending = 'events could not be sent to webhooks';
  const delivery = createWebhookDelivery(foundations, (error) => log(error, sending));
  let stopping = false;

  /** Kept until it was told: the store may go away between the readings, and each tells a change once. */
  let haveChanged = false;

  async function readKeys(): Promise<void> {
    if (await vault.refresh()) haveChanged = true;
    if (await signingKeys.refresh()) haveChanged = true;
    if (!haveChanged) return;
    keysChanged();
    haveChanged = false;
  }

  async function follow(): Promise<number> {
    const started = performance.now();
    if (await followSigningAlgs()) keysChanged();
    return Math.max(KEYS_EVERY_MS, PAUSE_AFTER_READING * (performance.now() - started));
  }

  async function clear(): Promise<void> {
    await sweep(foundations, { isStopping: () => stopping });
  }

  async function clearAgents(): Promise<void> {
    await endUnusedAgents(foundations.unusedAgents, { isStopping: () => stopping });
  }

  const stops = (
    [
      [KEYS_EVERY_MS, readKeys, 'keys could not be read again'],
      [KEYS_EVERY_MS, follow, 'the named signing algorithms could not be followed'],
      [SWEEP_EVERY_MS, clear, 'expired rows could not be removed'],
      [AGENTS_EVERY_MS, clearAgents, 'unused agents could not be removed'],
      [DELIVER_EVERY_MS, delivery.start, sending],
      [TELL_EVERY_MS, refusals.tellEnded, 'the number of further refused requests could not be written'],
    ] as const
  ).map(([everyMs, work, what]) => repeat(everyMs, work, (error) => log(error, what)));
  return {
    async stop() {
      stopping = true;
      await Promise.all([...stops.map((stop) => stop()), delivery.stop()]);
    },
  };
}
