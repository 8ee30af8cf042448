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
import type { GuessLimits } from '../accounts/authenticate-user.ts';
import { TooManyAttempts } from '../errors/domain.ts';
import type { Counters } from '../storage/contract.ts';
import { addressKey, customerKey } from './address-key.ts';
import { CountersLimiter, RateLimiterRes } from './throttle-store.ts';

/** An amount of something within a time. */
export interface Limit {
  readonly points: number;
  readonly seconds: number;
}

export interface ThrottleLimits {
  /** Wrong passwords of one account. */
  readonly account: Limit;
  /** Failures of any kind from one address. */
  readonly address: Limit;
  /** Wrong secrets of one client. */
  readonly client: Limit;
  /** Registrations from one address. */
  readonly registration: Limit;
  /** Authorization and logout requests from one address. */
  readonly authorization: Limit;
  /** Metadata documents of agents that are fetched for one address. */
  readonly agentDocument: Limit;
}

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
/**
 * Mails of one kind that one recipient gets. The window is not longer than what a mail brings is
 * valid, so that a person who gets no further mail has a valid one.
 */
const MAILS: Limit = { points: 3, seconds: 900 };

export interface Throttle extends GuessLimits {
  /**
   * @throws TooManyAttempts when this client has given too many wrong secrets from this address, or the address too many
   *   of any client
   */
  requireClientNotBlocked(clientId: string, address: string): void;
  /** Counts for the client at this address, so that no stranger can lock out a client, and for the address. */
  clientSecretFailure(clientId: string, address: string): Promise<void>;
  /** Takes one registration from the address. @throws TooManyAttempts */
  registration(address: string): Promise<void>;
  /** Takes one registration of an agent from an organization, by its id. @throws TooManyAttempts */
  registrationAt(organization: string): Promise<void>;
  /** Takes one authorization or logout request; each makes the store keep a row. @throws TooManyAttempts */
  authorizationRequest(address: string): Promise<void>;
  /**
   * Takes one fetch of a metadata document from the address that asks for it, and one from the host that has it, so that
   * strangers cannot make this server flood another.
   * @param host absent: of an agent that is known, which strangers must not be able to keep out
   * @throws TooManyAttempts
   */
  agentDocument(address: string, host?: string): Promise<void>;
  /** Takes one change that a person makes of what is theirs. @param user the id @throws TooManyAttempts */
  ownChange(user: string): Promise<void>;
  /**
   * Takes one connection to a database that an administrator tries out, so that it does not become a port scanner (CN-06).
   * @param whose id of the organization @throws TooManyAttempts
   */
  datasourceTest(whose: string): Promise<void>;
  /**
   * Takes one mail that a stranger asks for, also if the recipient does not exist: the count must not tell who exists.
   * It keeps requests from many addresses from filling a mailbox.
   * @param kind each kind is counted by itself
   * @returns whether it may be sent
   */
  mail(kind: string, recipient: string): Promise<boolean>;
  /** Gives one back that could not be sent. */
  mailAbandoned(kind: string, recipient: string): Promise<void>;
  /** @throws TooManyAttempts */
  requireAddressNotBlocked(address: string): void;
  addressFailure(address: string): Promise<void>;
  /**
   * Until when an address that the account never logged in from gets no guess of it; undefined: it gets one at once.
   * @returns milliseconds since the epoch
   */
  guessesBlockedUntil(account: GuessedAccount): Promise<number | undefined>;
  /** Gives the account all its guesses again, from every address and under all its names. */
  restoreGuesses(account: GuessedAccount): Promise<void>;
}

/** What guesses of passwords are counted by. */
export interface GuessedAccount {
  readonly account: string;
  readonly names: readonly string[];
}

export interface ThrottleDeps {
  readonly counters: Counters;
  readonly limits: ThrottleLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Changes of one person that leave rows for longer: more than a person makes by hand. 400 days of
 * audit stay below 2 GB for a person who never stops.
 */
const OWN_CHANGES: Limit = { points: 300, seconds: 3_600 };

/** Fetches of new metadata documents from one host, for all addresses together. */
const DOCUMENTS_OF_HOST: Limit = { points: 60, seconds: 600 };

/** Of one organization: more than a person makes by hand. */
const DATASOURCE_TESTS: Limit = { points: 10, seconds: 60 };

/** Of one organization: strangers at many addresses write so many rows at most. */
const REGISTRATIONS_AT: Limit = { points: 300, seconds: 3_600 };

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

export function createThrottle({ counters, limits, now }: ThrottleDeps): Throttle {
  const limiter = (keyPrefix: string, { points, seconds }: Limit): CountersLimiter =>
    new CountersLimiter({ counters, now, keyPrefix, points, duration: seconds });
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
  const ofAddress = (name: string, limit: Limit) => ({
    own: limiter(name, limit),
    together: limiter(`${name} of customer`, { ...limit, points: limit.points * ADDRESSES_TOGETHER }),
  });
  const registrations = ofAddress('registration', limits.registration);
  const authorizations = ofAddress('authorization', limits.authorization);
  const agentDocuments = ofAddress('agent', limits.agentDocument);
  const documentHosts = limiter('agent host', DOCUMENTS_OF_HOST);
  const registrationsAt = limiter('registration at', REGISTRATIONS_AT);
  const ownChanges = limiter('own', OWN_CHANGES);
  const datasourceTests = limiter('datasource test', DATASOURCE_TESTS);
  const mails = limiter('mail', MAILS);
  const clientKey = (clientId: string, address: string): string => keyOf(clientId, addressKey(address));

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
    const { consumedPoints } = await guesses.consume(key, points).catch((refusal) => {
      throw refusal instanceof RateLimiterRes
        ? tooMany(refusal.msBeforeNext, 'too many wrong passwords for this name')
        : refusal;
    });
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

  /** Takes one attempt from the address and, if a customer has many addresses, one from all of them. */
  async function takeOfAddress(
    { own, together }: Record<'own' | 'together', CountersLimiter>,
    address: string,
    reason: string,
  ): Promise<void> {
    const [key, customer] = [addressKey(address), customerKey(address)];
    await takePoint(own, key, reason);
    if (customer !== key) await takePoint(together, customer, reason);
  }

  async function takePoint(points: CountersLimiter, whose: string, reason: string): Promise<void> {
    await points.consume(keyOf(whose)).catch((refusal) => {
      throw refusal instanceof RateLimiterRes ? tooMany(refusal.msBeforeNext, reason) : refusal;
    });
  }

  return {
    async passwordAttempt(name, address) {
      const from = addressKey(address);
      const addressCount = keyOf(from);
      await addresses.requireInStore(addressCount);
      const ofName = await take(`name ${name}`, from, 0).catch(async (refusal) => {
        // A client that goes on guessing costs one read each time.
        if (refusal instanceof TooManyAttempts) await addresses.add(addressCount);
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
          await addresses.add(addressCount);
        },
        async abandoned() {
          await all('givenBack');
        },
        async crowdedOut() {
          await all('givenBack');
          await addresses.add(addressCount);
        },
      };
    },
    requireClientNotBlocked(clientId, address) {
      secretAddresses.require(() => keyOf(addressKey(address)));
      clients.require(() => clientKey(clientId, address));
    },
    async clientSecretFailure(clientId, address) {
      await clients.add(clientKey(clientId, address));
      await secretAddresses.add(keyOf(addressKey(address)));
    },
    registration: (address) =>
      takeOfAddress(registrations, address, 'too many registrations from this address'),
    registrationAt: (organization) =>
      takePoint(registrationsAt, organization, 'too many registrations at this organization'),
    authorizationRequest: (address) =>
      takeOfAddress(authorizations, address, 'too many authorization requests from this address'),
    async agentDocument(address, host) {
      await takeOfAddress(agentDocuments, address, 'too many metadata documents for this address');
      if (host !== undefined)
        await takePoint(documentHosts, host, 'too many metadata documents of this host');
    },
    ownChange: (user) => takePoint(ownChanges, user, 'too many changes of this person'),
    datasourceTest: (whose) =>
      takePoint(datasourceTests, whose, 'too many tests of datasources of this organization'),
    mail: (kind, recipient) =>
      mails.consume(keyOf(kind, recipient)).then(
        () => true,
        (refusal) => {
          if (refusal instanceof RateLimiterRes) return false;
          throw refusal;
        },
      ),
    async mailAbandoned(kind, recipient) {
      await mails.reward(keyOf(kind, recipient));
    },
    requireAddressNotBlocked: (address) => addresses.require(() => keyOf(addressKey(address))),
    addressFailure: (address) => addresses.add(keyOf(addressKey(address))),
    async guessesBlockedUntil(account) {
      const waits = await Promise.all(
        subjectsOf(account).map(async (subject) => {
          const window = await guesses.get(await keyOfGuesses(subject, Promise.resolve(undefined)));
          return window && window.consumedPoints >= limits.account.points ? window.msBeforeNext : 0;
        }),
      );
      const wait = Math.max(...waits);
      return wait > 0 ? now() + wait : undefined;
    },
    async restoreGuesses(account) {
      await Promise.all(
        subjectsOf(account).map((subject) => restorations.set(keyOf(subject), now(), guessesRemembered)),
      );
    },
  };
}
