import assert from 'node:assert/strict';
import { createHmac, webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { createHashQueue, type HashQueue } from '../../src/directory/hash-queue.ts';
import { Unavailable } from '../../src/errors/domain.ts';

const clock = () => performance.now();
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
    .run(organization, async () => undefined)
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
    assert.equal(await queue.run('a', () => bcrypt.hash('x', SALT)), await bcrypt.hash('x', SALT));
    await assert.rejects(
      queue.run('a', async () => {
        throw new TypeError('broken');
      }),
      TypeError,
    );
    assert.equal(await queue.run('a', async () => 'still here'), 'still here');
    assert.deepEqual([queue.running(), queue.waiting()], [0, 0]);
  });

  await t.test('runs no more at once than it should', async () => {
    const queue = createHashQueue({ limit: 100, now: clock, concurrency: 3 });
    let most = 0;
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        queue.run(`org-${i % 4}`, async () => {
          most = Math.max(most, queue.running());
          await bcrypt.hash('x', SALT);
        }),
      ),
    );
    assert.equal(most, 3);
    assert.deepEqual([queue.running(), queue.waiting()], [0, 0]);
  });

  await t.test(
    'DO-05 a flood of one organization costs another one turn, not a place behind it',
    async () => {
      const queue = createHashQueue({ limit: 100, now: clock, concurrency: 2 });
      const entered: string[] = [];
      const login = (organization: string) =>
        queue.run(organization, async () => {
          entered.push(organization);
          await bcrypt.hash('x', SALT);
        });
      const flood = Array.from({ length: 60 }, () => login('flood'));
      const quiet = [login('quiet'), login('quiet'), login('other')];
      await Promise.all([...flood, ...quiet]);
      assert.deepEqual(entered.slice(0, 7), ['flood', 'flood', 'flood', 'quiet', 'other', 'flood', 'quiet']);
    },
  );

  await t.test('a full room refuses with the seconds after which it has emptied', async () => {
    let now = 0;
    const queue = createHashQueue({ limit: 2, now: () => now, concurrency: 1 });
    for (let i = 0; i < 100; i += 1) {
      await queue.run('a', async () => {
        now += 3000;
      });
    }
    const gate = createGate();
    const runs = [queue.run('a', gate.work), queue.run('a', gate.work), queue.run('a', gate.work)];
    assert.deepEqual([queue.running(), queue.waiting()], [1, 2]);
    // Three before it, three seconds each.
    assert.equal((await isRefused(queue, 'a')).retryAfter, 9);
    gate.open();
    await Promise.all(runs);
    assert.equal(await queue.run('a', async () => 'in'), 'in');
  });

  await t.test('says one second at least', async () => {
    const queue = createHashQueue({ limit: 0, now: clock, concurrency: 1 });
    const gate = createGate();
    const run = queue.run('a', gate.work);
    assert.equal((await isRefused(queue, 'a')).retryAfter, 1);
    gate.open();
    await run;
  });

  await t.test(
    'DO-05 the longest line gives up its last place to an organization with a shorter one',
    async () => {
      const queue = createHashQueue({ limit: 4, now: clock, concurrency: 1 });
      const gate = createGate();
      const runs = Array.from({ length: 5 }, () => queue.run('flood', gate.work));
      const flood = runs.map(watch);
      const quiet = watch(queue.run('quiet', gate.work));
      await wait(0);
      assert.ok(flood[4]?.outcome instanceof Unavailable, 'the last of the flood had to go');
      assert.deepEqual([flood[3]?.outcome, quiet.outcome], [undefined, undefined]);
      assert.equal(queue.waiting(), 4);

      const quietAgain = watch(queue.run('quiet', gate.work));
      await wait(0);
      assert.ok(flood[3]?.outcome instanceof Unavailable, 'three against one: two against two');
      assert.equal(quietAgain.outcome, undefined);
      await isRefused(queue, 'quiet');
      await isRefused(queue, 'flood');
      assert.equal(queue.waiting(), 4);

      gate.open();
      await Promise.allSettled(runs);
      await wait(0);
      assert.deepEqual(
        [quiet.outcome, quietAgain.outcome, flood[0]?.outcome, flood[2]?.outcome],
        Array(4).fill('done'),
      );
      assert.deepEqual([queue.running(), queue.waiting()], [0, 0]);
    },
  );

  await t.test('a room in which each has one place refuses the next organization', async () => {
    const queue = createHashQueue({ limit: 2, now: clock, concurrency: 1 });
    const gate = createGate();
    const runs = ['a', 'a', 'b'].map((organization) => queue.run(organization, gate.work));
    await isRefused(queue, 'c');
    gate.open();
    await Promise.all(runs);
  });

  await t.test('AC-06 while logins flood, the thread pool still signs at once', async () => {
    const queue = createHashQueue({ limit: 100, now: clock });
    const key = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    let finished = 0;
    const flood = Array.from({ length: 12 }, () =>
      queue.run('flood', async () => {
        await bcrypt.hash(createHmac('sha256', 'k').update('x').digest('base64'), 9);
        finished += 1;
      }),
    );
    await wait(0);
    await webcrypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, Buffer.from('token'));
    assert.ok(finished <= 2, `signed only after ${finished} hashes`);
    await Promise.all(flood);
  });
});
