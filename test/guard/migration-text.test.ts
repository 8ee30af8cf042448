import assert from 'node:assert/strict';
import { test } from 'node:test';
import { postgresMissing } from '../support/postgres.ts';
import { SHOP, startGuardCommand, TABLES } from './command.ts';

test('the migration as operators read and run it', { skip: postgresMissing() }, async (t) => {
  const command = await startGuardCommand(t);
  await command.apply(TABLES);

  await t.test('psql runs what is printed, again and again', async () => {
    const shop = await command.database(SHOP);
    const { code, out, err } = await shop.guard();
    assert.equal(code, 0, err);
    assert.match(out, /^-- Migration 1 of "acme\/shop-db", by grantable guard postgres$/m);
    assert.match(out, /^-- Client roles: +"app"$/m);
    assert.match(out, /^BEGIN;$/m);
    assert.match(out, /^COMMIT;\n$/m);
    shop.psql(out);
    const [first] = await shop.query('SELECT * FROM grantable.migrations');
    assert.equal(first?.number, 1);
    assert.equal(first?.resource, 'https://api.example/');
    shop.psql(out);
    const again = await shop.query('SELECT * FROM grantable.migrations');
    assert.deepEqual(
      again.map(({ number, sha256, fingerprint }) => ({ number, sha256, fingerprint })),
      [{ number: 1, sha256: first?.sha256, fingerprint: first?.fingerprint }],
    );
    const objects = JSON.parse(first?.fingerprint);
    for (const each of ['view api.orders', 'policy grantable_read on public.orders', 'role grantable_reader'])
      assert.match(objects[each], /^[0-9a-f]{16}$/, each);
  });

  await t.test('a migration that changes nothing keeps its number', async () => {
    const shop = await command.database(SHOP);
    shop.psql((await shop.guard()).out);
    const same = await shop.guard();
    assert.match(
      same.out,
      /^-- Migration 1 .*\n-- The database has it: running it again changes nothing\.$/m,
    );
    await shop.query('ALTER TABLE orders ADD note text');
    const next = await shop.guard();
    assert.match(next.out, /^-- Migration 2 of /m);
    shop.psql(next.out);
    assert.throws(() => shop.psql(same.out), /Migration 2 has run in this database, which is later than 1/);
  });

  await t.test('a text is refused after another one of its number ran', async () => {
    const shop = await command.database(SHOP);
    const [first, second] = [(await shop.guard()).out, (await shop.guard('--mode', 'report')).out];
    shop.psql(first);
    assert.throws(() => shop.psql(second), /Another migration 1 has run in this database: print a new one/);
    shop.psql(first);
  });

  await t.test('rights of today decide which tables have rows and columns', async () => {
    const shop = await command.database(SHOP);
    const limited = async () => /, (\d) of them with/.exec((await shop.guard()).out)?.[1];
    assert.equal(await limited(), '0');
    const orders = { read: { rows: { customer_id: ['1'] } } };
    await command.apply(TABLES, { roles: [{ name: 'clerk', permissions: { tables: { orders } } }] });
    assert.equal(await limited(), '1');
    await command.apply(TABLES, { roles: [{ name: 'clerk', permissions: { tables: {} } }] });
    assert.equal(await limited(), '0');
    const resource = { identifier: 'https://api.example/', name: 'shop-db' };
    const groups = [{ id: 'sales', tables: ['orders'] }];
    await command.apply([], {
      resources: [{ ...resource, tables: TABLES, groups }],
      roles: [{ name: 'clerk', permissions: { tables: { '@sales': { read: { columns: ['id'] } } } } }],
    });
    assert.equal(await limited(), '1');
  });

  await t.test('a database that lacks a table or has another type is told', async () => {
    await command.apply([...TABLES, { id: 'shipments' }]);
    const shop = await command.database(
      'CREATE TABLE orders (id text, customer int); CREATE TABLE products (id int)',
    );
    const { code, out, err } = await shop.guard();
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.deepEqual(err.trimEnd().split('\n'), [
      'The table orders has no column customer_id (did you mean customer?).',
      'The column id of orders is declared as integer, and is text in the database.',
      'The database has no table shipments.',
      'Nothing was changed.',
    ]);
  });

  await t.test('the URL of the database may come from stdin', async () => {
    await command.apply(TABLES);
    const shop = await command.database(SHOP);
    const args = ['--dsn', '-', '--for', 'app', '--exempt', 'owner'];
    assert.equal((await shop.run(args, { input: `${shop.dsn}\n` })).code, 0);
    const wrong = await shop.run(args, { input: 'mysql://owner:s3cret@host/shop' });
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /must begin with postgres:\/\/, such as postgres:\/\/user@host\/database\./);
    assert.doesNotMatch(wrong.err, /s3cret/);
  });
});
