import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { signalAll } from '../support/programs.ts';
import { engines } from './engines.ts';
import { form, startWorld, userTable, type World } from './fixture.ts';

const LONG = process.env.GRANTABLE_TEST_LONG !== undefined;
const hash = bcrypt.hashSync('right', 4);
/** Milliseconds: two seconds of patience, and what the rest of a login takes. */
const PATIENCE = 3_500;
/** Milliseconds that a datasource is left alone, and a little. */
const REST = 10_500;

const ann = { collection: 'customers', username: 'ann@acme.example', password: 'right' };

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const began = performance.now();
  const result = await work;
  return [result, performance.now() - began];
}

function quantile(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * part)] as number;
}

/** Until it is 200. */
async function recovers(world: World): Promise<void> {
  const began = performance.now();
  for (;;) {
    const { status } = await world.logIn(ann);
    if (status === 200) return;
    assert.equal(status, 503);
    assert.ok(performance.now() - began < REST + 5_000, 'it does not come back');
    await wait(200);
  }
}

/** Once it failed a few times, it is not even asked. */
async function isLeftAlone(world: World): Promise<void> {
  const others = await Promise.all(Array.from({ length: 8 }, () => world.logIn(ann)));
  assert.deepEqual([...new Set(others.map(({ status }) => status))], [503]);
  const [quick, ms] = await timed(world.logIn(ann));
  assert.equal(quick.status, 503);
  assert.ok(ms < 200, `it is still asked: ${ms} ms`);
}

for (const kind of engines) {
  describe(`${kind.name} that does not answer`, { skip: kind.missing() }, () => {
    test('DB-09 E12 one that hangs, lost its table or is away is a 503 in time, and comes back', async () => {
      await using world = await startWorld(kind, async (engine) => {
        await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password: hash }]);
        return [userTable(engine)];
      });
      const { engine, server } = world;
      assert.equal((await world.logIn(ann)).status, 200);
      if (engine.pid !== undefined) {
        signalAll(engine.pid, 'SIGSTOP');
        try {
          const [answer, ms] = await timed(world.logIn(ann));
          assert.equal(answer.status, 503, answer.text);
          assert.equal(answer.json.error, 'temporarily_unavailable');
          assert.ok(Number(answer.headers.get('retry-after')) >= 1);
          assert.ok(ms < PATIENCE, `${ms} ms`);
          if (LONG || kind.name === 'PostgreSQL') await isLeftAlone(world);
          const machine = await server.token('machine');
          assert.equal(machine.status, 200);
        } finally {
          signalAll(engine.pid, 'SIGCONT');
        }
        await recovers(world);
      }
      if (kind.name !== 'MongoDB') {
        await engine.run('ALTER TABLE customers RENAME TO moved');
        const answer = await world.logIn(ann);
        assert.deepEqual([answer.status, answer.json.error], [503, 'temporarily_unavailable']);
        assert.ok(!/customers|moved|relation|SQL/i.test(answer.text), answer.text);
        await engine.run('ALTER TABLE moved RENAME TO customers');
        await recovers(world);
      }
      if (engine.pid !== undefined) {
        signalAll(engine.pid, 'SIGKILL');
        const [answer, ms] = await timed(world.logIn(ann));
        assert.equal(answer.status, 503, answer.text);
        assert.ok(ms < PATIENCE, `${ms} ms`);
      }
    });
  });
}

/** Ids of the processes that read SQLite files for us. */
const readers = (): number[] =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('sqlite-reader'))
    .map((line) => Number.parseInt(line, 10));

test('DB-09 a query of SQLite that never ends is stopped, and what read it is gone', async () => {
  const sqlite = engines.find(({ name }) => name === 'SQLite');
  assert.ok(sqlite);
  await using world = await startWorld(sqlite, async (engine) => {
    await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password: hash }]);
    await engine.run(
      `CREATE VIEW endless AS WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
       SELECT n AS id, 'ann@' || n AS email, 'x' AS password FROM c`,
    );
    return [userTable(engine), userTable(engine, { collection: 'endless' })];
  });
  const [answer, ms] = await timed(world.logIn({ ...ann, collection: 'endless' }));
  assert.equal(answer.status, 503, answer.text);
  assert.ok(ms < PATIENCE, `${ms} ms`);
  await wait(200);
  assert.deepEqual(readers(), []);
  assert.equal((await world.logIn(ann)).status, 200);
  assert.equal(readers().length, 1);
});

test('DB-09 a process that reads a SQLite file may die under questions, and nothing else does', async () => {
  const sqlite = engines.find(({ name }) => name === 'SQLite');
  assert.ok(sqlite);
  await using world = await startWorld(sqlite, async (engine) => {
    await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password: hash }]);
    return [userTable(engine)];
  });
  for (let time = 0; time < 5; time += 1) {
    assert.equal((await world.logIn(ann)).status, 200);
    const [pid] = readers();
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    const answers = await Promise.all(Array.from({ length: 4 }, () => world.logIn(ann)));
    for (const { status } of answers) assert.ok(status === 200 || status === 503, String(status));
  }
});

test('DB-09 a value of more than 64 KB is not read, and its row is no database that is away', async () => {
  const sqlite = engines.find(({ name }) => name === 'SQLite');
  assert.ok(sqlite);
  await using world = await startWorld(sqlite, async (engine) => {
    await engine.fill('customers', [
      { id: 1, email: 'ann@acme.example', password: hash, note: 'short' },
      { id: 2, email: 'big@acme.example', password: hash, note: 'x'.repeat(65_537) },
    ]);
    return [userTable(engine, { claims: { note: 'note' } })];
  });
  for (let time = 0; time < 6; time += 1) {
    assert.equal((await world.logIn({ ...ann, username: 'big@acme.example' })).status, 400);
  }
  assert.equal((await world.logIn(ann)).status, 200);
});

test('DB-10 a login writes nothing, even through a view that would', {
  skip: postgresMissing(),
}, async () => {
  const postgres = engines.find(({ name }) => name === 'PostgreSQL');
  assert.ok(postgres);
  await using world = await startWorld(postgres, async (engine) => {
    await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password: hash }]);
    await engine.run(`
      CREATE TABLE seen (at timestamptz);
      GRANT INSERT ON seen TO reader;
      CREATE FUNCTION touch() RETURNS text LANGUAGE sql VOLATILE AS $$ INSERT INTO seen VALUES (now()); SELECT 'x' $$;
      CREATE VIEW touching AS SELECT id, email, password, touch() AS touched FROM customers;
      GRANT SELECT ON touching TO reader`);
    return [userTable(engine, { collection: 'touching', claims: { touched: 'touched' } })];
  });
  assert.equal((await world.logIn({ ...ann, collection: 'touching' })).status, 503);
  await world.engine.run(
    `DO $$ BEGIN IF (SELECT count(*) FROM seen) > 0 THEN RAISE 'something was written'; END IF; END $$`,
  );
});

test('E12 one of 20 datasources that hangs does not move the others, nor the token endpoint', {
  skip: postgresMissing(),
}, async (t) => {
  const postgres = engines.find(({ name }) => name === 'PostgreSQL');
  assert.ok(postgres);
  await using hanging = await startPostgres();
  await hanging.run(
    `CREATE TABLE customers (id bigint, email text, password text); GRANT SELECT ON customers TO reader`,
  );
  await using world = await startWorld(
    postgres,
    async (engine) => {
      await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password: hash }]);
      return [userTable(engine)];
    },
    {
      fixture(fixture, engine) {
        const [acme] = fixture.organizations;
        const [crm] = acme.datasources;
        for (let number = 1; number < 19; number += 1)
          acme.datasources.push({ ...crm, name: `crm-${number}` });
        acme.datasources.push({
          ...crm,
          ...engine.datasource,
          name: 'hanging',
          port: hanging.port,
          ca: hanging.certificate.pem,
        });
      },
    },
  );
  const { server, engine } = world;
  const logIn = (instance: string) => server.post('/oauth/token', 'shop', form(engine, { ...ann, instance }));
  assert.equal((await logIn('hanging')).status, 400, 'it answers, and has nobody');
  const rounds = LONG ? 40 : 24;
  const measure = async () => {
    const [logins, machines]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      for (let number = 1; number < 19; number += 1) {
        const [login, ms] = await timed(logIn(`crm-${number}`));
        assert.equal(login.status, 200, login.text);
        logins.push(ms);
        const [machine, machineMs] = await timed(server.token('machine'));
        assert.equal(machine.status, 200);
        machines.push(machineMs);
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
