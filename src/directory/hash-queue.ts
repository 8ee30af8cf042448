/**
 * The line in front of password hashing. A hash keeps one thread of libuv's pool busy for a quarter of a second, and
 * the same pool signs tokens: so only some hashes run at once, the others wait in a room of bounded size, and a login
 * that finds it full is told when to come again.
 *
 * Fair by time, first between organizations and then between the addresses inside one: the line that has spent the
 * fewest milliseconds is served next, so neither many hashes nor dear ones starve the others. A line that was empty
 * starts level with the one that is served, so nobody saves up. When the room is full, the longest line gives up its
 * last place to a shorter one.
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
  /** Addresses that count as one; by default each counts by itself. */
  readonly addressKey?: (address: string) => string;
  /** How many run at once; by default one for each core, but two threads of libuv's pool stay free. */
  readonly concurrency?: number;
}

interface Waiter {
  /** @param expectedMs what it was charged */
  enter(expectedMs: number): void;
  refuse(error: Unavailable): void;
}

/** What an organization, or an address, has had and what it waits for. */
interface Line {
  /** Milliseconds charged so far. */
  spentMs: number;
  waiting: number;
  running: number;
}

interface AddressLine extends Line {
  readonly waiters: Waiter[];
}

interface OrganizationLine extends Line {
  readonly addresses: Lines<AddressLine>;
  /** What one hash of it costs: tables of a datasource may have dearer ones than others. */
  averageMs: number;
}

function defaultConcurrency(): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || DEFAULT_THREADS;
  return Math.max(1, Math.min(availableParallelism(), threads - RESERVED_THREADS));
}

/** Lines among which the time is shared. */
class Lines<L extends Line> {
  readonly #lines = new Map<string, L>();
  readonly #create: () => L;
  /** What the line that was served last had spent before: where those begin that were empty. */
  #levelMs = 0;

  constructor(create: () => L) {
    this.#create = create;
  }

  get(key: string): L | undefined {
    return this.#lines.get(key);
  }

  /** The line of `key`, for one hash more. */
  join(key: string): L {
    let line = this.#lines.get(key);
    if (!line) {
      line = this.#create();
      this.#lines.set(key, line);
    }
    if (line.waiting + line.running === 0) line.spentMs = Math.max(line.spentMs, this.#levelMs);
    return line;
  }

  /** The line to serve next, of those that wait. */
  next(): L | undefined {
    let next: L | undefined;
    for (const [key, line] of this.#lines) {
      if (line.waiting > 0) {
        if (!next || line.spentMs < next.spentMs) next = line;
      } else if (line.running === 0 && line.spentMs <= this.#levelMs) this.#lines.delete(key);
    }
    return next;
  }

  longest(): L | undefined {
    let longest: L | undefined;
    for (const line of this.#lines.values()) if (!longest || line.waiting > longest.waiting) longest = line;
    return longest;
  }

  /** @param ms what the hash that starts is expected to cost */
  start(line: L, ms: number): void {
    this.#levelMs = Math.max(this.#levelMs, line.spentMs);
    line.running += 1;
    line.spentMs += ms;
  }

  clear(): void {
    this.#lines.clear();
    this.#levelMs = 0;
  }
}

export function createHashQueue({
  limit,
  now,
  addressKey = (address) => address,
  concurrency = defaultConcurrency(),
}: HashQueueDeps): HashQueue {
  let running = 0;
  let waiting = 0;
  let averageMs = ASSUMED_HASH_MS;
  const organizations = new Lines<OrganizationLine>(() => ({
    spentMs: 0,
    waiting: 0,
    running: 0,
    averageMs,
    addresses: new Lines<AddressLine>(() => ({ spentMs: 0, waiting: 0, running: 0, waiters: [] })),
  }));
  const keyOf = ({ address }: HashShare): string => (address === undefined ? '' : addressKey(address));

  function full(): Unavailable {
    const ms = ((waiting + running) * averageMs) / concurrency;
    return new Unavailable(Math.max(1, Math.ceil(ms / 1000)), {
      description: 'too many logins at once, try again later',
      reason: 'hash queue is full',
    });
  }

  function count(change: number, ...lines: readonly Line[]): void {
    waiting += change;
    for (const line of lines) line.waiting += change;
  }

  /** The last of the longest line goes, if that line stays longer than the newcomer's without it. */
  function makeRoomFor(share: HashShare): boolean {
    const own = organizations.get(share.organization);
    const longest = organizations.longest();
    const isOther = longest !== undefined && longest.waiting > (own?.waiting ?? 0) + 1;
    const organization = isOther ? longest : own;
    const address = organization?.addresses.longest();
    const ownAddress = isOther ? 0 : (own?.addresses.get(keyOf(share))?.waiting ?? 0) + 1;
    if (!organization || !address || address.waiting <= ownAddress) return false;
    address.waiters.pop()?.refuse(full());
    count(-1, organization, address);
    return true;
  }

  /** @returns what it is charged until it has been measured */
  function start(organization: OrganizationLine, address: AddressLine): number {
    const expectedMs = organization.averageMs;
    running += 1;
    organizations.start(organization, expectedMs);
    organization.addresses.start(address, expectedMs);
    return expectedMs;
  }

  function letNextEnter(): void {
    const organization = organizations.next();
    const address = organization?.addresses.next();
    if (!organization || !address) return;
    count(-1, organization, address);
    address.waiters.shift()?.enter(start(organization, address));
  }

  /** Puts what it really took in place of what was expected. */
  function finish(
    organization: OrganizationLine,
    address: AddressLine,
    expectedMs: number,
    ms: number,
  ): void {
    averageMs += SMOOTHING * (ms - averageMs);
    organization.averageMs += SMOOTHING * (ms - organization.averageMs);
    for (const line of [organization, address]) {
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
      const organization = organizations.join(share.organization);
      const address = organization.addresses.join(keyOf(share));
      const wait = (): Promise<number> => {
        count(1, organization, address);
        return new Promise((enter, refuse) => address.waiters.push({ enter, refuse }));
      };
      const expectedMs = running < concurrency ? start(organization, address) : await wait();
      const started = now();
      try {
        return await work();
      } finally {
        finish(organization, address, expectedMs, now() - started);
      }
    },
    running: () => running,
    waiting: () => waiting,
  };
}
