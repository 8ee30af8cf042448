/** Clients that send SQL of their own: they may not choose claims, and everything else that their role may. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { writerOf } from '../../src/guard/sql/names.ts';
import type { Table } from '../../src/nouns/index.ts';
import { postgresMissing } from '../support/postgres.ts';
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
});
