import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { postgresMissing } from '../support/postgres.ts';
import { SHOP, startGuardCommand, TABLES } from './command.ts';

const COLUMNS = 'SELECT number, sha256, fingerprint, accepted FROM grantable.migrations ORDER BY number';

test('guard applies its migration and says whether it is in place', {
  skip: postgresMissing(),
}, async (t) => {
  const command = await startGuardCommand(t);
  await command.apply(TABLES);
  const limits = {
    roles: [
      { name: 'clerk', permissions: { tables: { orders: { read: { rows: { customer_id: ['1'] } } } } } },
    ],
  };

  await t.test('--apply does what the printed text does', async () => {
    const [printed, applied] = [await command.database(SHOP), await command.database(SHOP)];
    printed.psql((await printed.guard()).out);
    const { code, out, err } = await applied.guard('--apply');
    assert.equal(code, 0, err);
    assert.match(
      out,
      /^Migration 1 has run\.\nPostgreSQL enforces .*:\n {2}orders: through api\.orders, whole\n/,
    );
    assert.deepEqual(await applied.query(COLUMNS), await printed.query(COLUMNS));
    assert.match(
      (await applied.guard('--apply')).out,
      /^Migration 1 has run again: the database had it already\.\n/,
    );
    assert.deepEqual(await applied.query(COLUMNS), await printed.query(COLUMNS));
    for (const each of [printed, applied]) {
      const check = await each.guard('--check');
      assert.deepEqual(check, {
        code: 0,
        out: 'The database is as migration 1 made it, and guard would make it the same.\n',
        err: '',
      });
    }
  });

  await t.test('--check tells a change of the resource, its rights or its tables', async () => {
    const shop = await command.database(`${SHOP}; CREATE TABLE events (id int) PARTITION BY LIST (id)`);
    const checked = async () => (await shop.guard('--check')).out.trimEnd().split('\n').slice(1);
    assert.deepEqual(await shop.guard('--check'), {
      code: 1,
      out: 'The database is not guarded: run guard with --apply.\n',
      err: '',
    });
    await shop.guard('--apply');
    await command.apply([...TABLES, { id: 'events' }]);
    assert.deepEqual(await checked(), ['The table events is not guarded yet.']);
    await shop.guard('--apply');
    await shop.query('CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1)');
    assert.deepEqual(await checked(), ['public.events_1, a part of events, is not guarded yet.']);
    await shop.guard('--apply');
    await shop.query('ALTER TABLE orders ADD note text');
    assert.deepEqual(await checked(), ['The view of orders does not have its column note.']);
    await shop.guard('--apply');
    await command.apply([...TABLES, { id: 'events' }], limits);
    assert.deepEqual(await checked(), [
      'Rights to orders may be limited to rows or columns, which its view does not know: such rights give nothing.',
    ]);
    await shop.guard('--apply');
    assert.equal((await shop.guard('--check')).code, 0);
    assert.equal((await shop.guard('--check', '--mode', 'report')).code, 1);
    await command.apply(TABLES);
  });

  await t.test('--check names what was changed by hand', async () => {
    const shop = await command.database(SHOP);
    await shop.guard('--apply');
    const changes: [sql: string, undo: string, says: RegExp][] = [
      [
        'ALTER TABLE orders NO FORCE ROW LEVEL SECURITY',
        'ALTER TABLE orders FORCE ROW LEVEL SECURITY',
        /^The table public\.orders was changed since/,
      ],
      [
        'GRANT SELECT ON products TO app',
        'REVOKE SELECT ON products FROM app',
        /^The table public\.products was changed since/,
      ],
      [
        'GRANT SELECT ON grantable.ended TO app',
        'REVOKE SELECT ON grantable.ended FROM app',
        /^app may use grantable\.ended, which says what has ended\. Revoke/,
      ],
      [
        'GRANT DELETE ON grantable.feed TO PUBLIC',
        'REVOKE DELETE ON grantable.feed FROM PUBLIC',
        /^app may use grantable\.feed, which says what has ended\. Revoke/,
      ],
      [
        `CREATE POLICY more ON orders USING (true)`,
        'DROP POLICY more ON orders',
        /^The policy more on public\.orders was added since/,
      ],
      [
        'ALTER POLICY grantable_read ON orders RENAME TO other',
        'ALTER POLICY other ON orders RENAME TO grantable_read',
        /^The policy grantable_read on public\.orders is gone since.*\n.*policy other on public\.orders was added/,
      ],
      [
        'ALTER FUNCTION grantable.claims() IMMUTABLE',
        'ALTER FUNCTION grantable.claims() STABLE',
        /^The function grantable\.claims\(\) was changed since/,
      ],
      [
        'ALTER VIEW api.orders RESET (security_barrier)',
        'ALTER VIEW api.orders SET (security_barrier = true)',
        /^The view api\.orders was changed since/,
      ],
      [
        'ALTER VIEW api.orders OWNER TO owner',
        'ALTER VIEW api.orders OWNER TO grantable_reader',
        /^The view api\.orders is gone since/,
      ],
      [
        'GRANT USAGE ON SCHEMA api TO PUBLIC',
        'REVOKE USAGE ON SCHEMA api FROM PUBLIC',
        /^The schema api was changed since/,
      ],
      [
        'ALTER ROLE grantable_reader INHERIT CREATEDB',
        'ALTER ROLE grantable_reader NOCREATEDB',
        /^The role grantable_reader was changed since/,
      ],
    ];
    for (const [sql, undo, says] of changes) {
      await shop.query(sql);
      const { code, out } = await shop.guard('--check');
      assert.equal(code, 1, sql);
      assert.match(out, says);
      await shop.query(undo);
    }
    assert.equal((await shop.guard('--check')).code, 0);
  });

  await t.test('--check expects rights of a role that follows', async () => {
    const shop = await command.database(SHOP);
    await shop.guard('--apply');
    await shop.query(
      'CREATE ROLE follower; GRANT SELECT, INSERT, UPDATE, DELETE ON grantable.ended, grantable.feed TO follower',
    );
    const { code, out } = await shop.guard('--check');
    assert.equal(code, 0, out);
  });

  await t.test('a refused guard changes nothing, and is printed all the same', async () => {
    const view = 'CREATE VIEW secrets AS SELECT secret FROM orders; GRANT SELECT ON secrets TO app;';
    const shop = await command.database(SHOP + view);
    const printed = await shop.guard();
    assert.equal(printed.code, 1);
    assert.match(printed.out, /^BEGIN;$/m);
    assert.match(printed.err, /^refused {2}The view public\.secrets reaches a guarded table as owner,/m);
    assert.match(printed.err, /^Roles with rights on the tables:\n {2}owner: exempt/m);
    const applied = await shop.guard('--apply');
    assert.deepEqual([applied.code, applied.out], [1, '']);
    assert.match(applied.err, /^Nothing was changed\.$/m);
    assert.deepEqual(await shop.query(`SELECT FROM pg_namespace WHERE nspname = 'grantable'`), []);
    const accepted = await shop.guard('--accept', 'public.secrets');
    assert.match(accepted.out, /^-- Accepted: +"public\.secrets"$/m);
    assert.equal((await shop.guard('--accept', 'public.secrets', '--apply')).code, 0);
    assert.deepEqual((await shop.query(COLUMNS))[0]?.accepted, ['public.secrets']);
    assert.equal((await shop.guard('--check')).code, 0, 'accepted by the migration');
    await shop.query('CREATE VIEW others AS TABLE orders; GRANT SELECT ON others TO app');
    const check = await shop.guard('--check');
    assert.equal(check.code, 1);
    assert.match(check.out, /^The view public\.others reaches a guarded table/);
  });

  await t.test('a table that is in use for long is left as it is', async () => {
    const shop = await command.database(SHOP);
    const busy = new pg.Client(shop.dsn);
    await busy.connect();
    await busy.query('BEGIN; LOCK TABLE orders');
    const { code, err } = await shop.guard('--apply');
    await busy.end();
    assert.equal(code, 1);
    assert.match(
      err,
      /Another transaction has used a guarded table for more than five seconds\. Nothing was changed/,
    );
    assert.deepEqual(await shop.query(`SELECT FROM pg_namespace WHERE nspname = 'grantable'`), []);
  });
});
