/** What a running server does beside answering: it notices changed keys and clears away what has expired. */
import type { Foundations } from './foundations.ts';
import { sweep } from './sweep.ts';

/** Another process' new key holds here after this long at most; well below the time it is published before it signs. */
const KEYS_EVERY_MS = 1_000;
/** Multiple of the reading time: reading a large directory takes at most a twentieth of the time. */
const PAUSE_AFTER_READING = 20;
/** Rows that expire meanwhile wait for the next round. */
const SWEEP_EVERY_MS = 5_000;
const TELL_EVERY_MS = 10_000;

export interface Background {
  stop(): Promise<void>;
}

/** Runs `work` again and again, `everyMs` after it ended, until stopped. */
function repeat(everyMs: number, work: () => Promise<number | undefined>, failed: (error: unknown) => void) {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  const schedule = (delay: number): void => {
    if (stopped) return;
    timer = setTimeout(() => {
      running = work()
        .catch((error: unknown) => {
          failed(error);
          return undefined;
        })
        .then((next) => schedule(next ?? everyMs));
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
): Background {
  const { signingKeys, followSigningAlgs, refusals, vault } = foundations;
  const stopKeys = repeat(
    KEYS_EVERY_MS,
    async () => {
      const secretsChanged = await vault.refresh();
      const published = await signingKeys.refresh();
      if (secretsChanged || published) keysChanged();
      return undefined;
    },
    (error) => log(error, 'keys could not be read again'),
  );
  const stopFollowing = repeat(
    KEYS_EVERY_MS,
    async () => {
      const started = performance.now();
      if (await followSigningAlgs()) keysChanged();
      return Math.max(KEYS_EVERY_MS, PAUSE_AFTER_READING * (performance.now() - started));
    },
    (error) => log(error, 'the named signing algorithms could not be followed'),
  );
  let stopping = false;
  const stopSweep = repeat(
    SWEEP_EVERY_MS,
    async () => {
      await sweep(foundations, { isStopping: () => stopping });
      return undefined;
    },
    (error) => log(error, 'expired rows could not be removed'),
  );
  const stopTelling = repeat(
    TELL_EVERY_MS,
    async () => {
      await refusals.tellEnded();
      return undefined;
    },
    (error) => log(error, 'the number of further refused requests could not be written'),
  );
  return {
    async stop() {
      stopping = true;
      await Promise.all([stopKeys(), stopFollowing(), stopSweep(), stopTelling()]);
    },
  };
}
