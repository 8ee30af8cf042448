import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Table } from '../../src/nouns/index.ts';
import { postgresMissing } from '../support/postgres.ts';
import { type Claims, claims, type GuardedWorld, RESOURCE, startGuarded } from './world.ts';

const TABLES = `
CREATE TABLE orders (
  id serial PRIMARY KEY, customer_id int, region text DEFAULT 'eu', total numeric(10, 2), secret text, note json
);
INSERT INTO orders (customer_id, region, total, secret) VALUES
  (42, 'eu', 10, 's1'), (42, 'us', 20, 's2'), (7, 'eu', 30, 's3'), (NULL, 'eu', 40, 's4');
CREATE TABLE products (id int PRIMARY KEY, name text);
INSERT INTO products VALUES (1, 'chair');
`;

const DECLARED: Table[] = [
  {
    id: 'orders',
    name: 'orders',
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'customer_id', type: 'integer' },
      { name: 'region', type: 'text' },
      { name: 'total', type: 'decimal' },
      { name: 'secret', type: 'text' },
    ],
    rowColumns: ['customer_id', 'region'],
  },
  { id: 'products', name: 'products' },
];

const set = (actions: string[], limit: object = {}) => ({
  type: 'table_access_set',
  tables: ['orders'],
  actions,
  ...limit,
});

const rights = (...details: object[]): Claims => claims({ authorization_details: details });
const ofCustomer = (...customers: string[]) => ({ rows: { customer_id: customers } });

describe('rights that PostgreSQL enforces', { skip: postgresMissing() }, () => {
  let world: GuardedWorld;
  before(async () => {
    world = await startGuarded({ tables: TABLES, declared: DECLARED });
  });
  after(() => world[Symbol.asyncDispose]());

  const ids = async (said: Claims): Promise<number[]> =>
    (await world.as(said, 'SELECT id FROM orders ORDER BY id')).rows.map(({ id }) => id);
  const refused = { code: '42501' };

  it('shows all rows to an unlimited right, and none without one', async () => {
    assert.deepEqual(await ids(claims({ permissions: { isAdmin: true } })), [1, 2, 3, 4]);
    assert.deepEqual(await ids(claims({ permissions: { tables: { '*': { read: true } } } })), [1, 2, 3, 4]);
    assert.deepEqual(await ids(claims({ permissions: { tables: { products: { read: true } } } })), []);
  });

  it('shows the rows of a limited right, in the type of the column', async () => {
    assert.deepEqual(await ids(rights(set(['read'], ofCustomer('042')))), [1, 2]);
    assert.deepEqual(await ids(rights(set(['read'], { rows: { total: ['30.0', 'x'] } }))), [3]);
  });

  it('shows a row once that two alternatives allow', async () => {
    const said = rights(
      set(['read'], ofCustomer('42')),
      set(['read'], { rows: { region: ['us'] } }),
      set(['read'], { rows: { total: ['20'] } }),
    );
    assert.deepEqual(await ids(said), [1, 2]);
  });

  it('shows a column in the rows of the alternatives that have it', async () => {
    const said = rights(
      set(['read'], { columns: ['id', 'total'] }),
      set(['read'], { columns: ['id', 'secret'], rows: { region: ['us'], customer_id: ['42'] } }),
    );
    const { rows } = await world.as(said, 'SELECT id, total, secret, customer_id FROM orders ORDER BY id');
    assert.deepEqual(rows, [
      { id: 1, total: '10.00', secret: null, customer_id: null },
      { id: 2, total: '20.00', secret: 's2', customer_id: null },
      { id: 3, total: '30.00', secret: null, customer_id: null },
      { id: 4, total: '40.00', secret: null, customer_id: null },
    ]);
  });

  it('tells nothing of hidden values by conditions that leak', async () => {
    const said = rights(set(['read'], { columns: ['id'], ...ofCustomer('42') }));
    const leak = `CREATE FUNCTION pg_temp.leak(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql
      AS $$ BEGIN IF $1 IS NOT NULL THEN RAISE EXCEPTION 'seen %', $1; END IF; RETURN true; END $$`;
    const { rows } = await world.as(
      said,
      leak,
      'SELECT id FROM orders WHERE pg_temp.leak(secret) ORDER BY id',
    );
    assert.deepEqual(rows, [{ id: 1 }, { id: 2 }]);
  });

  it('gives client roles no way to the table itself', async () => {
    await assert.rejects(
      world.as(claims({ permissions: { isAdmin: true } }), 'SELECT FROM public.orders'),
      refused,
    );
  });

  it('creates rows with the columns that one alternative has for them', async () => {
    const said = rights(
      set(['create'], { columns: ['customer_id', 'total'], rows: { region: ['eu'] } }),
      set(['create'], { columns: ['customer_id', 'region'], rows: { region: ['us'] } }),
    );
    const insert = (columns: string, values: string) =>
      world.as(said, `INSERT INTO orders (${columns}) VALUES (${values})`);
    assert.equal((await insert('customer_id, total', '1, 5')).rowCount, 1);
    assert.equal((await insert('customer_id, region', `1, 'us'`)).rowCount, 1);
    await assert.rejects(insert('customer_id, region, total', `1, 'us', 5`), refused);
    await assert.rejects(insert('region', `'eu'`), refused);
    await assert.rejects(insert('secret', `'x'`), refused);
  });

  it('returns what the database filled in to a token that may read it', async () => {
    const insert = 'INSERT INTO orders (customer_id) VALUES (42) RETURNING region, id > 0 AS has_id';
    const create = set(['create'], ofCustomer('42'));
    assert.deepEqual((await world.as(rights(create), insert)).rows, [{ region: null, has_id: null }]);
    const both = rights(create, set(['read'], { columns: ['region'], ...ofCustomer('42') }));
    assert.deepEqual((await world.as(both, insert)).rows, [{ region: 'eu', has_id: null }]);
    const other = rights(create, set(['read'], ofCustomer('7')));
    assert.deepEqual((await world.as(other, insert)).rows, [{ region: null, has_id: null }]);
  });

  it('updates the rows and columns of one alternative, and leaves the others', async () => {
    const said = rights(
      set(['read']),
      set(['update'], { columns: ['total'], ...ofCustomer('42') }),
      set(['update'], { columns: ['secret'], rows: { region: ['eu'] } }),
    );
    const { rows } = await world.as(
      said,
      'UPDATE orders SET total = total + 1 WHERE customer_id = 42 RETURNING id, total',
    );
    assert.deepEqual(rows, [
      { id: 1, total: '11.00' },
      { id: 2, total: '21.00' },
    ]);
    await assert.rejects(world.as(said, 'UPDATE orders SET total = 1 WHERE id = 3'), refused);
    await assert.rejects(world.as(said, "UPDATE orders SET total = 1, secret = 'x' WHERE id = 1"), refused);
    assert.equal(
      (await world.as(rights(set(['read']), set(['update'], ofCustomer('7'))), 'UPDATE orders SET total = 1'))
        .rowCount,
      1,
    );
  });

  it('moves a row to no value that the right does not have', async () => {
    const said = rights(set(['read', 'update'], ofCustomer('42')));
    await assert.rejects(world.as(said, 'UPDATE orders SET customer_id = 7 WHERE id = 1'), refused);
  });

  it('does not write what was not read', async () => {
    const said = rights(
      set(['read'], { columns: ['id', 'total'], ...ofCustomer('42') }),
      set(['update'], ofCustomer('42')),
    );
    const { rows } = await world.as(
      said,
      'UPDATE orders SET total = total + 1',
      'RESET ROLE',
      'SELECT id, secret FROM public.orders ORDER BY id',
    );
    assert.deepEqual(
      rows.map(({ secret }) => secret),
      ['s1', 's2', 's3', 's4'],
    );
  });

  it('deletes rows that both the right to delete and the right to read have', async () => {
    const said = rights(set(['read'], ofCustomer('42')), set(['delete'], { rows: { region: ['us', 'eu'] } }));
    assert.equal((await world.as(said, 'DELETE FROM orders')).rowCount, 2);
    assert.equal((await world.as(rights(set(['delete'])), 'DELETE FROM orders')).rowCount, 0);
  });

  it('keeps ON CONFLICT and RETURNING on tables without limited rights', async () => {
    const said = claims({
      permissions: { tables: { products: { read: true, create: true, update: true } } },
    });
    const upsert = `INSERT INTO products VALUES (1, 'stool') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING name`;
    assert.deepEqual((await world.as(said, upsert)).rows, [{ name: 'stool' }]);
    const reads = claims({ permissions: { tables: { products: { read: true } } } });
    await assert.rejects(world.as(reads, upsert), refused);
  });

  it('gives nothing for claims of another issuer, resource, kind or time', async () => {
    const all = { permissions: { isAdmin: true } };
    const now = Math.floor(Date.now() / 1000);
    const bad: Claims[] = [
      { iss: 'https://other.example' },
      { aud: 'https://other.example/' },
      { aud: undefined },
      { aud: { [RESOURCE]: true } },
      { exp: now - 1 },
      { exp: String(now + 60) },
      { exp: undefined },
      { nbf: now + 60 },
      { active: true },
      { active: false, token_type: 'Bearer' },
    ];
    for (const said of bad)
      assert.deepEqual(await ids(claims({ ...all, ...said })), [], JSON.stringify(said));
    assert.deepEqual(await ids(claims({ ...all, active: true, token_type: 'Bearer' })), [1, 2, 3, 4]);
    assert.deepEqual(await ids(claims({ ...all, aud: ['https://api.example'] })), [1, 2, 3, 4]);
  });

  it('gives nothing for claims that are not JSON, empty or not there', async () => {
    for (const text of [
      '',
      '{',
      '"x"',
      'null',
      '[]',
      '{"a":"\\ud800"}',
      '{"a":1e999999}',
      `{"a":${'['.repeat(9)}}`,
    ]) {
      const count = 'SELECT count(*)::int AS count FROM orders';
      const said = `SELECT set_config('request.jwt.claims', '${text}', true)`;
      assert.deepEqual((await world.as({}, said, count)).rows, [{ count: 0 }], text);
    }
  });

  it('asks the claims anew in a generic plan', async () => {
    const run = async (customer: string) =>
      (
        await world.as(
          rights(set(['read'], ofCustomer(customer))),
          'SET LOCAL plan_cache_mode = force_generic_plan',
          'EXECUTE orders_of_token',
        )
      ).rows.map(({ id }) => id);
    await world.owner.query(
      'SET search_path = api; PREPARE orders_of_token AS SELECT id FROM orders ORDER BY id',
    );
    assert.deepEqual(await run('42'), [1, 2]);
    assert.deepEqual(await run('7'), [3]);
    await world.owner.query('DEALLOCATE orders_of_token; RESET search_path');
  });

  it('is the same after it ran again', async () => {
    await world.migrate();
    assert.deepEqual(await ids(rights(set(['read'], ofCustomer('42')))), [1, 2]);
  });
});
