/**
 * Throttling of guesses: of passwords per account and address, of client secrets per client and address.
 *
 * An account gives its guesses away before the password is looked at, so parallel ones get no more than serial ones.
 * When they are used up it is never locked: each further guess has to wait for a delay that doubles up to a limit. A
 * right password given during the delay is refused like a wrong one; otherwise an attacker could go on guessing during
 * the delay and see from the answer which one is right. An account that does not exist is counted like any other.
 *
 * An address from which an account has logged in lately has its own guesses for every name of that account. Strangers
 * cannot use them up, so they cannot lock the person out.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { GuessLimits, guessedAccount } from '../accounts/authenticate-user.ts';
import { TooManyAttempts } from '../errors/domain.ts';
import type { Counters } from '../storage/contract.ts';
import { addressKey, customerKey } from './address-key.ts';
import { CountersLimiter, type Limit, RateLimiterRes } from './throttle-store.ts';

export type { Limit } from './throttle-store.ts';

/** `config/options.ts` says what each counts. */
export type ThrottleLimits = Readonly<
  Record<'account' | 'address' | 'client' | 'registration' | 'authorization' | 'agentDocument', Limit>
>;

/** Seconds of the delays of an account. */
const FIRST_DELAY = 60;
const LONGEST_DELAY = 900;
/** Seconds without a further delay after which an account has all its guesses again. */
const DELAYS_REMEMBERED = 86_400;
/**
 * So many windows with a wrong password in them, in a day without a right one, weigh as much as one whose guesses were
 * all used up: who keeps just below the limit is slowed down too, before 100 failures (NIST 800-63B section 3.2.2).
 */
const WEIGHT_OF_DELAY = 10;
/** All addresses of a customer together get this many times the attempts of one address. */
const ADDRESSES_TOGETHER = 10;
/** Seconds. */
const ADDRESS_REMEMBERED = 30 * 86_400;
/** Seconds left at which a login renews the memory of its address; at each login would be a write too many. */
const ADDRESS_RENEWED = 29 * 86_400;
/** Seconds: the delay of an account ends this much before that of the name, so a person waits for one delay only. */
const HEAD_START = 1;
const BLOCKS_KEPT = 10_000;
/** Of rows that are kept for long. */
const PER_HOUR: Limit = { points: 300, seconds: 3_600 };
const PER_MINUTE: Limit = { points: 10, seconds: 60 };

/** What guesses of passwords are counted by. */
export type GuessedAccount = ReturnType<typeof guessedAccount>;

export interface ThrottleDeps {
  readonly counters: Counters;
  readonly limits: ThrottleLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Names come from strangers, at any length; 128 bits of their hash do. */
function keyOf(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url').slice(0, 22);
}

/** A guess that was taken: exactly one of its methods is called. */
interface Taken {
  /** Restores all guesses. @returns whether the memory of the address was written too */
  succeeded(): Promise<boolean>;
  failed(): Promise<void>;
  givenBack(): Promise<void>;
}

const tooMany = (ms: number, reason: string): TooManyAttempts => new TooManyAttempts(ms / 1000, { reason });

/** @throws TooManyAttempts when fewer are left */
async function consume(
  limiter: CountersLimiter,
  key: string,
  reason: string,
  points = 1,
): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key, points);
  } catch (refusal) {
    throw refusal instanceof RateLimiterRes ? tooMany(refusal.msBeforeNext, reason) : refusal;
  }
}

/**
 * Counts failures after the fact. A block is remembered in this process by its own failures alone, so that requests
 * of those who never fail cost no read; each further process lets one failure more through before it knows.
 */
function createFailureCount(limiter: CountersLimiter, reason: string, now: () => number) {
  const blocked = new LRUCache<string, number>({ max: BLOCKS_KEPT });
  /** This process' own failures, counted before the store has: guesses that come at once get no more than guesses one by one. */
  const own = new LRUCache<string, { count: number; until: number }>({ max: BLOCKS_KEPT });
  const remember = (key: string, { consumedPoints, msBeforeNext }: RateLimiterRes): void => {
    if (consumedPoints >= limiter.points) blocked.set(key, now() + msBeforeNext);
  };
  return {
    async add(key: string): Promise<void> {
      const running = own.get(key);
      if (running && running.until > now()) running.count += 1;
      else own.set(key, { count: 1, until: now() + limiter.duration * 1000 });
      remember(key, await limiter.penalty(key));
    },
    /** @param toKey asked only while anything is blocked */
    require(toKey: () => string): void {
      if (blocked.size === 0 && own.size === 0) return;
      const key = toKey();
      const ms = (blocked.get(key) ?? 0) - now();
      if (ms > 0) throw tooMany(ms, reason);
      const { count = 0, until = 0 } = own.get(key) ?? {};
      if (count >= limiter.points && until > now()) throw tooMany(until - now(), reason);
    },
    /** Reads what other processes have counted. */
    async requireInStore(key: string): Promise<void> {
      this.require(() => key);
      const state = await limiter.get(key);
      if (state) remember(key, state);
      this.require(() => key);
    },
  };
}

export type Throttle = ReturnType<typeof createThrottle>;

export function createThrottle({ counters, limits, now }: ThrottleDeps) {
  const limiter = (keyPrefix: string, limit: Limit) => new CountersLimiter(counters, now, keyPrefix, limit);
  const failures = (keyPrefix: string, limit: Limit, reason: string) =>
    createFailureCount(limiter(keyPrefix, limit), reason, now);
  const guesses = limiter('guess', limits.account);
  const weights = limiter('delay', { points: WEIGHT_OF_DELAY, seconds: DELAYS_REMEMBERED });
  const addressesOfAccount = limiter('known', { points: 1, seconds: ADDRESS_REMEMBERED });
  // Nothing that is counted of guesses is kept longer.
  const guessesRemembered = Math.max(limits.account.seconds, DELAYS_REMEMBERED);
  const restorations = limiter('restored', { points: 1, seconds: guessesRemembered });
  const addresses = failures('address', limits.address, 'too many failures from this address');
  // Counted apart from passwords: people who guess passwords at a back end must not block the back end, whose secret is
  // right.
  const secretsReason = 'too many wrong client secrets from this address';
  const secretAddresses = failures('secrets', limits.address, secretsReason);
  const clients = failures('client', limits.client, 'too many wrong client secrets');
  // The window is not longer than what a mail brings is valid, so that a person who gets no further mail has a valid one.
  const mails = limiter('mail', { points: 3, seconds: 900 });
  const addressCount = (address: string): string => keyOf(addressKey(address));
  const clientKey = (clientId: string, address: string): string => keyOf(clientId, addressKey(address));

  /** @param what is taken, for the log @returns takes one of what a party has */
  function takesOf(keyPrefix: string, limit: Limit, what: string): (whose: string) => Promise<void> {
    const points = limiter(keyPrefix, limit);
    return async (whose) => {
      await consume(points, keyOf(whose), `too many ${what}`);
    };
  }

  /** @returns takes one from an address and, if a customer has many addresses, one from all of them */
  function takesOfAddress(keyPrefix: string, limit: Limit, what: string): (address: string) => Promise<void> {
    const takeOwn = takesOf(keyPrefix, limit, what);
    const together = { ...limit, points: limit.points * ADDRESSES_TOGETHER };
    const takeTogether = takesOf(`${keyPrefix} of customer`, together, what);
    return async (address) => {
      const [key, customer] = [addressKey(address), customerKey(address)];
      await takeOwn(key);
      if (customer !== key) await takeTogether(customer);
    };
  }

  const takeDocument = takesOfAddress('agent', limits.agentDocument, 'metadata documents for this address');
  const documentsOfHost = { points: 60, seconds: 600 };
  const takeDocumentOfHost = takesOf('agent host', documentsOfHost, 'metadata documents of this host');

  async function remember(subject: string, from: string): Promise<void> {
    await addressesOfAccount.set(keyOf(subject, from), 1, ADDRESS_REMEMBERED);
  }

  /**
   * Under which key guesses of a name or of an account are counted. The addresses that have counts of their own cannot be
   * listed, so restoring guesses begins new counts of all of them: the time of the last restoration is part of each key.
   * @param here of the address, if the subject has logged in from there
   */
  async function keyOfGuesses(subject: string, here: Promise<string | undefined>): Promise<string> {
    const [restored, known] = await Promise.all([restorations.get(keyOf(subject)), here]);
    const key = known ?? keyOf(subject);
    return restored ? keyOf(key, String(restored.consumedPoints)) : key;
  }

  const subjectsOf = ({ account, names }: GuessedAccount): string[] => [
    `account ${account}`,
    ...names.map((name) => `name ${name}`),
  ];

  /**
   * One guess of a name or of an account.
   * @param earlier seconds by which its delays end before those of others that begin at the same time
   * @throws TooManyAttempts when no guess is left
   */
  async function take(subject: string, from: string, earlier: number): Promise<Taken> {
    const here = keyOf(subject, from);
    const lookUp = addressesOfAccount.get(here);
    const key = await keyOfGuesses(
      subject,
      lookUp.then((found) => (found ? here : undefined)),
    );
    const known = await lookUp;
    const weight = (await weights.get(key))?.consumedPoints ?? 0;
    const delays = Math.floor(weight / WEIGHT_OF_DELAY);
    // Once delayed there is one guess at a time: it takes all the points.
    const points = delays > 0 ? limits.account.points : 1;
    const { consumedPoints } = await consume(guesses, key, 'too many wrong passwords for this name', points);
    const isLast = consumedPoints >= limits.account.points;
    if (isLast) {
      const delay = Math.min(FIRST_DELAY * 2 ** delays, LONGEST_DELAY);
      // The delay begins before the password is looked at: a guess that comes meanwhile is too late.
      await guesses.block(key, delay - earlier);
      await weights.set(key, (delays + 1) * WEIGHT_OF_DELAY, DELAYS_REMEMBERED);
    }
    return {
      async succeeded() {
        await guesses.delete(key);
        if (weight > 0 || isLast) await weights.delete(key);
        if (known && known.msBeforeNext >= ADDRESS_RENEWED * 1000) return false;
        await remember(subject, from);
        return true;
      },
      async failed() {
        if (consumedPoints === 1 && !isLast) await weights.penalty(key);
      },
      async givenBack() {
        // The last guess has begun a delay, which stays; a window that began later gets no guess back.
        if (isLast) return;
        const window = await guesses.get(key);
        if (window && window.consumedPoints > 0) await guesses.reward(key);
      },
    };
  }

  return {
    async passwordAttempt(name, address) {
      const from = addressKey(address);
      const count = keyOf(from);
      await addresses.requireInStore(count);
      const ofName = await take(`name ${name}`, from, 0).catch(async (refusal) => {
        // A client that goes on guessing costs one read each time.
        if (refusal instanceof TooManyAttempts) await addresses.add(count);
        throw refusal;
      });
      const taken = [ofName];
      const all = (what: keyof Taken) => Promise.all(taken.map((guess) => guess[what]()));
      return {
        async reach(account) {
          const subject = account === undefined ? `unknown ${name}` : `account ${account}`;
          try {
            taken.push(await take(subject, from, HEAD_START));
            return true;
          } catch (refusal) {
            if (refusal instanceof TooManyAttempts) return false;
            throw refusal;
          }
        },
        async succeeded(names) {
          const written = await all('succeeded');
          if (written.includes(true)) await Promise.all(names.map((each) => remember(`name ${each}`, from)));
        },
        async failed() {
          await all('failed');
          await addresses.add(count);
        },
        async abandoned() {
          await all('givenBack');
        },
        async crowdedOut() {
          await all('givenBack');
          await addresses.add(count);
        },
      };
    },
    /**
     * @throws TooManyAttempts when this client has given too many wrong secrets from this address, or the address too many
     *   of any client
     */
    requireClientNotBlocked(clientId: string, address: string) {
      secretAddresses.require(() => addressCount(address));
      clients.require(() => clientKey(clientId, address));
    },
    /** Counts for the client at this address, so that no stranger can lock out a client, and for the address. */
    async clientSecretFailure(clientId: string, address: string) {
      await clients.add(clientKey(clientId, address));
      await secretAddresses.add(addressCount(address));
    },
    /** Takes one registration from the address. @throws TooManyAttempts */
    registration: takesOfAddress('registration', limits.registration, 'registrations from this address'),
    /**
     * Takes one registration of an agent from an organization, by its id: strangers at many addresses write so many rows at
     * most. @throws TooManyAttempts
     */
    registrationAt: takesOf('registration at', PER_HOUR, 'registrations at this organization'),
    /** Takes one authorization or logout request; each makes the store keep a row. @throws TooManyAttempts */
    authorizationRequest: takesOfAddress(
      'authorization',
      limits.authorization,
      'authorization requests from this address',
    ),
    /**
     * Takes one fetch of a metadata document from the address that asks for it, and one from the host that has it, so
     * that strangers cannot make this server flood another.
     * @param host absent: of an agent that is known, which strangers must not be able to keep out
     * @throws TooManyAttempts
     */
    async agentDocument(address: string, host?: string) {
      await takeDocument(address);
      if (host !== undefined) await takeDocumentOfHost(host);
    },
    /**
     * Takes one change that a person makes of what is theirs, by the user's id: more than a person makes by hand. 400 days of
     * audit stay below 2 GB for a person who never stops. @throws TooManyAttempts
     */
    ownChange: takesOf('own', PER_HOUR, 'changes of this person'),
    /**
     * Takes one connection to a database that an administrator tries out, more than a person makes by hand, so that it does
     * not become a port scanner (CN-06). By the id of the organization. @throws TooManyAttempts
     */
    datasourceTest: takesOf('datasource test', PER_MINUTE, 'tests of datasources of this organization'),
    /**
     * Takes one mail that a stranger asks for, also if the recipient does not exist: the count must not tell who exists.
     * It keeps requests from many addresses from filling a mailbox.
     * @param kind each kind is counted by itself
     * @returns whether it may be sent
     */
    async mail(kind: string, recipient: string) {
      return mails.consume(keyOf(kind, recipient)).then(
        () => true,
        (refusal) => {
          if (refusal instanceof RateLimiterRes) return false;
          throw refusal;
        },
      );
    },
    /** Gives one back that could not be sent. */
    async mailAbandoned(kind: string, recipient: string) {
      await mails.reward(keyOf(kind, recipient));
    },
    /** @throws TooManyAttempts */
    requireAddressNotBlocked: (address: string): void => addresses.require(() => addressCount(address)),
    addressFailure: (address: string): Promise<void> => addresses.add(addressCount(address)),
    /**
     * Until when an address that the account never logged in from gets no guess of it; undefined: it gets one at once.
     * @returns milliseconds since the epoch
     */
    async guessesBlockedUntil(account: GuessedAccount): Promise<number | undefined> {
      const waits = await Promise.all(
        subjectsOf(account).map(async (subject) => {
          const window = await guesses.get(await keyOfGuesses(subject, Promise.resolve(undefined)));
          return window && window.consumedPoints >= limits.account.points ? window.msBeforeNext : 0;
        }),
      );
      const wait = Math.max(...waits);
      return wait > 0 ? now() + wait : undefined;
    },
    /** Gives the account all its guesses again, from every address and under all its names. */
    async restoreGuesses(account: GuessedAccount) {
      await Promise.all(
        subjectsOf(account).map((subject) => restorations.set(keyOf(subject), now(), guessesRemembered)),
      );
    },
  } satisfies GuessLimits & Record<string, unknown>;
}
