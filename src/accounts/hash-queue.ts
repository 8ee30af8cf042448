/**
 * The line in front of password hashing. A hash keeps a core busy for a quarter of a second, and those of some datasources
 * a thread of libuv's pool, which also signs tokens: so only some hashes run at once, the others wait in a room of bounded
 * size, and a login that finds it full is told when to retry.
 *
 * Fair by time, first between organizations, then between the networks inside one, then between the addresses of a
 * network: the line that has used the fewest milliseconds is served next. So many hashes, expensive hashes or many
 * addresses of one client do not starve the others. A line that was empty starts level with the one that is served, so
 * an idle line does not save up time. When the room is full, the longest line gives up its last place to a shorter one.
 */
import { availableParallelism } from 'node:os';
import { Unavailable } from '../errors/domain.ts';

/** Until one was measured. */
const ASSUMED_HASH_MS = 250;
/** Weight of the latest measurement in the running average. */
const SMOOTHING = 0.1;
/** Threads that stay free for other work. */
const RESERVED_THREADS = 2;
/** The default of libuv. */
const DEFAULT_THREADS = 4;

/** Whose time a hash takes. */
export interface HashShare {
  /** The organization's id. */
  readonly organization: string;
  /** The client's; absent for work of the operator. */
  readonly address?: string | undefined;
}

export type HashQueue = ReturnType<typeof createHashQueue>;

interface Waiter {
  /** @param expectedMs the charged cost */
  enter(expectedMs: number): void;
  refuse(error: Unavailable): void;
}

/** The time that all, an organization, a network or an address have used, and their waiting hashes. */
class Line {
  /** Milliseconds charged so far. */
  spentMs = 0;
  waiting = 0;
  running = 0;
  /** The expected cost of one hash: datasources of some organizations have more expensive ones. */
  averageMs: number;
  /** The lines that it consists of, which share its time. */
  readonly parts = new Map<string, Line>();
  /** The time that the part served last had used before: parts that were empty start with it. */
  levelMs = 0;
  /** Only in a line without parts. */
  readonly waiters: Waiter[] = [];

  constructor(averageMs: number) {
    this.averageMs = averageMs;
  }

  /** The part of `key`, for one hash more. */
  join(key: string): Line {
    const part = this.parts.get(key) ?? new Line(this.averageMs);
    this.parts.set(key, part);
    if (part.waiting + part.running === 0) part.spentMs = Math.max(part.spentMs, this.levelMs);
    return part;
  }

  /** The part to serve next, of those that wait. */
  next(): Line | undefined {
    let next: Line | undefined;
    for (const [key, part] of this.parts) {
      if (part.waiting > 0) {
        if (!next || part.spentMs < next.spentMs) next = part;
      } else if (part.running === 0 && part.spentMs <= this.levelMs) this.parts.delete(key);
    }
    return next;
  }

  longest(): Line | undefined {
    let longest: Line | undefined;
    for (const part of this.parts.values()) if (!longest || part.waiting > longest.waiting) longest = part;
    return longest;
  }
}

/** From the line of all over that of an organization down to one without parts. */
type Path = readonly Line[];

/** @param above the beginning of the path */
function descend(above: Path, choose: (line: Line) => Line | undefined): Path {
  const path = [...above];
  for (let part = choose(path.at(-1) as Line); part; part = choose(part)) path.push(part);
  return path;
}

function defaultConcurrency(): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || DEFAULT_THREADS;
  return Math.max(1, Math.min(availableParallelism(), threads - RESERVED_THREADS));
}

export function createHashQueue({
  limit,
  now,
  networksOf = (address) => [address],
  concurrency = defaultConcurrency(),
}: {
  /** How many may wait, of all organizations together. */
  readonly limit: number;
  /** Milliseconds of a monotonic clock, which measures what a hash takes. */
  readonly now: () => number;
  /** The networks that an address counts for, the widest first; by default each address counts by itself. */
  readonly networksOf?: (address: string) => readonly string[];
  /** How many run at once; by default one for each core, but two threads of libuv's pool stay free. */
  readonly concurrency?: number;
}) {
  const all = new Line(ASSUMED_HASH_MS);
  const keysOf = ({ organization, address }: HashShare): readonly string[] => [
    organization,
    ...(address === undefined ? [''] : networksOf(address)),
  ];

  function join(share: HashShare): Path {
    const path = [all];
    for (const key of keysOf(share)) path.push((path.at(-1) as Line).join(key));
    return path;
  }

  function full(): Unavailable {
    const ms = ((all.waiting + all.running) * all.averageMs) / concurrency;
    return new Unavailable(ms / 1000, {
      description: 'Too many logins at once. Try again later.',
      reason: 'hash queue is full',
    });
  }

  function count(change: number, path: Path): void {
    for (const line of path) line.waiting += change;
  }

  /** The longest line, if it stays longer than the newcomer's without its last place. */
  function findLonger(share: HashShare): Path | undefined {
    const path = [all];
    for (const key of keysOf(share)) {
      const line = path.at(-1) as Line;
      const [own, longest] = [line.parts.get(key), line.longest()];
      if (longest && longest.waiting > (own?.waiting ?? 0) + 1) {
        return descend([...path, longest], (part) => part.longest());
      }
      if (!own) return undefined;
      path.push(own);
    }
    return undefined;
  }

  function makeRoomFor(share: HashShare): boolean {
    const path = findLonger(share);
    if (!path) return false;
    path.at(-1)?.waiters.pop()?.refuse(full());
    count(-1, path);
    return true;
  }

  /** @returns the cost charged until it has been measured */
  function start(path: Path): number {
    const [, organization] = path as [Line, Line];
    const expectedMs = organization.averageMs;
    for (const [index, line] of path.entries()) {
      const above = path[index - 1];
      if (above) above.levelMs = Math.max(above.levelMs, line.spentMs);
      line.running += 1;
      line.spentMs += expectedMs;
    }
    return expectedMs;
  }

  function letNextEnter(): void {
    const path = descend([all], (line) => line.next());
    if (path.length === 1) return;
    count(-1, path);
    path.at(-1)?.waiters.shift()?.enter(start(path));
  }

  /** Replaces the expected cost by the measured one. */
  function finish(path: Path, expectedMs: number, ms: number): void {
    for (const line of path) {
      line.averageMs += SMOOTHING * (ms - line.averageMs);
      line.spentMs += ms - expectedMs;
      line.running -= 1;
    }
    letNextEnter();
    if (all.running > 0) return;
    all.parts.clear();
    all.levelMs = 0;
  }

  return {
    /**
     * Runs `work` when it is its turn.
     * @throws Unavailable when the room is full, with the seconds after which it should have emptied
     */
    async run<T>(share: HashShare, work: () => Promise<T>): Promise<T> {
      if (all.running >= concurrency && all.waiting >= limit && !makeRoomFor(share)) throw full();
      const path = join(share);
      const wait = (): Promise<number> => {
        count(1, path);
        return new Promise((enter, refuse) => path.at(-1)?.waiters.push({ enter, refuse }));
      };
      const expectedMs = all.running < concurrency ? start(path) : await wait();
      const started = now();
      try {
        return await work();
      } finally {
        finish(path, expectedMs, now() - started);
      }
    },
    /** Hashes being made. */
    running: () => all.running,
    /** Hashes that wait. */
    waiting: () => all.waiting,
  };
}
