import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { postgresMissing } from '../support/postgres.ts';
import { SHOP, startGuardCommand, TABLES } from './command.ts';
import { claims } from './world.ts';

const LONG = `${'ü'.repeat(31)}x`;

test('guard applies to databases of all kinds', { skip: postgresMissing() }, async (t) => {
  const command = await startGuardCommand(t);

  await t.test('names with quotes, of keywords, and of 63 bytes', async () => {
    const names = ['select', 'a"b', "o'clock", `$$ \\ %I`, LONG];
    await command.apply(
      names.map((id) => ({ id, columns: [{ name: id, type: 'integer' }], rowColumns: [id] })),
    );
    const quoted = names.map((name) => pg.escapeIdentifier(name));
    const tables = quoted.map((name) => `CREATE TABLE ${name} (${name} int PRIMARY KEY, "sec ""ret" text)`);
    const role = pg.escapeIdentifier(`Röle "${"'"}`);
    const shop = await command.database(
      `${tables.join(';')}; CREATE ROLE ${role}; GRANT SELECT ON ${quoted} TO ${role}`,
    );
    const args = ['--dsn', shop.dsn, '--for', `Röle "${"'"}`, '--exempt', 'owner', '--views', 'V"iews'];
    const printed = await shop.run(args);
    assert.equal(printed.code, 0, printed.err);
    shop.psql(printed.out);
    assert.equal((await shop.run([...args, '--apply'])).code, 0);
    const check = await shop.run([...args, '--check']);
    assert.equal(check.code, 0, check.out);
    const [row] = await shop.query(`SELECT number FROM grantable.migrations`);
    assert.equal(row?.number, 1);
    const undone = await shop.run(['--dsn', shop.dsn, '--undo', '--apply']);
    assert.equal(undone.code, 0, undone.err);
    assert.deepEqual(
      await shop.query(`SELECT FROM pg_namespace WHERE nspname IN ('V"iews', 'grantable')`),
      [],
    );
  });

  await t.test('an owner that is not a superuser applies it, and takes it back', async () => {
    await command.apply(TABLES);
    const shop = await command.database(
      `CREATE ROLE maker LOGIN CREATEROLE PASSWORD 'made';
      CREATE TABLE orders (id int PRIMARY KEY, customer_id int); CREATE TABLE products (id int PRIMARY KEY);
      ALTER TABLE orders OWNER TO maker; ALTER TABLE products OWNER TO maker; GRANT SELECT ON orders TO app`,
    );
    await shop.query(`GRANT CREATE ON DATABASE ${shop.name} TO maker`);
    const dsn = shop.dsn.replace('owner@', 'maker@');
    const run = (...args: string[]) =>
      shop.run(['--dsn', dsn, ...args], { env: { ...command.env, PGPASSWORD: 'made' } });
    const roles = ['--for', 'app', '--exempt', 'maker'];
    const applied = await run(...roles, '--apply');
    assert.equal(applied.code, 0, applied.err);
    assert.equal((await run(...roles, '--apply')).code, 0);
    const check = await run(...roles, '--check');
    assert.equal(check.code, 0, check.out);
    const undone = await run('--undo', '--apply');
    assert.equal(undone.code, 0, undone.err);
    assert.deepEqual(await shop.query(`SELECT has_table_privilege('app', 'orders', 'SELECT') AS has`), [
      { has: true },
    ]);
    const wrong = await shop.run(['--dsn', dsn, ...roles], { env: { ...command.env, PGPASSWORD: 'x' } });
    assert.equal(wrong.code, 1);
    assert.match(
      wrong.err,
      /^The database does not answer: 28P01: password authentication failed for user "maker"\.$/m,
    );
  });

  await t.test(
    'an owner that makes no roles needs to be a member of the one that owns the views',
    async () => {
      await command.apply(TABLES);
      const shop = await command.database(
        `CREATE ROLE tenant LOGIN PASSWORD 'let';
      CREATE TABLE orders (id int PRIMARY KEY, customer_id int); CREATE TABLE products (id int PRIMARY KEY);
      ALTER TABLE orders OWNER TO tenant; ALTER TABLE products OWNER TO tenant`,
      );
      await shop.query(
        `GRANT CREATE ON DATABASE ${shop.name} TO tenant; DROP ROLE IF EXISTS grantable_reader`,
      );
      const args = ['--dsn', shop.dsn.replace('owner@', 'tenant@'), '--for', 'app', '--exempt', 'tenant'];
      const apply = () => shop.run([...args, '--apply'], { env: { ...command.env, PGPASSWORD: 'let' } });
      const member = 'GRANT grantable_reader TO tenant';
      for (const before of ['', 'CREATE ROLE grantable_reader NOLOGIN']) {
        await shop.query(before);
        const refused = await apply();
        assert.equal(refused.code, 1);
        assert.ok(refused.err.includes(`CREATE ROLE grantable_reader NOLOGIN; ${member}`), refused.err);
      }
      await shop.query(member);
      for (const time of ['first', 'second']) assert.equal((await apply()).code, 0, time);
    },
  );

  await t.test('--mode report logs once a statement what it would refuse', async () => {
    await command.apply(TABLES);
    const shop = await command.database(
      `CREATE TABLE orders (id int PRIMARY KEY, customer_id int); CREATE TABLE products (id int PRIMARY KEY);
      INSERT INTO orders SELECT i, i FROM generate_series(1, 100) AS i; GRANT SELECT, UPDATE ON orders TO app`,
    );
    const { code, err } = await shop.guard('--mode', 'report', '--apply');
    assert.equal(code, 0, err);
    const client = new pg.Client(shop.dsn);
    await client.connect();
    const logged: string[] = [];
    client.on('notice', ({ message = '' }) => logged.push(message));
    const said = claims({ permissions: { tables: { products: { read: true } } }, client_id: 'shop-app' });
    await client.query(
      `SET client_min_messages = log; SET ROLE app; SET request.jwt.claims = '${JSON.stringify(said)}'`,
    );
    for (const table of ['api.orders', 'public.orders']) {
      assert.equal((await client.query(`SELECT FROM ${table}`)).rowCount, 100);
      assert.deepEqual(logged.splice(0), ['grantable: would refuse read of orders: j1 of shop-app'], table);
      assert.equal((await client.query(`UPDATE ${table} SET customer_id = 1`)).rowCount, 100);
      const refused = logged.splice(0);
      assert.ok(refused.includes('grantable: would refuse update of orders: j1 of shop-app'), table);
      assert.ok(refused.length < 10, refused.join('\n'));
    }
    await client.query('SELECT FROM api.products');
    assert.deepEqual(logged, []);
    await client.end();
  });

  await t.test('default privileges give clients nothing of guard, and take nothing from them', async () => {
    const shop = await command.database(
      `CREATE TABLE orders (id int PRIMARY KEY, customer_id int); CREATE TABLE products (id int PRIMARY KEY);
      ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`,
    );
    const { code, err } = await shop.guard('--apply');
    assert.equal(code, 0, err);
    assert.match(err, /^note {5}A table that owner makes gives app rights at once,/m);
    const rights = await shop.query(
      `SELECT has_table_privilege('app', 'grantable.ended', 'INSERT, SELECT') AS ended, has_table_privilege('app', 'orders', 'SELECT') AS orders`,
    );
    assert.deepEqual(rights, [{ ended: false, orders: false }]);
    assert.deepEqual(await shop.query('SET ROLE app; SELECT FROM api.orders').then((rows) => rows ?? []), []);
  });

  await t.test('a datasource of the organization leads to the database', async () => {
    const shop = await command.database(SHOP);
    const server = { kind: 'postgres', host: '127.0.0.1', port: shop.port, username: 'owner', tls: 'off' };
    await command.apply(TABLES, { datasources: [{ name: 'crm', ...server }] });
    const roles = ['--for', 'app', '--exempt', 'owner'];
    const from = (...args: string[]) => shop.run(['--datasource', ...args, ...roles, '--apply']);
    const { code, err } = await from('crm', '--database', shop.name);
    assert.equal(code, 0, err);
    assert.equal((await shop.guard('--check')).code, 0);
    assert.equal((await from('crm')).code, 2);
    const none = await from('crn', '--database', shop.name);
    assert.deepEqual([none.code, none.out], [1, '']);
    assert.match(none.err, /has no datasource crn/);
  });
});
