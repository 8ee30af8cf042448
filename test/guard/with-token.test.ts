/** Tokens in turn on one connection of `withToken`, directly and through a pooler, with plans that are made once. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { withToken } from '../../src/resource-server/postgres.ts';
import { pgbouncerMissing, startPgbouncer } from '../support/pgbouncer.ts';
import { postgresMissing } from '../support/postgres.ts';
import { type Claims, claims, type GuardedWorld, startGuarded } from './world.ts';

const LOGIN = { username: 'web', password: 'web-of-the-shop' };
const TABLES = `
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int, secret text);
  INSERT INTO orders VALUES (1, 42, 's1'), (2, 42, 's2'), (3, 7, 's3'), (4, NULL, 's4');
  CREATE ROLE web LOGIN NOINHERIT PASSWORD '${LOGIN.password}'; GRANT app TO web;
  ALTER ROLE web SET plan_cache_mode = force_generic_plan;`;

const rights = (limit: object, said: Claims = {}): Claims =>
  claims({
    authorization_details: [{ type: 'table_access_set', tables: ['orders'], actions: ['read'], ...limit }],
    ...said,
  });
const of = (...customers: string[]) => ({ rows: { customer_id: customers } });

/** What a token shows, as `id secret`. */
const TOKENS: readonly (readonly [said: Claims, rows: readonly string[]])[] = [
  [rights({}), ['1 s1', '2 s2', '3 s3', '4 s4']],
  [rights(of('42')), ['1 s1', '2 s2']],
  [rights(of('7')), ['3 s3']],
  [rights({ ...of('42', '7'), columns: ['id', 'customer_id'] }), ['1 ', '2 ', '3 ']],
  [rights(of('42'), { exp: 1 }), []],
  [rights(of('42'), { aud: 'https://other.example/' }), []],
  [rights(of('7'), { active: true, token_type: 'Bearer' }), ['3 s3']],
  [rights(of('7'), { active: false, token_type: 'Bearer' }), []],
  [claims({}), []],
];
/** Each token after each other. */
const TURNS = TOKENS.flatMap((one) => TOKENS.flatMap((other) => [one, other]));

for (const name of ['a connection', 'a connection of PgBouncer in transaction mode']) {
  const isPooled = name !== 'a connection';
  describe(`${name} that tokens use in turn`, {
    skip: postgresMissing() || (isPooled && pgbouncerMissing()),
  }, () => {
    let world: GuardedWorld;
    let pool: pg.Pool;
    const ends = new AsyncDisposableStack();
    before(async () => {
      const declared = [
        {
          id: 'orders',
          name: 'orders',
          columns: [
            { name: 'id', type: 'integer' as const },
            { name: 'customer_id', type: 'integer' as const },
            { name: 'secret', type: 'text' as const },
          ],
          rowColumns: ['customer_id'],
        },
      ];
      world = ends.use(await startGuarded({ tables: TABLES, declared }));
      const { port } = isPooled ? ends.use(await startPgbouncer(world.server.port, LOGIN, 1)) : world.server;
      const { username: user, password } = LOGIN;
      pool = new pg.Pool({ host: '127.0.0.1', port, user, password, database: 'crm', max: 1 });
      ends.defer(() => pool.end());
    });
    after(() => ends.disposeAsync());

    const show = (said: Claims, text: string, statement?: string): Promise<string[]> =>
      withToken(
        pool,
        { claims: said },
        async (client) => {
          const { rows } = await client.query<{ id: number; secret: string | null }>({
            text,
            ...(statement === undefined ? {} : { name: statement }),
          });
          return rows.map(({ id, secret }) => `${id} ${secret ?? ''}`);
        },
        { role: 'app', schema: 'api' },
      );

    test('PG-01 gives each token its rows and columns by one prepared statement', async () => {
      for (const [said, rows] of TURNS)
        assert.deepEqual(await show(said, 'SELECT id, secret FROM orders ORDER BY id', 'mine'), rows);
    });

    test('gives nothing to a statement outside of withToken', async () => {
      await show(rights({}), 'SELECT id, secret FROM orders');
      await assert.rejects(pool.query('SELECT * FROM api.orders'), { code: '42501' });
      await assert.rejects(pool.query('SELECT * FROM public.orders'), { code: '42501' });
    });

    test('PG-02 gives nothing after a COMMIT in the callback', async () => {
      for (const end of ['COMMIT', 'ROLLBACK', 'COMMIT AND CHAIN']) {
        const run = withToken(
          pool,
          { claims: rights({}) },
          async (client) => {
            await client.query(end);
            return client.query('SELECT * FROM api.orders');
          },
          { role: 'app' },
        );
        await assert.rejects(run, /ended its transaction|permission denied/);
      }
      assert.deepEqual(await show(rights(of('7')), 'SELECT id, secret FROM orders ORDER BY id'), ['3 s3']);
    });
  });
}
