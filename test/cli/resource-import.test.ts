/** `resource import`: the tables of a resource as its database has them, on real servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { mongo } from 'mongoose';
import { loadConfig } from '../../src/config/load.ts';
import type { Resource } from '../../src/nouns/index.ts';
import { openFoundations } from '../../src/server/foundations.ts';
import { engines } from '../datasources/engines.ts';
import { startFront } from '../support/mongo-front.ts';
import { mongoMissing, startMongo } from '../support/mongodb.ts';
import { postgresMissing, type SqlServer, startPostgres } from '../support/postgres.ts';
import { startServer } from '../support/server.ts';
import { openTerminal, runBeside, type Terminal } from './run.ts';

const SHOP = 'https://shop.acme.example/';
const ALLOWED = { GRANTABLE_DATASOURCE_HOSTS: 'localhost,127.0.0.1' };

async function apply(terminal: Terminal, members: object): Promise<void> {
  const file = { organizations: [{ name: 'acme', ...members }] };
  writeFileSync(join(terminal.dataDir, 'acme.json'), JSON.stringify(file));
  const { code, err } = await terminal.run(['apply', 'acme.json']);
  assert.equal(code, 0, err);
}

/** @param members of the resource */
async function openShop(t: TestContext, datasource: object, members: object = {}): Promise<Terminal> {
  const terminal = await openTerminal(t, ALLOWED);
  await apply(terminal, {
    resources: [{ identifier: SHOP, name: 'shop-db', ...members }],
    datasources: [{ name: 'crm', ...datasource }],
  });
  return terminal;
}

const importShop = (terminal: Terminal, ...args: string[]) =>
  terminal.run(['resource', 'import', 'acme/shop-db', ...args]);

async function stored({ env, dataDir }: Terminal): Promise<Resource> {
  await using foundations = await openFoundations(loadConfig(env, { cwd: dataDir }));
  const resource = await foundations.store.resources.findBy('identifier', SHOP);
  assert.ok(resource);
  return resource;
}

const columnsOf = ({ tables }: Resource, table: string): string[] | undefined =>
  tables.find(({ id }) => id === table)?.columns?.map(({ name, type }) => `${name} ${type}`);

function datasourceOf({ port, username, password, certificate }: SqlServer): object {
  return { kind: 'postgres', host: 'localhost', port, username, password, ca: certificate.pem };
}

/** A server of PostgreSQL that answers all that it is sent with one error. */
async function startRefusing(message: string): Promise<Server> {
  const fields = Buffer.from(`SFATAL\0C28000\0M${message}\0\0`);
  const header = Buffer.from('E\0\0\0\0');
  header.writeInt32BE(fields.length + 4, 1);
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(Buffer.concat([header, fields])));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

test('SE-04 the words of a hostile database are one short line', async (t) => {
  const terminal = await openShop(t, { kind: 'sqlite', file: 'shop.db' });
  await using server = await startRefusing(`\x1b[2Jno\n1 changed\n${'x'.repeat(10_000)}`);
  const { port } = server.address() as AddressInfo;
  const url = `postgres://user:word@127.0.0.1:${port}/crm`;
  for (const args of [
    ['resource', 'import', 'acme/shop-db', '--dsn', url],
    ['guard', 'postgres', 'acme/shop-db', '--dsn', url, '--for', 'web', '--check'],
  ]) {
    const { code, out, err } = await terminal.run(args);
    assert.deepEqual([code, out], [1, ''], err);
    assert.match(err, /^\P{Cc}{100,700}\n$/u);
    assert.match(err, /28000: \\u001b\[2Jno\\u000a1 changed/);
  }
});

test('tables of PostgreSQL are imported', { skip: postgresMissing() }, async (t) => {
  await using server = await startPostgres();
  const args = ['--datasource', 'crm', '--database', 'crm', '--schema', 'public', '--schema', 'sales'];

  await t.test('differences are shown, and words of the operator stay', async (t) => {
    await server.run(`
      CREATE SCHEMA sales;
      CREATE TABLE orders (id integer PRIMARY KEY, customer_id bigint, total numeric(9, 2), note varchar(9));
      CREATE TABLE customers (id integer); CREATE TABLE sales.orders (id uuid, "from" date)`);
    const terminal = await openShop(t, datasourceOf(server), {
      tables: [
        {
          ...{ id: 'orders', name: 'Orders', description: 'Of all years.' },
          columns: [{ name: 'id', type: 'text' }],
          rowColumns: ['id'],
        },
      ],
      groups: [{ id: 'selling', tables: ['orders'] }],
    });
    const dry = await importShop(terminal, ...args, '--dry-run');
    assert.equal(dry.code, 0, dry.err);
    assert.deepEqual(dry.out.trimEnd().split('\n'), [
      `~ resource ${SHOP}`,
      '    tables: ["orders (Orders): Of all years."] -> ["orders (Orders): Of all years.","customers","sales.orders"]',
      '    tables.orders.columns: id: text -> id: integer, customer_id: integer, total: decimal, note: text',
      '    tables.customers.columns: id: integer',
      '    tables.sales.orders.columns: id: uuid, from: date',
      '    importedFrom.datasource: crm',
      '    importedFrom.database: crm',
      '    importedFrom.schemas: ["public","sales"]',
      '0 would be added, 1 would be changed, 0 left as they are',
    ]);
    assert.equal((await stored(terminal)).tables.length, 1);
    assert.equal((await importShop(terminal, ...args, '--check')).code, 1);

    const done = await importShop(terminal, ...args);
    assert.match(done.out, /^0 added, 1 changed, 0 left as they are$/m);
    const resource = await stored(terminal);
    const { columns, ...orders } = resource.tables[0] ?? {};
    assert.equal(columns?.length, 4);
    assert.deepEqual(orders, {
      id: 'orders',
      name: 'Orders',
      description: 'Of all years.',
      rowColumns: ['id'],
    });
    assert.deepEqual(resource.groups, [{ id: 'selling', tables: ['orders'] }]);
    for (const again of [[], ['--check']]) {
      const { code, out } = await importShop(terminal, ...again);
      assert.deepEqual(
        [code, out],
        [
          0,
          again.length > 0
            ? '0 would be added, 0 would be changed, 1 left as they are\n'
            : '0 added, 0 changed, 1 left as they are\n',
        ],
      );
    }
  });

  await t.test('tables and columns that are gone go with --prune, and lost rights are told', async (t) => {
    const terminal = await openShop(t, datasourceOf(server), { groups: [{ id: 'all', tables: [] }] });
    await importShop(terminal, ...args);
    const all = ['customers', 'orders', 'sales.orders'];
    await apply(terminal, {
      resources: [
        {
          identifier: SHOP,
          groups: [{ id: 'all', tables: all }],
          tables: [{ id: 'orders', rowColumns: ['id', 'note'] }, { id: 'customers' }, { id: 'sales.orders' }],
        },
      ],
      roles: [
        {
          name: 'clerk',
          resource: SHOP,
          permissions: {
            tables: { customers: { read: true }, orders: { read: { columns: ['id', 'note'] } } },
          },
        },
      ],
    });
    await server.run('DROP TABLE customers; ALTER TABLE orders DROP COLUMN note');
    const checked = await importShop(terminal, '--check');
    assert.equal(checked.code, 1);
    assert.match(checked.out, /^! the database does not have the table customers: --prune removes it$/m);
    assert.match(
      checked.out,
      /^! the database does not have the column note of orders: --prune removes it$/m,
    );
    const kept = await importShop(terminal);
    assert.deepEqual([kept.code, (await stored(terminal)).tables.length], [0, 3], kept.out);

    const pruned = await importShop(terminal, '--prune');
    assert.equal(pruned.code, 0, pruned.err);
    assert.match(
      pruned.out,
      /^! role acme\/clerk allows something of the table customers, .* this right is gone then$/m,
    );
    assert.match(
      pruned.out,
      /^! role acme\/clerk has permissions of which read of orders names the column note, /m,
    );
    const resource = await stored(terminal);
    assert.deepEqual(
      resource.tables.map(({ id, rowColumns }) => [id, rowColumns]),
      [
        ['orders', ['id']],
        ['sales.orders', undefined],
      ],
    );
    assert.deepEqual(resource.groups, [{ id: 'all', tables: ['orders', 'sales.orders'] }]);
    assert.equal((await importShop(terminal, '--check')).code, 0);
  });

  await t.test('names are those of the database, and those that cannot be ids are told', async (t) => {
    const long = 'ä'.repeat(31);
    const names = ['a"b', "it's", 'select', 'ünï ✓', long, '$1'];
    const quoted = names.map((name) => `"${name.replaceAll('"', '""')}"`);
    const sql = quoted.map(
      (name) => `CREATE TABLE ${name} (${quoted.map((each) => `${each} text`).join(', ')})`,
    );
    await server.run(`
      CREATE SCHEMA odd; CREATE SCHEMA "odd.x"; SET search_path = odd; ${sql.join(';')};
      CREATE TABLE "__proto__" (id integer); CREATE TABLE "@group" (id integer); CREATE TABLE " x" (id integer);
      CREATE TABLE "t\u202e" (id integer); CREATE TABLE plain ("constructor" integer, id integer, "*" integer);
      CREATE TABLE "a.b" (id integer); CREATE TABLE "x.c" (id integer); CREATE TABLE "odd.x".c (id integer)`);
    const terminal = await openShop(t, datasourceOf(server));
    const { code, out, err } = await importShop(
      ...([
        terminal,
        '--datasource',
        'crm',
        '--database',
        'crm',
        '--schema',
        'odd',
        '--schema',
        'odd.x',
      ] as const),
    );
    assert.equal(code, 0, err);
    const resource = await stored(terminal);
    assert.deepEqual(
      resource.tables.map(({ id }) => id).toSorted(),
      [...names, 'plain', 'odd.a.b'].toSorted(),
    );
    for (const name of names)
      assert.deepEqual(
        columnsOf(resource, name),
        names.map((each) => `${each} text`),
      );
    assert.deepEqual(columnsOf(resource, 'plain'), ['id integer']);
    for (const told of [
      'the table "__proto__" is left out: a name must not be a name that every JavaScript object has',
      'the table "@group" is left out: a name must not begin with @, which marks groups of tables in permissions',
      'the table " x" is left out: a name must not start or end with white space',
      'the table "t\\u202e" is left out: a name must not contain control or text direction characters',
      'the table "odd.x.c" is left out: several tables would have this id',
      'the column "constructor" of plain is left out: a name must not be a name that every JavaScript object has',
      'the column "*" of plain is left out: a name must not be a wildcard',
    ])
      assert.ok(out.split('\n').includes(`! ${told}`), `${told}\n${out}`);
  });

  await t.test('a wrong name in a role is told with the nearest imported one', async (t) => {
    const terminal = await openShop(t, datasourceOf(server));
    await importShop(terminal, ...args);
    const role = { name: 'clerk', resource: SHOP };
    const permissions = {
      tables: { 'sales.ordres': { read: true }, orders: { read: { columns: ['totl'] } } },
    };
    const file = { organizations: [{ name: 'acme', roles: [{ ...role, permissions }] }] };
    writeFileSync(join(terminal.dataDir, 'role.json'), JSON.stringify(file));
    const { code, err } = await terminal.run(['apply', 'role.json']);
    assert.equal(code, 1);
    assert.match(err, /the table sales\.ordres, which .* does not have \(did you mean sales\.orders\?\)/);
    assert.match(err, /names the column totl, .* \(did you mean total\?\)/);
  });

  await t.test('CN-09 a URL is used once, and its password is not kept or shown', async (t) => {
    const terminal = await openShop(t, { kind: 'sqlite', file: 'x.db' });
    const { port, username, password, certificate } = server;
    const url = (auth: string, more = '') => `postgres://${auth}@localhost:${port}/crm${more}`;
    const ca = join(terminal.dataDir, 'ca.pem');
    writeFileSync(ca, certificate.pem);
    const secure = `?sslmode=verify-full&sslrootcert=${ca}`;
    const run = (dsn: string, io: object = {}) =>
      terminal.run(['resource', 'import', 'acme/shop-db', '--dsn', dsn], io);
    const outcomes = [
      await run(url(`${username}:${password}`)),
      await run(url(`${username}:${password}`, secure)),
      await run('-', { input: `${url(`${username}:${password}`, secure)}\n` }),
      await run(url(username), { env: { ...terminal.env, PGPASSWORD: password } }),
    ];
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [0, 0, 0, 0],
      JSON.stringify(outcomes),
    );
    const resource = await stored(terminal);
    assert.deepEqual(
      resource.tables.map(({ id }) => id),
      ['orders'],
    );
    assert.equal(resource.importedFrom, undefined);
    const refused = [
      await run(url(`${username}:wrong-${password}`)),
      await run(url(`${username}:${password}`, '?sslmode=verify-full')),
      await run(url(`${username}:${password}`, '?sslmode=prefer')),
      await run(`http://${username}:${password}@localhost/crm`),
    ];
    assert.deepEqual(
      refused.map(({ code }) => code),
      [1, 1, 2, 2],
      JSON.stringify(refused),
    );
    assert.match(refused[0]?.err ?? '', /^The tables cannot be read: 28P01: .* Nothing was changed\.$/m);
    assert.match(
      refused[2]?.err ?? '',
      /^The URL of the database has a sslmode that is neither off nor verified\.$/m,
    );
    for (const { out, err } of [...outcomes, ...refused]) assert.ok(!`${out}${err}`.includes(password));
    for (const file of readdirSync(terminal.dataDir))
      assert.ok(!readFileSync(join(terminal.dataDir, file)).includes(password), file);
  });

  await t.test('a table that a scope reads as is refused, and nothing is written', async (t) => {
    const terminal = await openShop(t, datasourceOf(server), { scopes: ['orders:read'] });
    const { code, err } = await importShop(terminal, ...args);
    assert.equal(code, 1);
    assert.match(err, /^The tables cannot be written:\n.* is orders:read, a table scope of the resource/);
    assert.deepEqual((await stored(terminal)).tables, []);
  });

  await t.test('names that are not there change nothing and are told', async (t) => {
    const terminal = await openShop(t, datasourceOf(server), { tables: [{ id: 'mine' }] });
    const cases: readonly [string[], number, RegExp][] = [
      [['acme/shop', '--datasource', 'crm'], 1, /There is no resource acme\/shop\./],
      [
        ['acme/shop-db', '--datasource', 'crn'],
        1,
        /The organization has no datasource crn \(did you mean crm\?\)\./,
      ],
      [['acme/shop-db'], 2, /Say where the tables are/],
      [['acme/shop-db', '--datasource', 'crm'], 2, /Say which database has the tables/],
      [[SHOP, '--datasource', 'crm', '--database', 'none', '--prune'], 1, /cannot be read: .*none/],
      [
        [
          SHOP,
          '--datasource',
          'crm',
          '--database',
          'crm',
          '--schema',
          'public',
          '--schema',
          'slaes',
          '--prune',
        ],
        1,
        /The database has no tables in "slaes"\. Nothing was changed\./,
      ],
      [
        [SHOP, '--datasource', 'crm', '--database', 'crm', '--schema', 'pg_catalog'],
        2,
        /belongs to the database/,
      ],
      [[SHOP, '--datasource', 'crm', '--dsn', 'sqlite:x.db'], 2, /Give --dsn, or a datasource/],
      [[SHOP, '--dsn', 'sqlite:none.db'], 2, /names a file that is not there/],
    ];
    for (const [given, code, said] of cases) {
      const outcome = await terminal.run(['resource', 'import', ...given]);
      assert.equal(outcome.code, code, `${given.join(' ')}\n${outcome.err}`);
      assert.match(outcome.err, said);
    }
    assert.deepEqual((await stored(terminal)).tables, [{ id: 'mine', name: 'mine' }]);
  });
});

for (const kind of engines) {
  test(`a datasource of ${kind.name} is imported, checked and compared`, {
    skip: kind.missing(),
  }, async (t) => {
    const terminal = await openTerminal(t, ALLOWED);
    await using engine = await kind.start(terminal.dataDir);
    await engine.fill('people', [{ id: 1, email: 'ann@acme.example', active: true }]);
    await apply(terminal, {
      resources: [{ identifier: SHOP, name: 'shop-db' }],
      datasources: [{ name: 'crm', ...engine.datasource }],
    });
    const args = kind.name === 'SQLite' ? [] : ['--database', engine.database];
    const first = await importShop(terminal, '--datasource', 'crm', ...args);
    assert.equal(first.code, 0, first.err);
    const resource = await stored(terminal);
    const [id, email] = (columnsOf(resource, 'people') ?? []).filter((column) => !column.startsWith('_id'));
    assert.deepEqual([id, email], ['id integer', 'email text']);
    assert.equal(first.out.includes('at most 200 documents'), kind.name === 'MongoDB');
    assert.equal((await importShop(terminal, '--check')).code, 0);
    const quiet = await terminal.run(['doctor']);
    assert.doesNotMatch(quiet.out, /tables of/, quiet.out);

    await engine.fill('staff', [{ id: 1, email: 'bob@acme.example' }]);
    assert.equal((await importShop(terminal, '--check')).code, 1);
    const drifted = await terminal.run(['doctor']);
    assert.equal(drifted.code, 0);
    assert.match(drifted.out, /^warning {2}The tables of .* are not as in the datasource crm \(staff\)/m);
    assert.deepEqual(
      (await stored(terminal)).tables.map((table) => table.id),
      ['people'],
    );

    const { kind: product, host, port, username, password, file } = engine.datasource;
    const user = username === undefined ? '' : `${username}:${password}@`;
    const url =
      product === 'sqlite'
        ? `sqlite:${join(terminal.dataDir, 'datasources', String(file))}`
        : `${product}://${user}${host}:${port}/${engine.database}`;
    assert.equal((await importShop(terminal, '--dsn', url, '--check')).code, 1);
    const last = await importShop(terminal, '--dsn', url);
    assert.match(last.out, /^0 added, 1 changed, /m, last.err);
    assert.equal((await importShop(terminal, '--check')).code, 0);
  });
}

test('fields that a sample lacks stay, with the types that were declared', {
  skip: mongoMissing(),
}, async (t) => {
  await using server = await startMongo();
  const url = server.newUrl();
  const client = await new mongo.MongoClient(server.uri).connect();
  t.after(() => client.close());
  await client
    .db(new URL(url).pathname.slice(1))
    .collection('people')
    .insertOne({ _id: 1 as never, name: 'Ann', age: 7.5 });
  const columns = [
    { name: 'age', type: 'integer' },
    { name: 'rare', type: 'date' },
  ];
  const terminal = await openShop(
    t,
    { kind: 'sqlite', file: 'x.db' },
    { tables: [{ id: 'people', columns }] },
  );
  const { code, out } = await importShop(terminal, '--dsn', url, '--prune');
  assert.equal(code, 0, out);
  const found = columnsOf(await stored(terminal), 'people');
  assert.deepEqual(found, ['age integer', 'rare date', '_id integer', 'name text']);
  assert.equal((await importShop(terminal, '--dsn', url, '--check')).code, 0);
});

test('CN-10 nothing is written when a database goes away half way', { skip: mongoMissing() }, async (t) => {
  await using server = await startMongo();
  const url = server.newUrl();
  const client = await new mongo.MongoClient(server.uri).connect();
  t.after(() => client.close());
  for (const name of ['first', 'second'])
    await client.db(new URL(url).pathname.slice(1)).collection(name).insertOne({ x: 1 });
  await using front = await startFront(
    ({ find }) => (find === 'second' ? 'cut' : undefined),
    Number(new URL(url).port),
  );
  const terminal = await openShop(t, { kind: 'sqlite', file: 'x.db' }, { tables: [{ id: 'mine' }] });
  const before = await stored(terminal);
  const { code, err } = await importShop(terminal, '--dsn', front.through(url), '--prune');
  assert.equal(code, 1);
  assert.match(err, /^The tables cannot be read: .* Nothing was changed\.$/m);
  assert.deepEqual(await stored(terminal), before);
});

test('doctor warns of a datasource that is away or gone, and does not fail', async (t) => {
  const terminal = await openShop(
    t,
    { kind: 'sqlite', file: 'crm.db' },
    {
      importedFrom: { datasource: 'crm', database: 'main', schemas: [] },
    },
  );
  const away = await terminal.run(['doctor']);
  assert.equal(away.code, 0, away.out);
  assert.match(
    away.out,
    /^warning {2}The tables of .* cannot be compared with the datasource crm \(crm\.db is not there\)\.$/m,
  );
  await apply(terminal, {
    resources: [{ identifier: SHOP, importedFrom: { datasource: 'erp', database: 'main', schemas: [] } }],
  });
  assert.match(
    (await terminal.run(['doctor'])).out,
    /were imported from the datasource erp, which is not there\.$/m,
  );
});

test('a table that goes takes its rights from living tokens', async () => {
  await using server = await startServer();
  const { json } = await server.post('/oauth/token', 'shop', { grant_type: 'client_credentials' });
  const tablesOf = async () => {
    const { permissions } = await server.introspect(json.access_token);
    return Object.keys(permissions.tables).toSorted();
  };
  assert.deepEqual(await tablesOf(), ['orders', 'products']);
  const path = join(server.dataDir, 'shop.db');
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE orders (id INTEGER)');
  database.close();
  const { code, out, err } = await runBeside(server, [
    'resource',
    'import',
    'acme/shop-db',
    '--dsn',
    `sqlite:${path}`,
    '--prune',
  ]);
  assert.equal(code, 0, out + err);
  assert.match(out, /^! application acme\/shop .*products/m);
  assert.deepEqual(await tablesOf(), ['orders']);
});
