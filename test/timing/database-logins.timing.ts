import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { engines } from '../datasources/engines.ts';
import { type Login, startWorld, userTable } from '../datasources/fixture.ts';
import { startTwenty } from '../datasources/twenty.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { signalAll } from '../support/programs.ts';
import { quantile, timeOf } from './compare.ts';

const TRIES = 1_000;
/** Dear enough to stand out against the rest of a request, cheap enough for so many. */
const COST = 6;

/** Mann-Whitney U as the chance that one of the first takes longer than one of the second; 0.5 if they are alike. */
function chanceOfLonger(first: readonly number[], second: readonly number[]): number {
  const sorted = second.toSorted((a, b) => a - b);
  let wins = 0;
  for (const time of first) {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] as number) < time) low = middle + 1;
      else high = middle;
    }
    wins += low;
  }
  return wins / (first.length * second.length);
}

test('DB-11 an unknown user, a wrong password and an unknown table take as long', async (t) => {
  const sqlite = engines.find(({ name }) => name === 'SQLite');
  assert.ok(sqlite);
  await using world = await startWorld(
    sqlite,
    async (engine) => {
      await engine.fill('customers', [
        { id: 1, email: 'ann@acme.example', password: bcrypt.hashSync('right', COST) },
        { id: 2, email: 'bob@acme.example', password: bcrypt.hashSync('right', COST), active: false },
        { id: 3, email: 'nil@acme.example', password: null },
      ]);
      return [userTable(engine, { activeColumn: 'active' })];
    },
    {
      env: {
        GRANTABLE_BCRYPT_COST: String(COST),
        GRANTABLE_ADDRESS_LIMIT: '9999999/1s',
        GRANTABLE_ACCOUNT_LIMIT: '9999999/1d',
      },
    },
  );
  for (const id of [1, 3]) await world.engine.update('customers', id, { active: true });
  const ann = { collection: 'customers', username: 'ann@acme.example', password: 'wrong' };
  const cases: Readonly<Record<string, () => Login>> = {
    'wrong password': () => ann,
    'unknown user': () => ({ ...ann, username: 'nobody@acme.example' }),
    'user without a password': () => ({ ...ann, username: 'nil@acme.example' }),
    'inactive user': () => ({ ...ann, username: 'bob@acme.example' }),
    'unregistered column': () => ({ ...ann, passwordColumn: 'email' }),
    'unregistered table': () => ({ ...ann, collection: 'sqlite_master' }),
    'unknown instance': () => ({ ...ann, instance: 'other' }),
  };
  // The first logins show what a hash of the table costs.
  assert.equal((await world.logIn({ ...ann, password: 'right' })).status, 200);
  const times = new Map(Object.keys(cases).map((name) => [name, [] as number[]]));
  for (let round = -10; round < TRIES; round += 1) {
    // In another order each time: what comes first may find things warmer or colder.
    const shuffled = Object.entries(cases).toSorted(() => Math.random() - 0.5);
    for (const [name, login] of shuffled) {
      const began = performance.now();
      const { status } = await world.logIn(login());
      if (round >= 0) times.get(name)?.push(performance.now() - began);
      assert.equal(status, 400, name);
    }
  }
  const wrong = times.get('wrong password') ?? [];
  for (const [name, own] of times) {
    const chance = chanceOfLonger(own, wrong);
    t.diagnostic(
      `${name}: median ${quantile(own, 0.5).toFixed(2)} ms, quartiles ${quantile(own, 0.25).toFixed(2)} to ${quantile(own, 0.75).toFixed(2)} ms; ` +
        `longer than a wrong password with probability ${chance.toFixed(2)}`,
    );
    const spread = quantile(wrong, 0.75) - quantile(wrong, 0.25);
    const apart = Math.abs(quantile(own, 0.5) - quantile(wrong, 0.5));
    assert.ok(
      apart <= Math.max(spread, 0.1 * quantile(wrong, 0.5)),
      `${name}: medians are ${apart.toFixed(2)} ms apart`,
    );
  }
});

test('E12 one hanging datasource of 20 does not slow the others', {
  skip: postgresMissing(),
}, async (t) => {
  const postgres = engines.find(({ name }) => name === 'PostgreSQL');
  assert.ok(postgres);
  await using hanging = await startPostgres();
  await hanging.run(
    `CREATE TABLE customers (id bigint, email text, password text); GRANT SELECT ON customers TO reader`,
  );
  await using world = await startTwenty(postgres, hanging);
  const { server, logInAt: logIn } = world;
  assert.equal((await logIn('hanging')).status, 400, 'it answers, and has nobody');
  const rounds = 40;
  const measure = async () => {
    const [logins, machines]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      for (let number = 1; number < 19; number += 1) {
        logins.push(await timeOf(async () => assert.equal((await logIn(`crm-${number}`)).status, 200)));
        machines.push(await timeOf(async () => assert.equal((await server.token('machine')).status, 200)));
      }
    }
    return { logins: quantile(logins, 0.99), machines: quantile(machines, 0.99) };
  };
  const measureWhileOneHangs = async () => {
    let isOver = false;
    let refused = 0;
    signalAll(hanging.child.pid as number, 'SIGSTOP');
    const knocking = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const { status } = await logIn('hanging');
        // It may be back already.
        if (!isOver) assert.equal(status, 503);
        refused += 1;
        // As often as people who try again, not as fast as a load generator can.
        await wait(50);
      }
    });
    const during = await measure();
    isOver = true;
    signalAll(hanging.child.pid as number, 'SIGCONT');
    await Promise.all(knocking);
    return { ...during, refused };
  };
  const isClose = (before: number, during: number) => during < Math.max(1.2 * before, before + 25);
  await measure();
  for (let round = 1; ; round += 1) {
    const before = await measure();
    const during = await measureWhileOneHangs();
    const figures =
      `p99 of logins ${before.logins.toFixed(1)} ms before, ${during.logins.toFixed(1)} ms while one of 20 hung; ` +
      `of client_credentials ${before.machines.toFixed(1)} and ${during.machines.toFixed(1)} ms; ${during.refused} were told 503`;
    t.diagnostic(figures);
    if (isClose(before.logins, during.logins) && isClose(before.machines, during.machines)) return;
    // A machine that is busy may spoil a round; two seconds of waiting would show in each.
    assert.ok(round < 3, figures);
  }
});
