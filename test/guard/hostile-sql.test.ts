/** Clients that send SQL of their own: they may not choose claims, and everything else that their role may. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { writerOf } from '../../src/guard/sql/names.ts';
import type { Table } from '../../src/nouns/index.ts';
import { postgresMissing } from '../support/postgres.ts';
import { until } from '../support/until.ts';
import { claims, type GuardedWorld, startGuarded } from './world.ts';

const TABLES = `
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, region text, secret text);
INSERT INTO orders VALUES (1, 42, 'eu', 's1'), (2, 42, 'us', 's2'), (3, 7, 'eu', 's3');
`;

const DECLARED: Table[] = [
  {
    id: 'orders',
    name: 'orders',
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'customer_id', type: 'integer' },
      { name: 'region', type: 'text' },
      { name: 'secret', type: 'text' },
    ],
    rowColumns: ['customer_id'],
  },
];

/** Reads and changes the orders of one customer, without their secrets. */
const CLERK = claims({
  authorization_details: [
    {
      type: 'table_access_set',
      tables: ['orders'],
      actions: ['read', 'update', 'create'],
      columns: ['id', 'customer_id', 'region'],
      rows: { customer_id: ['42'] },
    },
  ],
});

/** A function of the client that tells which role runs it, and what that role sees of a secret. */
const SPY = `
CREATE TEMP TABLE seen (role name, secret text); GRANT ALL ON seen TO PUBLIC;
CREATE FUNCTION pg_temp.spy() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  IF current_user = 'grantable_reader' THEN RAISE EXCEPTION 'seen %', (SELECT secret FROM public.orders LIMIT 1); END IF;
  RETURN true;
END $$;`;

describe('clients that send SQL of their own', { skip: postgresMissing() }, () => {
  let world: GuardedWorld;
  before(async () => {
    world = await startGuarded({ tables: TABLES, declared: DECLARED });
  });
  after(() => world[Symbol.asyncDispose]());

  it('put no type of theirs in the place of one of the database', async () => {
    for (const type of ['text', 'jsonb', 'name', 'uuid', 'date']) {
      const { rowCount } = await world.as(
        CLERK,
        SPY,
        `CREATE DOMAIN pg_temp.${type} AS pg_catalog.${type} CHECK (pg_temp.spy())`,
        `UPDATE api.orders SET region = 'eu' WHERE id = 2`,
      );
      assert.equal(rowCount, 1, type);
    }
  });

  it('attach no writer of a view to a relation of theirs', async () => {
    const { name } = writerOf({ schema: 'public', name: 'orders' });
    await assert.rejects(
      world.as(
        CLERK,
        SPY,
        `CREATE TYPE pg_temp.odd AS (a int);
         CREATE FUNCTION pg_temp.say(pg_temp.odd) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.spy(); RETURN $1.a; END $$;
         CREATE CAST (pg_temp.odd AS text) WITH FUNCTION pg_temp.say(pg_temp.odd);
         CREATE TEMP VIEW mine AS SELECT 1 AS id, 42 AS customer_id, 'eu'::pg_catalog.text AS region, ROW(1)::pg_temp.odd AS secret;
         CREATE TRIGGER t INSTEAD OF UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION grantable.${name}();`,
        `UPDATE mine SET region = 'us'`,
      ),
      { code: '42501', message: /permission denied for function/ },
    );
  });

  it('get no more by the settings that guard keeps in a transaction', async () => {
    const forged = JSON.stringify({ orders: { read: [{}], update: [{}], create: [{}], delete: [{}] } });
    const set = `set_config('grantable.cells', '${forged}', true) IS NOT NULL AND set_config('grantable.columns', '{}', true) IS NOT NULL`;
    const { rows } = await world.as(CLERK, `SELECT ${set}`, `SELECT * FROM orders WHERE ${set} ORDER BY id`);
    assert.deepEqual(
      rows.map(({ id, secret }) => [id, secret]),
      [
        [1, null],
        [2, null],
      ],
    );
    for (const change of [
      `UPDATE orders SET secret = CASE WHEN ${set} THEN 'x' END`,
      `UPDATE orders SET customer_id = CASE WHEN ${set} THEN 7 END`,
      `INSERT INTO orders SELECT 4, 7, 'eu', 'x' WHERE ${set}`,
      `INSERT INTO orders SELECT 4, 42, 'eu', 'x' WHERE ${set}`,
    ]) {
      await assert.rejects(world.as(CLERK, change), { code: '42501' }, change);
    }
    assert.equal((await world.as(CLERK, `DELETE FROM orders WHERE ${set}`)).rowCount, 0);
  });

  it('have their claims read twice for each row that they change', async () => {
    const readings = async (change: string) =>
      (
        await world.as(
          CLERK,
          `RESET ROLE; SET LOCAL track_functions = 'all'; SET LOCAL ROLE app`,
          change,
          'RESET ROLE',
          `SELECT calls::int FROM pg_stat_xact_user_functions WHERE schemaname = 'grantable' AND funcname = 'claims'`,
        )
      ).rows[0].calls;
    const change = (ids: string) => readings(`UPDATE orders SET region = 'cn' WHERE id IN (${ids})`);
    // They count from the start of the session.
    const [first, one, two] = [await change('1'), await change('1'), await change('1, 2')];
    assert.equal(two - one - (one - first), 2);
  });

  it('lose no change that another made while their statement waited', async () => {
    const other = new pg.Client({
      host: '127.0.0.1',
      port: world.server.port,
      user: 'owner',
      database: 'crm',
    });
    await other.connect();
    const meanwhile = async (change: string, statement: string) => {
      await other.query('BEGIN');
      await other.query(change);
      const outcome = world.as(CLERK, statement).then(
        ({ rowCount }) => rowCount,
        ({ code }) => code,
      );
      await until('the statement waits', async () => {
        const { rowCount } = await other.query('SELECT FROM pg_locks WHERE NOT granted');
        return rowCount ? true : undefined;
      });
      await other.query('COMMIT');
      return outcome;
    };
    try {
      const rename = `UPDATE orders SET region = region || '+' WHERE region LIKE 'eu%' AND id = 1`;
      assert.equal(await meanwhile(`UPDATE public.orders SET region = 'us' WHERE id = 1`, rename), '40001');
      const move = `UPDATE public.orders SET customer_id = 7 WHERE id = 1`;
      assert.equal(await meanwhile(move, `UPDATE orders SET region = 'cn' WHERE id = 1`), 0);
      await other.query(`UPDATE public.orders SET customer_id = 42, region = 'eu' WHERE id = 1`);
    } finally {
      await other.end();
    }
  });
});
