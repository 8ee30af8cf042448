import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postgresMissing } from '../support/postgres.ts';
import { type Shop, startGuardCommand, TABLES } from './command.ts';

/** Columns that one role may read, an owner that is bound to policies already, and a schema that is there before. */
const SHOP = `
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int, secret text);
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE events (id int, at date) PARTITION BY LIST (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO app;
GRANT SELECT, INSERT ON orders TO app;
GRANT SELECT (id), UPDATE (name) ON products TO app;
GRANT ALL ON events TO app WITH GRANT OPTION;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON products USING (true);
`;

/** All that a dump would write, in an order of its own. */
async function describe(shop: Shop): Promise<unknown> {
  const acl = (list: string, kind: string, owner: string) =>
    `(select array_agg(a::text order by a::text) from unnest(coalesce(${list}, acldefault(${kind}, ${owner}))) as a)`;
  return shop.query(`
    SELECT 'relation' AS what, oid::regclass::text AS name, relkind::text AS kind, relrowsecurity, relforcerowsecurity,
      ${acl('relacl', `CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END`, 'relowner')} AS acl,
      (SELECT array_agg(attname || attacl::text ORDER BY attname) FROM pg_attribute WHERE attrelid = pg_class.oid AND attacl::text <> '{}') AS columns
    FROM pg_class WHERE relnamespace > 16000 OR relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'schema', nspname, NULL, NULL, NULL, ${acl('nspacl', "'n'", 'nspowner')}, NULL FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'function', oid::regprocedure::text, NULL, NULL, NULL, NULL, NULL FROM pg_proc WHERE oid > 16384
    UNION ALL SELECT 'policy', polname || polrelid::regclass, NULL, NULL, NULL, NULL, NULL FROM pg_policy
    UNION ALL SELECT 'role', rolname, NULL, NULL, NULL, NULL, NULL FROM pg_roles
    ORDER BY 1, 2`);
}

test('guard takes back what it did', { skip: postgresMissing() }, async (t) => {
  const command = await startGuardCommand(t);
  const orders = { read: { rows: { customer_id: ['1'] } } };
  await command.apply([...TABLES, { id: 'events' }], {
    roles: [{ name: 'clerk', permissions: { tables: { orders } } }],
  });

  await t.test('--undo makes the database what it was', async () => {
    const shop = await command.database(SHOP);
    const undo = (...args: string[]) => shop.run(['--dsn', shop.dsn, '--undo', ...args]);
    assert.equal((await undo()).code, 1);
    const before = await describe(shop);
    for (const how of ['psql', 'apply']) {
      const { code, err } = await shop.guard('--apply');
      assert.equal(code, 0, err);
      assert.notDeepEqual(await describe(shop), before);
      if (how === 'psql') shop.psql((await undo()).out);
      else
        assert.deepEqual(await undo('--apply'), {
          code: 0,
          err: '',
          out: 'The guard was taken back. PostgreSQL does not enforce tokens.\n',
        });
      assert.deepEqual(await describe(shop), before);
    }
  });

  await t.test('--undo leaves what others made, and the role of another database', async () => {
    const [shop, other] = [await command.database(SHOP), await command.database(SHOP)];
    await shop.guard('--apply');
    await other.guard('--apply');
    await shop.query('CREATE FUNCTION grantable.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
    const { code, out } = await shop.run(['--dsn', shop.dsn, '--undo', '--apply']);
    assert.equal(code, 0, out);
    assert.deepEqual(await shop.query('SELECT grantable.mine()'), [{ mine: 1 }]);
    assert.equal((await other.guard('--check')).code, 0);
  });
});
