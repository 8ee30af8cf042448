import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { createAuthenticateUser } from '../../src/accounts/authenticate-user.ts';
import { createHashQueue } from '../../src/accounts/hash-queue.ts';
import { createPasswords } from '../../src/accounts/passwords.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createUsers } from '../../src/directory/users.ts';
import { ProofRejected, TooManyAttempts, Unavailable } from '../../src/errors/domain.ts';
import { addressKey, networksOf } from '../../src/http/address-key.ts';
import { createThrottle, type Throttle } from '../../src/http/throttle.ts';

const MINUTE = 60_000;
const ANN = 'organization:acme/ann';
const HOME = '192.0.2.10';
const STRANGER = '203.0.113.66';

/** Two processes over one SQLite file, with a clock that stands still until it is moved. */
async function startServer(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-throttle-'));
  const path = join(folder, 'grantable.db');
  const storages = [await openSqliteStorage({ path }), await openSqliteStorage({ path })] as const;
  t.after(async () => {
    await Promise.all(storages.map((storage) => storage.close()));
    await rm(folder, { recursive: true });
  });
  let now = Date.UTC(2030, 0, 1);
  const { throttle: limits } = loadConfig({}, { cwd: folder });
  const throttles = storages.map(({ counters }) => createThrottle({ counters, limits, now: () => now }));
  return {
    throttle: throttles[0] as Throttle,
    other: throttles[1] as Throttle,
    storage: storages[0],
    pass: (ms: number) => {
      now += ms;
    },
    /** All that the store has written. */
    async read(): Promise<Buffer> {
      const files = await readdir(folder);
      return Buffer.concat(await Promise.all(files.map((file) => readFile(join(folder, file)))));
    },
  };
}

/** Gives a wrong password. @returns seconds to wait when it was not even looked at */
async function guess(throttle: Throttle, account: string, address: string): Promise<number | undefined> {
  try {
    await (await throttle.passwordAttempt(account, address)).failed();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof TooManyAttempts, String(error));
    return error.retryAfter;
  }
}

async function logIn(throttle: Throttle, account: string, address: string): Promise<void> {
  await (await throttle.passwordAttempt(account, address)).succeeded([account]);
}

async function guessTimes(
  times: number,
  throttle: Throttle,
  account: string,
  address: string,
): Promise<number> {
  let looked = 0;
  for (let i = 0; i < times; i += 1) if ((await guess(throttle, account, address)) === undefined) looked += 1;
  return looked;
}

/** How many failures more the address may have before it is blocked. */
async function failuresLeft(throttle: Throttle, address: string): Promise<number> {
  for (let failures = 0; ; failures += 1) {
    try {
      throttle.requireAddressNotBlocked(address);
    } catch {
      return failures;
    }
    await throttle.addressFailure(address);
  }
}

/** Each from an address of its own. */
async function guessFromEverywhere(times: number, throttle: Throttle, account: string): Promise<number> {
  let looked = 0;
  for (let i = 0; i < times; i += 1) {
    if ((await guess(throttle, account, `198.51.${i >> 8}.${i & 255}`)) === undefined) looked += 1;
  }
  return looked;
}

test('guesses of a password', async (t) => {
  await t.test('DO-01 500 parallel guesses through two processes get no more than the limit', async () => {
    const { throttle, other, pass } = await startServer(t);
    const volley = async () => {
      const guesses = await Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          guess(i % 2 ? throttle : other, ANN, `10.${i >> 8}.${i & 255}.1`),
        ),
      );
      return guesses.filter((seconds) => seconds === undefined).length;
    };
    assert.equal(await volley(), 10);
    assert.equal(await volley(), 0);
    pass(MINUTE);
    assert.equal(await volley(), 1, 'after a delay there is one guess, not ten');
    assert.equal(await volley(), 0);
  });

  await t.test('DO-01 a right password is refused during the delay like a wrong one', async (t) => {
    const { throttle, pass } = await startServer(t);
    assert.equal(await guessTimes(10, throttle, ANN, STRANGER), 10);
    await assert.rejects(logIn(throttle, ANN, HOME), TooManyAttempts);
    pass(MINUTE - 1);
    await assert.rejects(logIn(throttle, ANN, HOME), TooManyAttempts);
    pass(1);
    await logIn(throttle, ANN, HOME);
  });

  await t.test(
    'DO-03 have to wait ever longer, up to a quarter of an hour, and never for good',
    async (t) => {
      const { throttle, pass } = await startServer(t);
      assert.equal(await guessFromEverywhere(10, throttle, ANN), 10);
      const delays: (number | undefined)[] = [];
      for (let i = 0; i < 7; i += 1) {
        const seconds = await guess(throttle, ANN, STRANGER);
        delays.push(seconds);
        pass((seconds ?? 0) * 1000);
        assert.equal(
          await guess(throttle, ANN, STRANGER),
          undefined,
          'the delay is over when it was said to be',
        );
      }
      assert.deepEqual(delays, [60, 120, 240, 480, 900, 900, 900]);
    },
  );

  await t.test('DO-03 a stranger does not lock out who has logged in from there before', async (t) => {
    const { throttle, pass } = await startServer(t);
    await logIn(throttle, ANN, HOME);
    assert.equal(await guessTimes(50, throttle, ANN, STRANGER), 10);
    await logIn(throttle, ANN, HOME);
    pass(29 * 24 * 60 * MINUTE);
    await guessTimes(50, throttle, ANN, STRANGER);
    await logIn(throttle, ANN, HOME);
    pass(29 * 24 * 60 * MINUTE);
    await guessTimes(50, throttle, ANN, STRANGER);
    await logIn(throttle, ANN, HOME);
    pass(31 * 24 * 60 * MINUTE);
    await guessTimes(50, throttle, ANN, STRANGER);
    await assert.rejects(logIn(throttle, ANN, HOME), TooManyAttempts, 'a month without login is forgotten');
  });

  await t.test('DO-03 but a known address gets no additional guesses', async () => {
    const { throttle } = await startServer(t);
    await logIn(throttle, ANN, HOME);
    assert.equal(await guessTimes(9, throttle, ANN, STRANGER), 9);
    await logIn(throttle, ANN, HOME);
    assert.equal(await guessTimes(50, throttle, ANN, STRANGER), 1);
    assert.equal(await guessTimes(50, throttle, ANN, HOME), 10);
  });

  await t.test('DO-03 who keeps just below the limit is slowed down before 100 failures', async (t) => {
    const { throttle, pass } = await startServer(t);
    let looked = 0;
    for (let quarter = 0; quarter < 4 * 24; quarter += 1) {
      looked += await guessFromEverywhere(9, throttle, ANN);
      pass(15 * MINUTE);
    }
    assert.ok(looked <= 90 + 86, `${looked} guesses in a day`);
    pass(24 * 60 * MINUTE);
    assert.equal(await guessTimes(12, throttle, ANN, STRANGER), 10, 'a quiet day later all is forgiven');
  });

  await t.test('are counted anew after a right password', async (t) => {
    const { throttle, pass } = await startServer(t);
    for (let day = 0; day < 3; day += 1) {
      assert.equal(await guessTimes(9, throttle, ANN, HOME), 9);
      await logIn(throttle, ANN, HOME);
    }
    assert.equal(await guessTimes(11, throttle, ANN, HOME), 10);
    pass(MINUTE);
    await logIn(throttle, ANN, HOME);
    assert.equal(await guessTimes(11, throttle, ANN, HOME), 10);
    assert.equal(await guess(throttle, ANN, HOME), 60, 'delays start from the shortest again');
  });

  await t.test('are counted anew a quarter of an hour after the first', async (t) => {
    const { throttle, pass } = await startServer(t);
    assert.equal(await guessTimes(9, throttle, ANN, STRANGER), 9);
    pass(15 * MINUTE);
    assert.equal(await guessTimes(11, throttle, ANN, STRANGER), 10);
  });

  await t.test('that were not looked at are given back, but no more than were taken', async (t) => {
    const { throttle, pass } = await startServer(t);
    for (let i = 0; i < 30; i += 1) await (await throttle.passwordAttempt(ANN, STRANGER)).abandoned();
    const stale = await Promise.all(Array.from({ length: 5 }, () => throttle.passwordAttempt(ANN, STRANGER)));
    pass(15 * MINUTE);
    for (const attempt of stale) await attempt.abandoned();
    assert.equal(await guessTimes(11, throttle, ANN, STRANGER), 10);
  });

  await t.test('cost the address, and not the name, when the hash queue is full', async (t) => {
    const { throttle, storage } = await startServer(t);
    const now = () => performance.now();
    const queue = createHashQueue({ limit: 0, now, concurrency: 1 });
    const key = Buffer.alloc(32, 1);
    const secrets = { current: () => ({ id: 'k', key }), byId: () => key };
    const passwords = createPasswords({ queue, cost: 4, secrets });
    const { directory, audit } = storage;
    const users = createUsers(directory);
    const authenticateUser = createAuthenticateUser({
      store: directory,
      users,
      passwords,
      limits: throttle,
      audit,
      now,
    });
    const logInAsAnn = () =>
      authenticateUser({
        realm: 'organization:acme',
        login: 'ann',
        password: 'x',
        address: HOME,
        queue: 'acme',
      });
    const gate = Promise.withResolvers<void>();
    const busy = queue.run({ organization: 'other' }, () => gate.promise);
    for (let i = 0; i < 30; i += 1) await assert.rejects(logInAsAnn(), Unavailable);
    gate.resolve();
    await busy;
    for (let i = 0; i < 10; i += 1) await assert.rejects(logInAsAnn(), ProofRejected);
    await assert.rejects(logInAsAnn(), TooManyAttempts);
    assert.equal(await failuresLeft(throttle, HOME), 100 - 30 - 10 - 1);
  });

  await t.test('that are refused count for the address', async (t) => {
    const { throttle } = await startServer(t);
    await guessTimes(50, throttle, ANN, STRANGER);
    assert.equal(await failuresLeft(throttle, STRANGER), 50);
  });

  await t.test('of two names of one account are 10 together, and a refusal does not tell', async (t) => {
    const { throttle, pass } = await startServer(t);
    const guessAs = async (name: string): Promise<boolean> => {
      const attempt = await throttle.passwordAttempt(name, STRANGER);
      const reached = await attempt.reach(ANN);
      await attempt.failed();
      return reached;
    };
    const looked: boolean[] = [];
    for (let i = 0; i < 10; i += 1) looked.push(await guessAs('ann@acme.example'));
    for (let i = 0; i < 10; i += 1) looked.push(await guessAs('ann'));
    assert.deepEqual(looked, [...Array(10).fill(true), ...Array(10).fill(false)]);
    await assert.rejects(guessAs('ann'), TooManyAttempts);
    pass(MINUTE);
    assert.equal(
      await guessAs('ann@acme.example'),
      true,
      'the delay of the account ends with that of the name',
    );
  });

  await t.test('of a right password under one name make guesses under the other good', async (t) => {
    const { throttle } = await startServer(t);
    for (let i = 0; i < 9; i += 1) {
      const attempt = await throttle.passwordAttempt('ann', HOME);
      await attempt.reach(ANN);
      await attempt.failed();
    }
    const right = await throttle.passwordAttempt('ann@acme.example', HOME);
    assert.equal(await right.reach(ANN), true);
    await right.succeeded([]);
    const next = await throttle.passwordAttempt('ann@acme.example', HOME);
    assert.equal(await next.reach(ANN), true);
    await next.abandoned();
  });

  await t.test('are all there again after an operator restored them, from every address', async (t) => {
    const { throttle, other, pass } = await startServer(t);
    const ann = { account: 'organization:acme/ann', names: [ANN] };
    await logIn(throttle, ANN, HOME);
    await guessTimes(20, throttle, ANN, HOME);
    assert.equal(await throttle.guessesBlockedUntil(ann), undefined, 'strangers have other guesses');
    await guessTimes(20, throttle, ANN, STRANGER);
    const until = await other.guessesBlockedUntil(ann);
    await throttle.restoreGuesses(ann);
    assert.equal(await other.guessesBlockedUntil(ann), undefined);
    assert.equal(await guessTimes(11, other, ANN, STRANGER), 10);
    assert.equal(await guessTimes(11, other, ANN, HOME), 10);
    assert.equal(await guess(other, ANN, STRANGER), 60, 'delays start from the shortest again');
    assert.equal(await other.guessesBlockedUntil(ann), until);
    pass(1);
    await throttle.restoreGuesses(ann);
    await logIn(other, ANN, HOME);
  });

  await t.test('DO-02 count for one account only', async (t) => {
    const { throttle } = await startServer(t);
    await guessTimes(20, throttle, ANN, STRANGER);
    assert.equal(await guess(throttle, 'organization:acme/bob', STRANGER), undefined);
    assert.equal(await guess(throttle, 'organization:other/ann', STRANGER), undefined);
  });

  await t.test(
    'SE-01 leave neither names nor addresses in the store, and keys of bounded length',
    async () => {
      const { throttle, read } = await startServer(t);
      await logIn(throttle, ANN, HOME);
      await guess(throttle, 'x'.repeat(1_000_000), STRANGER);
      await throttle.clientSecretFailure('y'.repeat(1_000_000), STRANGER);
      const written = await read();
      assert.ok(written.includes('guess:') && written.length < 1_000_000);
      for (const secret of ['acme/ann', HOME, STRANGER, 'xxxx', 'yyyy'])
        assert.ok(!written.includes(secret), secret);
    },
  );

  await t.test('AC-09 at accounts that do not exist are answered alike', async (t) => {
    const { throttle } = await startServer(t);
    await logIn(throttle, ANN, HOME);
    const answers = async (account: string, address: string) => {
      const seconds: (number | undefined)[] = [];
      for (let i = 0; i < 12; i += 1) seconds.push(await guess(throttle, account, address));
      return seconds;
    };
    assert.deepEqual(
      await answers(ANN, '198.51.100.1'),
      await answers('organization:acme/nobody', '198.51.100.2'),
    );
  });
});

test('failures of an address', async (t) => {
  await t.test('DO-02 are 100 in two minutes, over all accounts, in all processes', async (t) => {
    const { throttle, other, pass } = await startServer(t);
    for (let i = 0; i < 100; i += 1) {
      assert.equal(await guess(throttle, `organization:acme/user-${i}`, STRANGER), undefined);
      pass(1000);
    }
    assert.equal(await guess(throttle, 'organization:acme/user-100', STRANGER), 20);
    assert.equal(await guess(other, 'organization:acme/user-100', STRANGER), 20);
    assert.throws(() => throttle.requireAddressNotBlocked(STRANGER), TooManyAttempts);
    assert.equal(await guess(throttle, 'organization:acme/user-100', HOME), undefined);
    pass(20_000);
    throttle.requireAddressNotBlocked(STRANGER);
    assert.equal(await guess(throttle, 'organization:acme/user-100', STRANGER), undefined);
  });

  await t.test('DO-03 a blocked address uses up no guesses of an account', async (t) => {
    const { throttle } = await startServer(t);
    for (let i = 0; i < 100; i += 1) await throttle.addressFailure(STRANGER);
    assert.equal(await guessTimes(50, throttle, ANN, STRANGER), 0);
    assert.equal(await guessTimes(10, throttle, ANN, HOME), 10);
  });

  await t.test('are not made by right passwords', async (t) => {
    const { throttle } = await startServer(t);
    for (let i = 0; i < 150; i += 1) await logIn(throttle, `organization:acme/user-${i}`, HOME);
    throttle.requireAddressNotBlocked(HOME);
  });

  await t.test('DO-02 count per /64 in IPv6, and per address in IPv4, mapped or not', async (t) => {
    const { throttle } = await startServer(t);
    for (let i = 0; i < 100; i += 1) await throttle.addressFailure(`2001:db8:0:1::${i.toString(16)}`);
    assert.throws(
      () => throttle.requireAddressNotBlocked('2001:db8:0:1:ffff:ffff:ffff:ffff'),
      TooManyAttempts,
    );
    throttle.requireAddressNotBlocked('2001:db8:0:2::1');
    for (let i = 0; i < 100; i += 1) await throttle.addressFailure(`::ffff:${STRANGER}`);
    assert.throws(() => throttle.requireAddressNotBlocked(STRANGER), TooManyAttempts);
    throttle.requireAddressNotBlocked('203.0.113.67');
  });
});

test('DO-02 the key of an address', () => {
  const same = [
    ['2001:db8::1', '2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8::dead:beef:1:2', '2001:db8::1%eth0'],
    ['192.0.2.10', '::ffff:192.0.2.10', '::FFFF:c000:20a', '0:0:0:0:0:ffff:192.0.2.10'],
    ['::1', '::2', '0::3'],
    ['fe80::1%eth0', 'fe80::2%wlan0'],
  ];
  for (const addresses of same) assert.equal(new Set(addresses.map(addressKey)).size, 1, addresses.join());
  assert.equal(new Set(same.map(([first]) => addressKey(first as string))).size, same.length);
  assert.equal(addressKey('2001:db8:a:b:c:d:e:f'), '2001:db8:a:b::/64');
  assert.equal(addressKey('1::'), '1:0:0:0::/64');
  assert.notEqual(addressKey('192.0.2.1'), addressKey('192.0.2.2'));
  assert.equal(addressKey('unknown'), 'unknown');
});

test('DO-02 the networks of an address', () => {
  assert.deepEqual(networksOf('2001:db8:a:b:c:d:e:f'), ['2001:db8:a::/48', '2001:db8:a:b::/64']);
  assert.deepEqual(networksOf('1::'), ['1:0:0::/48', '1:0:0:0::/64']);
  assert.deepEqual(networksOf('::ffff:192.0.2.10'), ['192.0.2.0/24', '192.0.2.10']);
  assert.deepEqual(networksOf('unknown'), ['unknown', 'unknown']);
});

test('DO-09 the many IPv6 networks of one customer get what ten addresses get', async (t) => {
  const { throttle } = await startServer(t);
  const ask = (network: number) => throttle.registration(`2001:db8:7:${network.toString(16)}::1`);
  for (let network = 0; network < 200; network += 1) await ask(network);
  await assert.rejects(ask(200), TooManyAttempts);
  await throttle.registration('2001:db8:8::1');
});

test('client secrets', async (t) => {
  await t.test('DO-05 20 wrong ones a minute, then the client waits', async (t) => {
    const { throttle, pass } = await startServer(t);
    for (let i = 0; i < 20; i += 1) {
      throttle.requireClientNotBlocked('shop', STRANGER);
      await throttle.clientSecretFailure('shop', STRANGER);
    }
    assert.throws(
      () => throttle.requireClientNotBlocked('shop', STRANGER),
      (error) => error instanceof TooManyAttempts && error.retryAfter === 60,
    );
    throttle.requireClientNotBlocked('other', STRANGER);
    pass(MINUTE);
    throttle.requireClientNotBlocked('shop', STRANGER);
  });

  await t.test('DO-03 a stranger does not lock out a client at its own address', async (t) => {
    const { throttle } = await startServer(t);
    for (let i = 0; i < 50; i += 1) await throttle.clientSecretFailure('shop', STRANGER);
    throttle.requireClientNotBlocked('shop', HOME);
  });

  await t.test('DO-05 another process lets one more through, not twenty', async (t) => {
    const { throttle, other } = await startServer(t);
    for (let i = 0; i < 20; i += 1) await throttle.clientSecretFailure('shop', STRANGER);
    other.requireClientNotBlocked('shop', STRANGER);
    await other.clientSecretFailure('shop', STRANGER);
    assert.throws(() => other.requireClientNotBlocked('shop', STRANGER), TooManyAttempts);
  });

  await t.test('DO-05 guessed at many clients count for the address', async (t) => {
    const { throttle } = await startServer(t);
    for (let i = 0; i < 100; i += 1) await throttle.clientSecretFailure(`client-${i}`, STRANGER);
    assert.throws(() => throttle.requireClientNotBlocked('client-100', STRANGER), TooManyAttempts);
  });
});
