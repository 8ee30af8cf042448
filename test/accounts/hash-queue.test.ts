import assert from 'node:assert/strict';
import { createHmac, webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { createHashQueue, type HashQueue, type HashShare } from '../../src/accounts/hash-queue.ts';
import { Unavailable } from '../../src/errors/domain.ts';

const clock = () => performance.now();
const of = (organization: string, address?: string): HashShare => ({ organization, address });
const SALT = '$2b$04$abcdefghijklmnopqrstuu';

/** Work that ends when it is told to. */
function createGate() {
  const gate = Promise.withResolvers<void>();
  return { work: () => gate.promise, open: () => gate.resolve() };
}

/** What became of it, without waiting for the end. */
function watch(run: Promise<unknown>): { outcome?: unknown } {
  const seen: { outcome?: unknown } = {};
  run.then(
    () => (seen.outcome = 'done'),
    (error) => (seen.outcome = error),
  );
  return seen;
}

async function isRefused(queue: HashQueue, organization: string): Promise<Unavailable> {
  const error = await queue
    .run(of(organization), async () => undefined)
    .then(
      () => assert.fail('was let in'),
      (refusal) => refusal,
    );
  assert.ok(error instanceof Unavailable);
  return error;
}

test('hash queue', async (t) => {
  await t.test('gives back what the work gives and throws what it throws, and goes on', async () => {
    const queue = createHashQueue({ limit: 1, now: clock, concurrency: 1 });
    assert.equal(await queue.run(of('a'), () => bcrypt.hash('x', SALT)), await bcrypt.hash('x', SALT));
    await assert.rejects(
      queue.run(of('a'), async () => {
        throw new TypeError('broken');
      }),
      TypeError,
    );
    assert.equal(await queue.run(of('a'), async () => 'still here'), 'still here');
    assert.deepEqual([queue.running(), queue.waiting()], [0, 0]);
  });

  await t.test('runs no more at once than it should', async () => {
    const queue = createHashQueue({ limit: 100, now: clock, concurrency: 3 });
    let most = 0;
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        queue.run(of(`org-${i % 4}`), async () => {
          most = Math.max(most, queue.running());
          await bcrypt.hash('x', SALT);
        }),
      ),
    );
    assert.equal(most, 3);
    assert.deepEqual([queue.running(), queue.waiting()], [0, 0]);
  });

  /** One hash at a time; each takes as long by the clock as it says. */
  function createClockedQueue(networksOf?: (address: string) => readonly string[]) {
    let now = 0;
    const queue = createHashQueue({
      limit: 100,
      now: () => now,
      concurrency: 1,
      ...(networksOf && { networksOf }),
    });
    const entered: string[] = [];
    const run = (share: HashShare, ms: number) =>
      queue.run(share, async () => {
        entered.push(share.address ?? share.organization);
        await turn();
        now += ms;
      });
    return { run, entered };
  }

  async function orderOf(hashes: readonly (readonly [HashShare, number])[]): Promise<string> {
    const { run, entered } = createClockedQueue();
    await Promise.all(hashes.map(([share, ms]) => run(share, ms)));
    return entered.join(' ');
  }
  const times = (count: number, share: HashShare, ms: number) => Array(count).fill([share, ms] as const);

  await t.test(
    'DO-05 a flood of one organization costs another one turn, not a place behind it',
    async () => {
      const hashes = [
        ...times(6, of('flood'), 250),
        ...times(2, of('quiet'), 250),
        ...times(1, of('other'), 250),
      ];
      assert.equal(await orderOf(hashes), 'flood quiet other flood quiet flood flood flood flood');
    },
  );

  await t.test('organizations get equal time, however dear the hashes of one are', async () => {
    const order = await orderOf([...times(4, of('dear'), 2_000), ...times(12, of('cheap'), 250)]);
    const before = order.split(' ').slice(0, 10);
    assert.ok(before.filter((name) => name === 'dear').length <= 2, order);
  });

  await t.test('the addresses of one organization get equal time too', async () => {
    const hashes = [...times(5, of('acme', 'flood'), 250), ...times(2, of('acme', 'quiet'), 250)];
    assert.equal(await orderOf(hashes), 'flood quiet flood quiet flood flood flood');
  });

  await t.test('a line that was empty saves up nothing', async () => {
    const { run, entered } = createClockedQueue();
    const early = Array.from({ length: 20 }, () => run(of('early'), 250));
    await Promise.all(early.slice(0, 10));
    await Promise.all([...early, ...Array.from({ length: 8 }, () => run(of('late'), 250))]);
    assert.deepEqual(entered.slice(11, 15).toSorted(), ['early', 'early', 'late', 'late']);
  });

  await t.test('a full room makes place between the addresses of one organization', async () => {
    const queue = createHashQueue({ limit: 4, now: clock, concurrency: 1 });
    const gate = createGate();
    const flood = Array.from({ length: 5 }, () => watch(queue.run(of('acme', 'flood'), gate.work)));
    const quiet = queue.run(of('acme', 'quiet'), gate.work);
    await turn();
    assert.ok(flood[4]?.outcome instanceof Unavailable, 'the last of the flood had to go');
    await assert.rejects(queue.run(of('acme', 'flood'), gate.work), Unavailable);
    gate.open();
    await quiet;
  });

  const networksOf = (address: string) => [address.split(':')[0] ?? '', address];

  await t.test(
    'the networks of one organization get equal time, however many addresses one has',
    async () => {
      const { run, entered } = createClockedQueue(networksOf);
      const addresses = ['flood:1', 'flood:2', 'flood:3', 'flood:4', 'quiet:1', 'quiet:1'];
      await Promise.all(addresses.map((address) => run(of('acme', address), 250)));
      assert.equal(entered.join(' '), 'flood:1 quiet:1 flood:2 quiet:1 flood:3 flood:4');
    },
  );

  await t.test('a full room makes place between the networks of one organization', async () => {
    const queue = createHashQueue({ limit: 4, now: clock, concurrency: 1, networksOf });
    const gate = createGate();
    const flood = Array.from({ length: 5 }, (_, i) => watch(queue.run(of('acme', `flood:${i}`), gate.work)));
    const quiet = queue.run(of('acme', 'quiet:1'), gate.work);
    await turn();
    const refused = flood.filter(({ outcome }) => outcome instanceof Unavailable);
    assert.equal(refused.length, 1, 'one of the flood had to go');
    await assert.rejects(queue.run(of('acme', 'flood:9'), gate.work), Unavailable);
    gate.open();
    await quiet;
  });

  await t.test('addresses of one network count as one', async () => {
    const queue = createHashQueue({ limit: 2, now: clock, networksOf: () => ['net'], concurrency: 1 });
    const gate = createGate();
    const runs = ['1', '2', '3'].map((address) => queue.run(of('acme', address), gate.work));
    await assert.rejects(queue.run(of('acme', '4'), gate.work), Unavailable);
    gate.open();
    await Promise.all(runs);
  });

  await t.test('a full room refuses with the seconds after which it has emptied', async () => {
    let now = 0;
    const queue = createHashQueue({ limit: 2, now: () => now, concurrency: 1 });
    for (let i = 0; i < 100; i += 1) {
      await queue.run(of('a'), async () => {
        now += 3000;
      });
    }
    const gate = createGate();
    const runs = [
      queue.run(of('a'), gate.work),
      queue.run(of('a'), gate.work),
      queue.run(of('a'), gate.work),
    ];
    assert.deepEqual([queue.running(), queue.waiting()], [1, 2]);
    // Three before it, three seconds each.
    assert.equal((await isRefused(queue, 'a')).retryAfter, 9);
    gate.open();
    await Promise.all(runs);
    assert.equal(await queue.run(of('a'), async () => 'in'), 'in');
  });

  await t.test('says one second at least', async () => {
    const queue = createHashQueue({ limit: 0, now: clock, concurrency: 1 });
    const gate = createGate();
    const run = queue.run(of('a'), gate.work);
    assert.equal((await isRefused(queue, 'a')).retryAfter, 1);
    gate.open();
    await run;
  });

  await t.test('DO-05 the longest queue gives up its last place to an organization with fewer', async () => {
    const queue = createHashQueue({ limit: 4, now: clock, concurrency: 1 });
    const gate = createGate();
    const runs = Array.from({ length: 5 }, () => queue.run(of('flood'), gate.work));
    const flood = runs.map(watch);
    const quiet = watch(queue.run(of('quiet'), gate.work));
    await turn();
    assert.ok(flood[4]?.outcome instanceof Unavailable, 'the last of the flood had to go');
    assert.deepEqual([flood[3]?.outcome, quiet.outcome], [undefined, undefined]);
    assert.equal(queue.waiting(), 4);

    const quietAgain = watch(queue.run(of('quiet'), gate.work));
    await turn();
    assert.ok(flood[3]?.outcome instanceof Unavailable, 'three against one: two against two');
    assert.equal(quietAgain.outcome, undefined);
    await isRefused(queue, 'quiet');
    await isRefused(queue, 'flood');
    assert.equal(queue.waiting(), 4);

    gate.open();
    await Promise.allSettled(runs);
    await turn();
    assert.deepEqual(
      [quiet.outcome, quietAgain.outcome, flood[0]?.outcome, flood[2]?.outcome],
      Array(4).fill('done'),
    );
    assert.deepEqual([queue.running(), queue.waiting()], [0, 0]);
  });

  await t.test('a room in which each has one place refuses the next organization', async () => {
    const queue = createHashQueue({ limit: 2, now: clock, concurrency: 1 });
    const gate = createGate();
    const runs = ['a', 'a', 'b'].map((organization) => queue.run(of(organization), gate.work));
    await isRefused(queue, 'c');
    gate.open();
    await Promise.all(runs);
  });

  await t.test('AC-06 while logins flood, the thread pool still signs at once', async () => {
    const queue = createHashQueue({ limit: 100, now: clock });
    const key = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    let finished = 0;
    const flood = Array.from({ length: 12 }, () =>
      queue.run(of('flood'), async () => {
        await bcrypt.hash(createHmac('sha256', 'k').update('x').digest('base64'), 11);
        finished += 1;
      }),
    );
    await turn();
    await webcrypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, Buffer.from('token'));
    assert.ok(finished <= 6, `signed only after ${finished} hashes`);
    await Promise.all(flood);
  });
});
