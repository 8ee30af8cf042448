import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import {
  type ConnectionPool,
  type Statement,
  type TokenClient,
  withToken,
} from '../../src/resource-server/postgres.ts';
import { pgbouncerMissing, startPgbouncer } from '../support/pgbouncer.ts';
import { postgresMissing, type SqlServer, startPostgres } from '../support/postgres.ts';

const LOGIN = { username: 'web', password: 'web-of-the-crm' };
/** Orders are shown by a claim; `clerk` sees all of them. */
const TABLES = `
  CREATE ROLE app NOLOGIN; CREATE ROLE clerk NOLOGIN; CREATE ROLE stranger NOLOGIN;
  CREATE ROLE web LOGIN NOINHERIT PASSWORD '${LOGIN.password}'; GRANT app, clerk TO web;
  ALTER ROLE web SET plan_cache_mode = force_generic_plan;
  CREATE TABLE orders (id serial PRIMARY KEY, customer text NOT NULL, note text);
  INSERT INTO orders (customer) SELECT n::text FROM generate_series(1, 50) n;
  GRANT ALL ON orders, orders_id_seq TO app, clerk;
  ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON orders TO app
    USING (customer = (SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'customer'));
  CREATE POLICY every ON orders TO clerk USING (true);
  CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders DEFERRABLE INITIALLY DEFERRED);
  GRANT ALL ON lines TO app;
  CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
  CREATE TABLE breaking (id int);
  GRANT ALL ON breaking TO app;
  CREATE CONSTRAINT TRIGGER breaks AFTER INSERT ON breaking DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION breaks();
  CREATE SCHEMA "other ""place"; GRANT USAGE ON SCHEMA "other ""place" TO app;
  CREATE VIEW "other ""place".hello AS SELECT 'hello' AS said; GRANT SELECT ON "other ""place".hello TO app;
`;

const tokenOf = (customer: string, more: object = {}) => ({ claims: { customer, role: 'app', ...more } });
const customers = async (client: TokenClient): Promise<unknown> =>
  (await client.query('SELECT customer FROM orders ORDER BY id')).rows.map(({ customer }) => customer);
const ENDED = /The callback of withToken ended its transaction/;

/** What the next user of a connection can find of the one before, and what it may see. */
async function traces(pool: pg.Pool): Promise<unknown> {
  const client = await pool.connect();
  const all = async (text: string) => (await client.query(text)).rows;
  const refused = (error: Error) => error.message;
  try {
    return {
      roles: await all("SELECT current_user, session_user, current_setting('role') AS role"),
      claims: await all(
        `SELECT coalesce(current_setting('request.jwt.claims', true), '') AS claims,
           coalesce(current_setting('grantable.transaction', true), '') AS mark`,
      ),
      settings: await all('SELECT name, setting FROM pg_settings ORDER BY name'),
      channels: await all('SELECT pg_listening_channels()'),
      cursors: await all('SELECT name FROM pg_cursors WHERE is_holdable'),
      locks: await all(
        `SELECT locktype, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'`,
      ),
      temporary: await all('SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()'),
      transaction: await all(
        'SELECT pg_current_xact_id_if_assigned(), now() = statement_timestamp() AS fresh',
      ),
      sequence: await all('SELECT lastval()').catch(refused),
      orders: await all('SELECT * FROM orders').catch(refused),
    };
  } finally {
    client.release();
  }
}

/** What a callback may do, and how `withToken` ends. */
const HABITS: readonly (readonly [name: string, statements: readonly string[], ends?: RegExp])[] = [
  ['reads', ['SELECT * FROM orders']],
  ['writes', ["INSERT INTO orders (customer, note) VALUES ('7', 'x')"]],
  ['fails', ['SELECT 1 / 0'], /division by zero/],
  ['may not do what it tries', ['SELECT * FROM pg_authid'], /permission denied/],
  ['begins a second transaction', ['BEGIN', 'SELECT * FROM orders']],
  ['begins and commits a second one', ['BEGIN', 'SELECT 1', 'COMMIT'], ENDED],
  ['leaves a savepoint open', ['SAVEPOINT a', 'SET ROLE clerk', 'SELECT 1']],
  ['rolls back to a savepoint', ['SAVEPOINT a', 'SET statement_timeout = 7000', 'ROLLBACK TO a']],
  ['commits', ['COMMIT'], ENDED],
  ['commits and goes on', ['COMMIT', 'SELECT * FROM orders'], ENDED],
  ['commits and chains', ['COMMIT AND CHAIN'], ENDED],
  [
    'commits, chains and goes on',
    ['COMMIT AND CHAIN', 'SELECT * FROM orders'],
    /permission denied for table orders/,
  ],
  ['commits in the middle of a message', ['SELECT 1; COMMIT; SELECT 2'], ENDED],
  ['rolls back', ['ROLLBACK'], ENDED],
  ['rolls back and goes on', ['ROLLBACK', 'SET ROLE clerk', 'SELECT 1'], ENDED],
  ['rolls back and chains', ['ROLLBACK AND CHAIN', 'SET ROLE clerk'], ENDED],
  ['aborts', ['ABORT', 'BEGIN', 'SET ROLE clerk'], ENDED],
  ['sets settings', ["SET search_path = ''", 'SET statement_timeout = 7000', "SET TIME ZONE 'Asia/Kolkata'"]],
  ['sets an encoding', ["SET client_encoding = 'LATIN1'"]],
  ['makes later transactions read only', ['SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY']],
  [
    'is read only',
    ['SET TRANSACTION READ ONLY', 'CREATE TEMPORARY TABLE t (id int)'],
    /read-only transaction/,
  ],
  ['sets claims', [`SELECT set_config('request.jwt.claims', '{"customer":"9"}', false)`]],
  ['sets the role', ['SET ROLE clerk']],
  ['sets the role by a function', ["SELECT set_config('role', 'clerk', false)"]],
  ['sets a role that it may not have', ['SET ROLE stranger'], /permission denied to set role/],
  ['sets who it is', ['SET SESSION AUTHORIZATION web']],
  ['resets the role', ['RESET ROLE', 'SELECT * FROM orders'], /permission denied for table orders/],
  ['resets settings', ['RESET ALL'], ENDED],
  ['listens', ['LISTEN orders']],
  ['makes a temporary table', ['CREATE TEMPORARY TABLE mine AS SELECT * FROM orders']],
  ['keeps a cursor', ['DECLARE mine CURSOR WITH HOLD FOR SELECT * FROM orders', 'FETCH 1 FROM mine']],
  [
    'keeps a cursor of a temporary table',
    ['CREATE TEMPORARY TABLE t AS SELECT 1', 'DECLARE c CURSOR WITH HOLD FOR TABLE t', 'FETCH 1 FROM c'],
  ],
  ['keeps an advisory lock', ['SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2)']],
  ['breaks a deferred rule', ['INSERT INTO lines VALUES (1, 999)'], /violates foreign key/],
  ['sets claims and fails', [`SELECT set_config('request.jwt.claims', '{}', false)`, 'SELECT 1 / 0'], /zero/],
];

const ways: readonly {
  readonly name: string;
  readonly missing: () => string | false;
  open(server: SqlServer, connections: number): Promise<{ readonly port: number } & AsyncDisposable>;
}[] = [
  {
    name: 'PG-01 a connection of a pool',
    missing: postgresMissing,
    open: async ({ port }) => ({ port, [Symbol.asyncDispose]: async () => undefined }),
  },
  {
    name: 'PG-01 a connection of PgBouncer in transaction mode',
    missing: () => postgresMissing() || pgbouncerMissing(),
    open: ({ port }, connections) => startPgbouncer(port, LOGIN, connections),
  },
];

for (const { name, missing, open } of ways) {
  describe(name, { skip: missing() }, () => {
    let server: SqlServer;
    const opened: AsyncDisposable[] = [];
    const pools: pg.Pool[] = [];
    /** The only connection to the server. */
    let one: pg.Pool;
    let clean: unknown;

    /** @param connections to the server, which the clients share */
    async function openPool(connections: number, clients = connections): Promise<pg.Pool> {
      const way = await open(server, connections);
      const { username: user, password } = LOGIN;
      const pool = new pg.Pool({
        host: '127.0.0.1',
        port: way.port,
        user,
        password,
        database: 'crm',
        max: clients,
      });
      opened.unshift(way);
      pools.push(pool);
      return pool;
    }

    before(async () => {
      server = await startPostgres();
      await server.run(TABLES);
      one = await openPool(1);
      await withToken(one, tokenOf('1'), customers);
      clean = await traces(one);
    });
    after(async () => {
      for (const pool of pools) await pool.end();
      for (const each of opened) await each[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
    });

    test('shows the rows of the token, and to the login role none', async () => {
      assert.deepEqual(await withToken(one, tokenOf('4'), customers), ['4']);
      assert.deepEqual(await withToken(one, tokenOf('5', { role: undefined }), customers, { role: 'app' }), [
        '5',
      ]);
      const every = (await withToken(one, tokenOf('4', { role: 'clerk' }), customers)) as unknown[];
      assert.ok(every.length >= 50);
      assert.match((clean as { readonly orders: string }).orders, /permission denied for table orders/);
    });

    for (const [habit, statements, ends] of HABITS) {
      test(`a callback that ${habit} leaves nothing behind`, async () => {
        const run = withToken(one, tokenOf('7'), async (client) => {
          for (const each of statements) await client.query(each);
        });
        if (ends) await assert.rejects(run, ends);
        else await run;
        assert.deepEqual(await traces(one), clean);
        assert.deepEqual(await withToken(one, tokenOf('4'), customers), ['4']);
      });
    }

    test('a callback that hides a failed statement is told that nothing was stored', async () => {
      const run = withToken(one, tokenOf('8'), async (client) => {
        await client.query("UPDATE orders SET note = 'lost'");
        await client.query('SELECT 1 / 0').catch(() => undefined);
        await client.query('SELECT 1').catch(() => undefined);
      });
      await assert.rejects(run, (error: Error) => {
        assert.match(error.message, /failed, so PostgreSQL rolled its transaction back/);
        assert.match(String(error.cause), /division by zero/);
        return true;
      });
      assert.deepEqual(await server.run("SELECT id FROM orders WHERE note = 'lost'"), []);
      assert.deepEqual(await traces(one), clean);
    });

    test('statements that are not awaited belong to the transaction', async () => {
      await withToken(one, tokenOf('8'), (client) => {
        client.query("INSERT INTO orders (customer, note) VALUES ('8', 'first')");
        client.query("INSERT INTO orders (customer, note) VALUES ('8', 'second')");
      });
      assert.deepEqual(
        await server.run("SELECT note FROM orders WHERE note IN ('first', 'second') ORDER BY id"),
        [{ note: 'first' }, { note: 'second' }],
      );
      const failing = withToken(one, tokenOf('8'), (client) => {
        client.query("INSERT INTO orders (customer, note) VALUES ('8', 'third')");
        client.query("INSERT INTO orders (customer, note) VALUES ('9', 'third')");
      });
      await assert.rejects(failing, /rolled its transaction back/);
      assert.deepEqual(await server.run("SELECT id FROM orders WHERE note = 'third'"), []);
      assert.deepEqual(await traces(one), clean);
    });

    test('a callback that fails while a statement runs stores nothing', async () => {
      let unsent: Promise<unknown> | undefined;
      const run = withToken(one, tokenOf('8'), async (client) => {
        const first = client.query("UPDATE orders SET note = 'half' RETURNING pg_sleep(0.05)");
        unsent = client.query('COMMIT');
        await new Promise((resolve) => setImmediate(resolve));
        first.catch(() => undefined);
        throw new Error('changed my mind');
      });
      await assert.rejects(run, /changed my mind/);
      await assert.rejects(unsent as Promise<unknown>, /The transaction of withToken has ended/);
      assert.deepEqual(await server.run("SELECT id FROM orders WHERE note = 'half'"), []);
      assert.deepEqual(await traces(one), clean);
    });

    test('PG-02 a client that is kept is refused after the end', async () => {
      const kept: TokenClient[] = [];
      await withToken(one, tokenOf('4'), (client) => kept.push(client));
      const failing = withToken(one, tokenOf('4'), (client) => {
        kept.push(client);
        throw new Error('no');
      });
      await assert.rejects(failing, /^Error: no$/);
      for (const client of kept) {
        await assert.rejects(client.query('SELECT 1'), /The transaction of withToken has ended/);
        await withToken(one, tokenOf('5'), () =>
          assert.rejects(client.query('SELECT 1'), /The transaction of withToken has ended/),
        );
      }
    });

    test('PG-02 an older pg, without states of transactions, gives nothing after a COMMIT', async () => {
      const older: ConnectionPool = {
        connect: async () => {
          const client = await one.connect();
          return {
            query: (text: string | Statement, values?: unknown[]) => client.query(text, values),
            release: (error?: Error) => client.release(error),
            on: (event: 'error', listener: (error: Error) => void) => client.on(event, listener),
            off: (event: 'error', listener: (error: Error) => void) => client.off(event, listener),
          };
        },
      };
      for (const end of ['COMMIT', 'ROLLBACK']) {
        const goingOn = withToken(older, tokenOf('7'), async (client) => {
          await client.query(end);
          await client.query('SELECT * FROM orders');
        });
        await assert.rejects(goingOn, /permission denied for table orders/);
        const returning = withToken(older, tokenOf('7'), (client) => client.query(end));
        await assert.rejects(returning, ENDED);
        assert.deepEqual(await traces(one), clean);
      }
    });

    test('a connection that breaks during COMMIT does not return to the pool', async () => {
      const broken = await openPool(1);
      for (const again of [1, 2]) {
        const run = withToken(broken, tokenOf('4'), (client) =>
          client.query(`INSERT INTO breaking VALUES (${again})`),
        );
        await assert.rejects(run, /terminat|closed the connection|server conn/);
        assert.equal(broken.totalCount, 0);
        assert.deepEqual(await withToken(broken, tokenOf('4'), customers), ['4']);
      }
    });

    test('a connection that breaks during the callback does not return to the pool', async () => {
      const broken = await openPool(1);
      await withToken(broken, tokenOf('4'), customers);
      const run = withToken(broken, tokenOf('4'), async (client) => {
        const [own] = (await client.query('SELECT pg_backend_pid() AS pid')).rows;
        await server.run(`SELECT pg_terminate_backend(${own?.pid}, 5000)`);
        await client.query('SELECT 1');
      });
      await assert.rejects(run);
      assert.equal(broken.totalCount, 0);
      assert.deepEqual(await withToken(broken, tokenOf('4'), customers), ['4']);
    });

    test('a login role that is a superuser gets its own name back', async () => {
      const pool = new pg.Pool({
        host: '127.0.0.1',
        port: server.port,
        user: 'owner',
        database: 'crm',
        max: 1,
      });
      pools.push(pool);
      const names = "SELECT session_user, current_user, current_setting('role') AS role";
      await withToken(pool, tokenOf('4'), (client) => client.query('SET SESSION AUTHORIZATION clerk'));
      assert.deepEqual((await pool.query(names)).rows, [
        { session_user: 'owner', current_user: 'owner', role: 'none' },
      ]);
    });

    test('fifty at a time over five connections see their own rows', async () => {
      const five = await openPool(5, 10);
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const customer = `${index + 1}`;
          const seen = await withToken(five, tokenOf(customer), async (client) => {
            const first = await client.query('SELECT DISTINCT customer FROM orders');
            await client.query('SELECT pg_sleep(0.001)');
            if (index % 3 === 0) await client.query(`SELECT set_config('request.jwt.claims', '{}', false)`);
            if (index % 5 === 0) throw Object.assign(new Error('on purpose'), { seen: first.rows });
            return first.rows;
          }).catch((error) => error.seen);
          assert.deepEqual(seen, [{ customer }]);
        }),
      );
    });

    test('two tokens in turn see their own rows by one prepared statement', async () => {
      const mine = {
        name: 'mine',
        text: `SELECT customer, (SELECT count(*) FROM pg_prepared_statements WHERE generic_plans > 0)::int AS generic
          FROM orders WHERE id > $1 ORDER BY id`,
        values: [0],
      };
      const read = (customer: string, role = 'app') =>
        withToken(one, tokenOf(customer, { role }), async (client) => (await client.query(mine)).rows);
      await read('11');
      for (const customer of ['12', '13', '12'])
        assert.deepEqual(await read(customer), [{ customer, generic: 1 }]);
      assert.ok((await read('12', 'clerk')).length >= 50);
      assert.deepEqual(await read('12'), [{ customer: '12', generic: 1 }]);
    });

    test('names of schemas and values of claims are text only', async () => {
      const token = tokenOf(`4'; DROP TABLE orders; --`, { quoted: '\\\'"$1é' });
      const read = "SELECT said, current_setting('request.jwt.claims')::json AS claims FROM hello";
      const seen = await withToken(one, token, async (client) => (await client.query(read)).rows, {
        schema: ['other "place', 'public'],
      });
      assert.deepEqual(seen, [{ said: 'hello', claims: token.claims }]);
      assert.deepEqual(await traces(one), clean);
    });

    test('the database learns when a token was introspected', async () => {
      const read = "SELECT current_setting('request.jwt.claims')::json -> 'as_of' AS as_of";
      for (const [introspectedAt, asOf] of [
        [undefined, 5],
        [1_700_000_000_123, 1_700_000_000_123],
      ]) {
        const token = { ...tokenOf('1', { as_of: 5 }), introspectedAt };
        const { rows } = await withToken(one, token, (client) => client.query(read));
        assert.deepEqual(rows, [{ as_of: asOf }]);
      }
    });

    test('callbacks, cursors and streams are refused', async () => {
      await withToken(one, tokenOf('1'), async (client) => {
        const query = client.query as (...values: unknown[]) => Promise<unknown>;
        const text = 'SELECT 1';
        const wrong = [[], [7], [{}], [new pg.Query(text)], [text, () => 1], [text, [], () => 1], [null]];
        for (const values of wrong) await assert.rejects(query(...values), /^TypeError: query takes a text/);
      });
    });
  });
}

test('withToken refuses a token without a role before it takes a connection', async () => {
  const pool = { connect: () => assert.fail('nothing is asked of the pool') };
  await assert.rejects(
    withToken(pool, { claims: {} }, () => 1),
    /^TypeError: The token has no claim role\./,
  );
  for (const role of ['', 'none', 7, ['app'], null])
    await assert.rejects(
      withToken(pool, { claims: { role } }, () => 1),
      /^TypeError: .* is not a role/,
    );
});

test('withToken gives a connection that it cannot clean to the pool as broken', async () => {
  const stuck = new Error('the pooler is away');
  let released: unknown;
  const connection = {
    query: async (text: unknown) => {
      if (String(text).startsWith('ROLLBACK')) throw stuck;
    },
    release: (error?: Error) => {
      released = error;
    },
    on: () => undefined,
    off: () => undefined,
  };
  const run = withToken({ connect: async () => connection }, tokenOf('1'), () =>
    Promise.reject(new Error('no')),
  );
  await assert.rejects(run, /^Error: no$/);
  assert.equal(released, stuck);
});
