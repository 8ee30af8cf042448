/**
 * The line in front of bcrypt. A hash keeps one thread of libuv's pool busy for a quarter of a second, and the same
 * pool signs tokens: so only some hashes run at once, the others wait in a room of bounded size, and who finds it
 * full is told when to come again.
 *
 * Fair between organizations: each has a line of its own and the lines are served in turn. When the room is full, the
 * longest line gives up its last place to an organization with a shorter one, so that one organization's flood costs
 * the others at most one turn and never a place.
 */
import { availableParallelism } from 'node:os';
import { Unavailable } from '../errors/domain.ts';

/** Until one was measured. */
const ASSUMED_HASH_MS = 250;
/** Weight of the latest measurement in the running average. */
const SMOOTHING = 0.1;
/** Threads left to everybody else. */
const RESERVED_THREADS = 2;
/** What libuv starts when nobody says otherwise. */
const DEFAULT_THREADS = 4;

export interface HashQueue {
  /**
   * Runs `work` when it is its turn.
   *
   * @param organization whose line it waits in
   * @throws Unavailable when the room is full, with the seconds after which it should have emptied
   */
  run<T>(organization: string, work: () => Promise<T>): Promise<T>;
  /** Hashes being made now. */
  running(): number;
  /** Hashes waiting now. */
  waiting(): number;
}

export interface HashQueueDeps {
  /** How many may wait, of all organizations together. */
  readonly limit: number;
  /** Milliseconds; only differences count. */
  readonly now: () => number;
  /** How many run at once; by default one for each core, but two threads of libuv's pool stay free. */
  readonly concurrency?: number;
}

interface Waiter {
  enter(): void;
  refuse(error: Unavailable): void;
}

function defaultConcurrency(): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || DEFAULT_THREADS;
  return Math.max(1, Math.min(availableParallelism(), threads - RESERVED_THREADS));
}

export function createHashQueue({
  limit,
  now,
  concurrency = defaultConcurrency(),
}: HashQueueDeps): HashQueue {
  /** In the order in which they are served next. An organization without waiters has no line. */
  const lines = new Map<string, Waiter[]>();
  let running = 0;
  let waiting = 0;
  let averageMs = ASSUMED_HASH_MS;

  function full(): Unavailable {
    const ms = ((waiting + running) * averageMs) / concurrency;
    return new Unavailable(Math.max(1, Math.ceil(ms / 1000)), {
      description: 'too many logins at once, try again later',
      reason: 'hash queue is full',
    });
  }

  /** The last of the longest line goes, if that line stays longer than the newcomer's without him. */
  function makeRoomFor(newcomer: string): boolean {
    let longest: [string, Waiter[]] | undefined;
    for (const entry of lines) if (!longest || entry[1].length > longest[1].length) longest = entry;
    if (!longest || longest[1].length <= (lines.get(newcomer)?.length ?? 0) + 1) return false;
    longest[1].pop()?.refuse(full());
    waiting -= 1;
    return true;
  }

  function wait(organization: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const line = lines.get(organization) ?? [];
      line.push({ enter: resolve, refuse: reject });
      lines.set(organization, line);
      waiting += 1;
    });
  }

  /** The first of the next line enters, and that line is served again after all others. */
  function letNextEnter(): void {
    const next = lines.entries().next().value;
    if (!next) return;
    const [organization, line] = next;
    lines.delete(organization);
    const waiter = line.shift();
    if (line.length > 0) lines.set(organization, line);
    waiting -= 1;
    running += 1;
    waiter?.enter();
  }

  return {
    async run(organization, work) {
      if (running < concurrency) {
        running += 1;
      } else {
        if (waiting >= limit && !makeRoomFor(organization)) throw full();
        await wait(organization);
      }
      const started = now();
      try {
        return await work();
      } finally {
        averageMs += SMOOTHING * (now() - started - averageMs);
        running -= 1;
        letNextEnter();
      }
    },
    running: () => running,
    waiting: () => waiting,
  };
}
