import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import bcrypt from 'bcrypt';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { signalAll } from '../support/programs.ts';
import { until } from '../support/until.ts';
import { engines } from './engines.ts';
import { startWorld, userTable, type World } from './fixture.ts';
import { startTwenty } from './twenty.ts';

const hash = bcrypt.hashSync('right', 4);
/** Seconds that a refusal asks for: while a datasource is asked in vain, and once it is left alone. */
const [ASKED, LEFT_ALONE] = ['2', '10'];

const ann = { collection: 'customers', username: 'ann@acme.example', password: 'right' };

/** Moves the clock over the rest of a datasource that is left alone, each time it is asked, until it answers. */
async function recovers(world: World, t: TestContext): Promise<void> {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await until('it comes back', async () => {
    t.mock.timers.setTime(Date.now() + 11_000);
    const { status } = await world.logIn(ann);
    if (status !== 200) assert.equal(status, 503);
    return status === 200;
  });
  t.mock.timers.reset();
}

/** Once it failed a few times, it is not even asked. */
async function isLeftAlone(world: World): Promise<void> {
  const others = await Promise.all(Array.from({ length: 8 }, () => world.logIn(ann)));
  assert.deepEqual([...new Set(others.map(({ status }) => status))], [503]);
  const { status, headers } = await world.logIn(ann);
  assert.deepEqual([status, headers.get('retry-after')], [503, LEFT_ALONE]);
}

for (const kind of engines) {
  describe(`${kind.name} that does not answer`, { skip: kind.missing() }, () => {
    test('DB-09 E12 a database that hangs or is away is a 503 in time and comes back', async (t) => {
      await using world = await startWorld(kind, async (engine) => {
        await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password: hash }]);
        return [userTable(engine)];
      });
      const { engine, server } = world;
      const { status, json } = await world.logIn(ann);
      assert.equal(status, 200);
      let refreshToken = json.refresh_token;
      const refresh = () =>
        server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: refreshToken });
      /** As a login, and the token is not spent. */
      const refreshesAgain = async () => {
        const { status, json, text } = await refresh();
        assert.equal(status, 200, text);
        refreshToken = json.refresh_token;
      };
      if (engine.pid !== undefined) {
        signalAll(engine.pid, 'SIGSTOP');
        try {
          const answer = await world.logIn(ann);
          assert.equal(answer.status, 503, answer.text);
          assert.equal(answer.json.error, 'temporarily_unavailable');
          assert.equal(answer.headers.get('retry-after'), ASKED);
          const refreshed = await refresh();
          assert.deepEqual([refreshed.status, refreshed.json.error], [503, 'temporarily_unavailable']);
          assert.equal(refreshed.headers.get('retry-after'), ASKED);
          await isLeftAlone(world);
          const machine = await server.token('machine');
          assert.equal(machine.status, 200);
        } finally {
          signalAll(engine.pid, 'SIGCONT');
        }
        await recovers(world, t);
        await refreshesAgain();
      }
      if (kind.name !== 'MongoDB') {
        await engine.run('ALTER TABLE customers RENAME TO moved');
        const answer = await world.logIn(ann);
        assert.deepEqual([answer.status, answer.json.error], [503, 'temporarily_unavailable']);
        assert.ok(!/customers|moved|relation|SQL/i.test(answer.text), answer.text);
        const refreshed = await refresh();
        assert.deepEqual([refreshed.status, refreshed.json.error], [503, 'temporarily_unavailable']);
        await engine.run('ALTER TABLE moved RENAME TO customers');
        await recovers(world, t);
        await refreshesAgain();
      }
      if (engine.pid !== undefined) {
        signalAll(engine.pid, 'SIGKILL');
        const answer = await world.logIn(ann);
        assert.equal(answer.status, 503, answer.text);
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
  const answer = await world.logIn({ ...ann, collection: 'endless' });
  assert.equal(answer.status, 503, answer.text);
  await until('its reader is gone', () => readers().length === 0);
  assert.equal((await world.logIn(ann)).status, 200);
  assert.equal(readers().length, 1);
});

test('DB-09 a process that reads SQLite may die without harm to others', async () => {
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

test('DB-09 a value of more than 64 KB is not read', async () => {
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

test('E12 while one datasource of 20 hangs, the others and the token endpoint answer', {
  skip: postgresMissing(),
}, async () => {
  const postgres = engines.find(({ name }) => name === 'PostgreSQL');
  assert.ok(postgres);
  await using hanging = await startPostgres();
  await hanging.run(
    `CREATE TABLE customers (id bigint, email text, password text); GRANT SELECT ON customers TO reader`,
  );
  await using world = await startTwenty(postgres, hanging);
  const { server, logInAt } = world;
  assert.equal((await logInAt('hanging')).status, 400, 'it answers, and has nobody');
  signalAll(hanging.child.pid as number, 'SIGSTOP');
  try {
    // A few each time, so that they take less than the time after which the one that hangs is given up.
    for (let number = 1; number < 17; number += 4) {
      let isAnswered = false;
      const waiting = logInAt('hanging').then((answer) => {
        isAnswered = true;
        return answer;
      });
      const names = Array.from({ length: 4 }, (_, index) => `crm-${number + index}`);
      const others = await Promise.all([...names.map(logInAt), server.token('machine')]);
      assert.deepEqual([...new Set(others.map(({ status }) => status))], [200]);
      assert.equal(isAnswered, false, 'none of them waited for the one that hangs');
      assert.equal((await waiting).status, 503);
    }
  } finally {
    signalAll(hanging.child.pid as number, 'SIGCONT');
  }
});
