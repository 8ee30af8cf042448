import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import bcrypt from 'bcrypt';
import { parseApplyFile } from '../../src/apply/file.ts';
import { mariadbMissing } from '../support/mariadb.ts';
import { type Engine, engines } from './engines.ts';
import { startWorld, userTable, type World } from './fixture.ts';

const hash = bcrypt.hashSync('right', 4);
const PEOPLE = [{ id: 1, email: 'ann@acme.example', password: hash, active: true, team: 'sales' }];

function apply({ server, engine }: World, tables: readonly Record<string, unknown>[]) {
  const file = {
    organizations: [
      { name: 'acme', datasources: [{ name: 'crm', ...engine.datasource, userTables: tables }] },
    ],
  };
  return server.server.foundations.apply(parseApplyFile(JSON.stringify(file), 'file'));
}

for (const kind of engines) {
  describe(`registering a user table of ${kind.name}`, { skip: kind.missing() }, () => {
    let world: World;
    /** All of the file: `customers`, and `staff` by conditions and a column without a value. */
    const tables = (engine: Engine) => [
      userTable(engine),
      userTable(engine, {
        collection: 'staff',
        conditions: { team: 'sales', active: true },
        nullColumns: ['note'],
      }),
    ];
    before(async () => {
      world = await startWorld(kind, async (engine: Engine) => {
        await engine.fill('customers', PEOPLE);
        await engine.fill('staff', [
          { ...PEOPLE[0], note: null },
          { id: 2, email: 'ann@acme.example', password: hash, active: true, team: 'sales', note: 'deleted' },
          { id: 3, email: 'bob@acme.example', password: hash, active: true, team: 'stock', note: null },
        ]);
        return tables(engine);
      });
    });
    after(() => world?.[Symbol.asyncDispose]());

    test('a name that the catalogue does not have is refused, and nothing is written', async () => {
      const { engine, server } = world;
      const { storage } = server.server.foundations;
      const before = JSON.stringify(await storage.directory.datasources.page({ limit: 10 }));
      for (const [more, expected] of [
        [{ passwordColumn: 'passwort' }, /has no column passwort/],
        [{ usernameColumn: 'mail', subjectColumn: 'key' }, /has no column mail, key/],
        [{ claims: { locale: 'locale' } }, /has no column locale/],
        [{ conditions: { tenant: 'a' } }, /has no column tenant/],
        [{ nullColumns: ['deleted_at'] }, /has no column deleted_at/],
        [{ collection: 'clients' }, /has no table clients/],
        [{ roles: ['boss'] }, /no role boss/],
        [{ realm: 'nowhere' }, /no application nowhere/],
      ] as const) {
        await assert.rejects(apply(world, [userTable(engine, more)]), expected, JSON.stringify(more));
      }
      assert.equal(JSON.stringify(await storage.directory.datasources.page({ limit: 10 })), before);
      assert.deepEqual((await apply(world, tables(engine))).changes, [], 'the same again is no change');
    });

    test('conditions and columns without a value match no row', async () => {
      const logIn = (username: string) => world.logIn({ collection: 'staff', username, password: 'right' });
      const ann = await logIn('ann@acme.example');
      assert.equal(ann.status, 200, ann.text);
      assert.match((await world.server.introspect(ann.json.access_token)).sub, /\/1$/);
      assert.equal((await logIn('bob@acme.example')).status, 400);
      const renew = () =>
        world.server.post('/oauth/token', 'shop', {
          grant_type: 'refresh_token',
          refresh_token: ann.json.refresh_token,
        });
      await world.engine.update('staff', 1, { team: 'stock' });
      assert.equal((await renew()).status, 400, 'the row is no longer chosen');
    });
  });
}

test('DB-06 spellings that MariaDB takes as equal are one person with one counter', {
  skip: mariadbMissing(),
}, async () => {
  const mariadb = engines.find(({ name }) => name === 'MariaDB');
  assert.ok(mariadb);
  await using world = await startWorld(
    mariadb,
    async (engine) => {
      await engine.fill('customers', [
        { id: 1, email: 'Émile@acme.example', password: hash },
        { id: 2, email: 'twin', password: hash },
        { id: 3, email: 'TWIN', password: hash },
      ]);
      await engine.run('CREATE TABLE numbers (id BIGINT, phone DECIMAL(12,2), email BIGINT, password TEXT)');
      await engine.run(`INSERT INTO numbers VALUES (1, 0, 0, '${hash}')`);
      return [
        userTable(engine),
        userTable(engine, { collection: 'numbers' }),
        userTable(engine, { collection: 'numbers', usernameColumn: 'phone' }),
      ];
    },
    { env: { GRANTABLE_ACCOUNT_LIMIT: '5/15m' } },
  );
  const logIn = (username: string, password = 'right', more: object = {}) =>
    world.logIn({ collection: 'customers', username, password, ...more });
  const subjects = new Set<string>();
  for (const typed of [
    'Émile@acme.example',
    'emile@acme.example',
    'EMILE@ACME.EXAMPLE',
    'émile@acme.example   ',
  ]) {
    const { status, json } = await logIn(typed);
    assert.equal(status, 200, typed);
    const seen = await world.server.introspect(json.access_token);
    assert.equal(seen.username, 'Émile@acme.example', 'as it is stored');
    subjects.add(seen.sub);
  }
  assert.equal(subjects.size, 1);
  for (const typed of ['twin', 'TWIN', 'Twin'])
    assert.equal((await logIn(typed)).status, 400, 'two of one name');
  await world.engine.run(
    `CREATE TABLE latin (id BIGINT, email VARCHAR(99) CHARACTER SET latin1, password TEXT); INSERT INTO latin VALUES (1, 'ann', '${hash}')`,
  );
  const { engine } = world;
  const tables = [
    userTable(engine, { collection: 'latin' }),
    userTable(engine),
    userTable(engine, { collection: 'numbers' }),
  ];
  await apply(world, [...tables, userTable(engine, { collection: 'numbers', usernameColumn: 'phone' })]);
  for (let time = 0; time < 8; time += 1) {
    const { status, text } = await logIn(`ann ${time} \u{1f511}`, 'right', { collection: 'latin' });
    assert.equal(
      status,
      400,
      `what its column cannot hold is nobody, and no failure of the database: ${text}`,
    );
  }
  assert.equal((await logIn('ann', 'right', { collection: 'latin' })).status, 200);

  for (const typed of ['abc', '', '0abc', '0.0', ' 0']) {
    for (const usernameColumn of ['email', 'phone']) {
      const { status } = await logIn(typed, 'right', { collection: 'numbers', usernameColumn });
      assert.equal(status, 400, `${usernameColumn} ${typed}`);
    }
  }
  assert.equal((await logIn('0', 'right', { collection: 'numbers' })).status, 200);
  for (const typed of [
    'emile@acme.example',
    'EMILE@acme.example',
    'Émile@acme.example',
    'emile@acme.EXAMPLE',
    'e',
  ]) {
    await logIn(typed, 'wrong');
  }
  await logIn('éMILE@acme.example', 'wrong');
  const answers = [await logIn('Émile@acme.example'), await logIn('Émile@acme.example', 'wrong')];
  for (const { status, json } of answers) {
    assert.deepEqual([status, json.error], [400, 'invalid_grant'], 'one account has one counter');
  }
});
