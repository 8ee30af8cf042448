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

export interface HashQueue {
  /**
   * Runs `work` when it is its turn.
   * @throws Unavailable when the room is full, with the seconds after which it should have emptied
   */
  run<T>(share: HashShare, work: () => Promise<T>): Promise<T>;
  /** Hashes being made. */
  running(): number;
  /** Hashes that wait. */
  waiting(): number;
}

export interface HashQueueDeps {
  /** How many may wait, of all organizations together. */
  readonly limit: number;
  /** Milliseconds of a monotonic clock, which measures what a hash takes. */
  readonly now: () => number;
  /** The networks that an address counts for, the widest first; by default each address counts by itself. */
  readonly networksOf?: (address: string) => readonly string[];
  /** How many run at once; by default one for each core, but two threads of libuv's pool stay free. */
  readonly concurrency?: number;
}

interface Waiter {
  /** @param expectedMs the charged cost */
  enter(expectedMs: number): void;
  refuse(error: Unavailable): void;
}

/** The time that an organization, a network or an address has used, and its waiting hashes. */
interface Line {
  /** Milliseconds charged so far. */
  spentMs: number;
  waiting: number;
  running: number;
  /** The expected cost of one hash: datasources of some organizations have more expensive ones. */
  averageMs: number;
  /** The lines that it consists of. */
  readonly parts: Lines;
  /** Only in a line without parts. */
  readonly waiters: Waiter[];
}

/** The line of an organization, and those inside it down to the address. */
type Path = readonly [Line, ...Line[]];

function defaultConcurrency(): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || DEFAULT_THREADS;
  return Math.max(1, Math.min(availableParallelism(), threads - RESERVED_THREADS));
}

/** Lines that share the time. */
class Lines {
  readonly #lines = new Map<string, Line>();
  /** The time that the line served last had used before: lines that were empty start with it. */
  #levelMs = 0;

  get(key: string): Line | undefined {
    return this.#lines.get(key);
  }

  /** The line of `key`, for one hash more. */
  join(key: string, averageMs: number): Line {
    let line = this.#lines.get(key);
    if (!line) {
      line = { spentMs: 0, waiting: 0, running: 0, averageMs, parts: new Lines(), waiters: [] };
      this.#lines.set(key, line);
    }
    if (line.waiting + line.running === 0) line.spentMs = Math.max(line.spentMs, this.#levelMs);
    return line;
  }

  /** The line to serve next, of those that wait. */
  next(): Line | undefined {
    let next: Line | undefined;
    for (const [key, line] of this.#lines) {
      if (line.waiting > 0) {
        if (!next || line.spentMs < next.spentMs) next = line;
      } else if (line.running === 0 && line.spentMs <= this.#levelMs) this.#lines.delete(key);
    }
    return next;
  }

  longest(): Line | undefined {
    let longest: Line | undefined;
    for (const line of this.#lines.values()) if (!longest || line.waiting > longest.waiting) longest = line;
    return longest;
  }

  /** @param ms the expected cost of the hash that starts */
  start(line: Line, ms: number): void {
    this.#levelMs = Math.max(this.#levelMs, line.spentMs);
    line.running += 1;
    line.spentMs += ms;
  }

  clear(): void {
    this.#lines.clear();
    this.#levelMs = 0;
  }
}

/** The path from a line down to one without parts. */
function pathFrom(line: Line, choose: (parts: Lines) => Line | undefined): Path {
  const path: [Line, ...Line[]] = [line];
  for (let part = choose(line.parts); part; part = choose(part.parts)) path.push(part);
  return path;
}

export function createHashQueue({
  limit,
  now,
  networksOf = (address) => [address],
  concurrency = defaultConcurrency(),
}: HashQueueDeps): HashQueue {
  let running = 0;
  let waiting = 0;
  let averageMs = ASSUMED_HASH_MS;
  const organizations = new Lines();
  const partsOf = ({ address }: HashShare): readonly string[] =>
    address === undefined ? [''] : networksOf(address);

  function join(share: HashShare): Path {
    const organization = organizations.join(share.organization, averageMs);
    const path: [Line, ...Line[]] = [organization];
    let line = organization;
    for (const key of partsOf(share)) {
      line = line.parts.join(key, averageMs);
      path.push(line);
    }
    return path;
  }

  function full(): Unavailable {
    const ms = ((waiting + running) * averageMs) / concurrency;
    return new Unavailable(ms / 1000, {
      description: 'Too many logins at once. Try again later.',
      reason: 'hash queue is full',
    });
  }

  function count(change: number, path: Path): void {
    waiting += change;
    for (const line of path) line.waiting += change;
  }

  /** The longest line, if it stays longer than the newcomer's without its last place. */
  function findLonger(share: HashShare): Path | undefined {
    const above: Line[] = [];
    let lines = organizations;
    for (const key of [share.organization, ...partsOf(share)]) {
      const [own, longest] = [lines.get(key), lines.longest()];
      if (longest && longest.waiting > (own?.waiting ?? 0) + 1) {
        return [...above, ...pathFrom(longest, (parts) => parts.longest())] as unknown as Path;
      }
      if (!own) return undefined;
      above.push(own);
      lines = own.parts;
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
    const expectedMs = path[0].averageMs;
    running += 1;
    let lines = organizations;
    for (const line of path) {
      lines.start(line, expectedMs);
      lines = line.parts;
    }
    return expectedMs;
  }

  function letNextEnter(): void {
    const organization = organizations.next();
    if (!organization) return;
    const path = pathFrom(organization, (parts) => parts.next());
    count(-1, path);
    path.at(-1)?.waiters.shift()?.enter(start(path));
  }

  /** Replaces the expected cost by the measured one. */
  function finish(path: Path, expectedMs: number, ms: number): void {
    averageMs += SMOOTHING * (ms - averageMs);
    path[0].averageMs += SMOOTHING * (ms - path[0].averageMs);
    for (const line of path) {
      line.spentMs += ms - expectedMs;
      line.running -= 1;
    }
    running -= 1;
    letNextEnter();
    if (running === 0) organizations.clear();
  }

  return {
    async run(share, work) {
      if (running >= concurrency && waiting >= limit && !makeRoomFor(share)) throw full();
      const path = join(share);
      const wait = (): Promise<number> => {
        count(1, path);
        return new Promise((enter, refuse) => path.at(-1)?.waiters.push({ enter, refuse }));
      };
      const expectedMs = running < concurrency ? start(path) : await wait();
      const started = now();
      try {
        return await work();
      } finally {
        finish(path, expectedMs, now() - started);
      }
    },
    running: () => running,
    waiting: () => waiting,
  };
}
