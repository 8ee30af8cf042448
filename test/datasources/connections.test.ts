import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import mysql from 'mysql2';
import { openMysql } from '../../adapters/datasources/mysql.ts';
import { openPostgres } from '../../adapters/datasources/postgres.ts';
import { openSqlite } from '../../adapters/datasources/sqlite.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import { createAllowedHosts, createCheckedLookup } from '../../src/datasources/addresses.ts';
import { DatasourceAway, type ServerTarget } from '../../src/datasources/connector.ts';
import { findFile } from '../../src/datasources/files.ts';
import { isPrivate } from '../../src/nouns/private-addresses.ts';
import { mariadbMissing, startMariadb } from '../support/mariadb.ts';
import { postgresMissing, type SqlServer, startPostgres } from '../support/postgres.ts';
import { startServer } from '../support/server.ts';
import { ALLOWED } from './fixture.ts';

const SECRET = 'the-password-of-the-crm';
const QUERY = {
  database: 'crm',
  collection: 'customers',
  columns: ['id'],
  where: [{ column: 'email', equals: 'x' }],
};

function target(port: number, more: Partial<ServerTarget> = {}): ServerTarget {
  const host = more.host ?? '127.0.0.1';
  return {
    host,
    port,
    username: 'reader',
    password: SECRET,
    tls: 'verify',
    lookup: createCheckedLookup(host, createAllowedHosts(['localhost', '127.0.0.1'])),
    ...more,
  };
}

const isAway = (pattern?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DatasourceAway, String(error));
  if (pattern) assert.match(error.message, pattern);
  return true;
};

const problemsOf = (datasource: object): string => {
  try {
    parseApplyFile(JSON.stringify({ organizations: [{ name: 'acme', datasources: [datasource] }] }), 'file');
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('where a datasource may be', () => {
  test('CN-01 private, loopback and link addresses are told from public ones', () => {
    for (const address of [
      '127.0.0.1',
      '127.8.9.1',
      '0.0.0.0',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '::127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:0:7f00:1',
      '64:ff9b::7f00:1',
      '3fff::1',
      'fec0::1',
      '2002:7f00:1::',
      'fe80::1',
      'fd00::1',
      'ff02::1',
      '5f00::1',
      '100:0:0:1::1',
      '1::1',
      '4000::1',
      'no address',
    ]) {
      assert.equal(isPrivate(address), true, address);
    }
    for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) {
      assert.equal(isPrivate(address), false, address);
    }
  });

  test('CN-01 a name counts by the address it leads to, at each connection', async () => {
    const ask = (host: string, allowed: string[]) =>
      new Promise<unknown>((resolve) => {
        createCheckedLookup(host, createAllowedHosts(allowed))('localhost', { all: true }, (error, found) =>
          resolve(error ?? found),
        );
      });
    assert.ok((await ask('localhost', [])) instanceof DatasourceAway);
    assert.ok((await ask('rebound.example', ['localhost', '10.0.0.0/8'])) instanceof DatasourceAway);
    for (const spelling of ['0x7f000001', '017700000001', '2130706433', '127.1']) {
      const found = await new Promise((resolve) => {
        createCheckedLookup(spelling, createAllowedHosts([]))(spelling, { all: true }, (error, all) =>
          resolve(error ?? all),
        );
      });
      assert.ok(found instanceof Error, spelling);
    }
    assert.ok(Array.isArray(await ask('localhost', ['localhost'])));
    assert.ok(Array.isArray(await ask('rebound.example', ['127.0.0.0/8', '::1'])));
  });

  test('CN-01 CN-02 other spellings of hosts, sockets, URLs and options are refused', () => {
    const base = { name: 'crm', kind: 'postgres', host: 'db.example.com', database: 'crm' };
    assert.equal(problemsOf(base), '');
    for (const host of [
      '2130706433',
      '0177.0.0.1',
      '127.1',
      '/var/run/postgresql',
      'postgres://db.example.com',
      'db.example.com/crm?host=evil',
      'db.example.com,evil.example.com',
      'db.example.com:5432',
      '_mongodb._tcp.example.com',
      '[::1]',
      '',
    ]) {
      assert.match(problemsOf({ ...base, host }), /host/, host);
    }
    for (const option of [
      'options',
      'sslrootcert',
      'sslmode',
      'allowPublicKeyRetrieval',
      'multipleStatements',
      'infileStreamFactory',
      'flags',
      'socketPath',
      'uri',
      'url',
      'connectionString',
      'tlsCAFile',
      'tlsInsecure',
      'proxyHost',
      'authSource',
      'replicaSet',
      'srv',
      'stream',
    ]) {
      assert.match(problemsOf({ ...base, [option]: 'x' }), /unknown key/, option);
    }
    assert.match(problemsOf({ ...base, tls: 'prefer' }), /tls/);
    assert.match(problemsOf({ ...base, ca: '/etc/passwd' }), /ca/);
    assert.match(problemsOf({ name: 'crm', kind: 'sqlite', file: 'a.db', host: 'x' }), /means nothing/);
  });

  test('CN-01 a datasource on a forbidden host stays unverified and refuses logins', async () => {
    await using server = await startServer({
      fixture(fixture) {
        const [acme] = fixture.organizations;
        acme.applications[0].grants.push('database_user');
        acme.datasources = ['127.0.0.1', 'localhost', '169.254.169.254', '::1'].map((host, index) => ({
          name: `crm-${index}`,
          kind: 'postgres',
          host,
          port: 1,
          database: 'crm',
          username: 'reader',
          password: SECRET,
          userTables: [
            {
              collection: 'customers',
              usernameColumn: 'email',
              passwordColumn: 'password',
              passwordFormat: 'bcrypt',
              subjectColumn: 'id',
              realm: 'shop',
            },
          ],
        }));
      },
    });
    const notes = server.server.started.applied?.notes ?? [];
    assert.equal(notes.length, 4);
    for (const note of notes) assert.match(note, /private network, which GRANTABLE_DATASOURCE_HOSTS/);
    const { status, json } = await server.post('/oauth/token', 'shop', {
      grant_type: 'urn:grantable:grant-type:database-user',
      instance: 'crm-0',
      database: 'crm',
      collection: 'customers',
      username_column: 'email',
      password_column: 'password',
      username: 'x',
      password: 'x',
    });
    assert.deepEqual([status, json.error], [400, 'invalid_grant']);
  });
});

describe('DB-05 names that cannot be registered', () => {
  const table = {
    collection: 'customers',
    usernameColumn: 'email',
    passwordColumn: 'password',
    passwordFormat: 'bcrypt',
    subjectColumn: 'id',
  };
  const withTable = (kind: string, more: object) =>
    problemsOf({
      name: 'crm',
      kind,
      ...(kind === 'sqlite' ? { file: 'a.db' } : { host: 'db.example.com', database: 'crm' }),
      userTables: [{ ...table, ...more }],
    });

  test('columns and collections that are operators, of the system or of JavaScript', () => {
    for (const usernameColumn of [
      '$where',
      '$expr',
      'a.$b',
      '__proto__',
      'constructor',
      'a\0b',
      '',
      'a..b',
    ]) {
      assert.notEqual(withTable('mongodb', { usernameColumn }), '', usernameColumn);
    }
    assert.equal(withTable('mongodb', { usernameColumn: 'profile.email' }), '');
    for (const collection of ['system.users', 'a.system.b', 'users$', '__proto__', '']) {
      assert.notEqual(withTable('mongodb', { collection }), '', collection);
    }
    for (const database of ['admin', 'local', 'config', 'Admin', 'a.b', 'a b', 'a$']) {
      assert.notEqual(withTable('mongodb', { database }), '', database);
    }
    for (const collection of [
      'pg_authid',
      'pg_catalog.pg_authid',
      'information_schema.tables',
      'a.b.c',
      '.a',
    ]) {
      assert.notEqual(withTable('postgres', { collection }), '', collection);
    }
    for (const database of ['mysql', 'information_schema', 'performance_schema', 'sys']) {
      assert.notEqual(withTable('mysql', { database }), '', database);
    }
    for (const collection of ['sqlite_master', 'sqlite_schema', 'pragma_table_info']) {
      assert.notEqual(withTable('sqlite', { collection }), '', collection);
    }
    assert.notEqual(withTable('sqlite', { database: 'temp' }), '');
  });

  test('the password column is nothing else, and is copied nowhere', () => {
    for (const more of [
      { usernameColumn: 'password' },
      { subjectColumn: 'password' },
      { claims: { secret: 'password' } },
      { saltColumn: 'salt', claims: { salt: 'salt' } },
      { roleColumn: 'password', roleMap: { a: 'b' } },
      { activeColumn: 'password' },
      { conditions: { password: 'x' } },
      { passwordChangedAtColumn: 'password' },
    ]) {
      assert.match(
        withTable('sqlite', more),
        /where the password or its salt is stored/,
        JSON.stringify(more),
      );
    }
  });

  test('claims that tokens have already are not given by a table', () => {
    for (const claim of [
      'sub',
      'iss',
      'aud',
      'exp',
      'permissions',
      'org',
      'roles',
      'anc',
      'active',
      'act',
      '__proto__',
    ]) {
      assert.notEqual(withTable('sqlite', { claims: Object.fromEntries([[claim, 'name']]) }), '', claim);
    }
  });

  test('DB-07 password formats without protection must be allowed by name', () => {
    for (const passwordFormat of ['md5', 'plain']) {
      assert.match(withTable('sqlite', { passwordFormat }), /insecurePasswords/);
    }
    assert.match(withTable('sqlite', { passwordFormat: 'auto' }), /unknown format/);
  });
});

describe('CN-03 files of SQLite', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'grantable-files-'));
    mkdirSync(join(folder, 'datasources', 'inner'), { recursive: true });
    for (const path of ['grantable.db', 'datasources/crm.db', 'datasources/inner/crm.db']) {
      const database = new DatabaseSync(join(folder, path));
      database.exec('CREATE TABLE customers (id INTEGER, email TEXT)');
      database.close();
    }
    symlinkSync(join(folder, 'grantable.db'), join(folder, 'datasources', 'ours.db'));
    symlinkSync(join(folder, 'datasources', 'crm.db'), join(folder, 'datasources', 'inside.db'));
    symlinkSync(folder, join(folder, 'datasources', 'up'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('only those below the folder, whatever leads out of it', async () => {
    const root = join(folder, 'datasources');
    for (const file of ['crm.db', 'inner/crm.db', 'inside.db']) {
      assert.match(await findFile(root, file), /crm\.db$/);
    }
    for (const file of [
      '../grantable.db',
      'inner/../../grantable.db',
      '/etc/passwd',
      '/proc/self/environ',
      'ours.db',
      'up/grantable.db',
      'file:crm.db?mode=rwc',
      'crm.db\0.txt',
      '.',
      '',
      './crm.db',
      'inner',
      'missing.db',
      '..\\grantable.db',
    ]) {
      await assert.rejects(findFile(root, file), isAway(), file);
    }
  });

  test('DB-10 the file is read only, knows no other and loads nothing', async () => {
    const connector = openSqlite(join(folder, 'datasources', 'crm.db'));
    const find = (collection: string, columns: string[]) =>
      connector.findRows({ database: 'main', collection, columns, where: [{ column: 'id', equals: 1 }] });
    assert.deepEqual(await find('customers', ['id']), []);
    await assert.rejects(find('customers"; DELETE FROM customers; --', ['id']), isAway());
    await assert.rejects(find('customers', ["load_extension('x')"]), isAway());
    await assert.rejects(
      connector.findRows({ database: 'other', collection: 'customers', columns: ['id'], where: [] }),
      isAway(),
    );
    assert.equal(await connector.findColumns('temp', 'customers', []), undefined);
    await connector.close();
    writeFileSync(join(folder, 'datasources', 'broken.db'), 'not a database at all, but some text');
    const broken = openSqlite(join(folder, 'datasources', 'broken.db'));
    await assert.rejects(
      broken.findRows({ database: 'main', collection: 'customers', columns: ['id'], where: [] }),
      isAway(),
    );
    await broken.close();
  });
});

/** A server that is not a database, and what was said to it. */
async function startRogue(talk: (socket: Socket) => void) {
  const heard: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (data) => heard.push(data)).on('error', () => undefined);
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    heard: () => Buffer.concat(heard).toString('latin1'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A message of PostgreSQL's protocol, version 3. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const CLEAR_TEXT = message('R', int32(3));
const AUTHENTICATED = Buffer.concat([message('R', int32(0)), message('Z', Buffer.from('I'))]);

describe('CN-04 servers that are not what they seem', () => {
  test('PostgreSQL without TLS or with an unknown certificate gets no password', async () => {
    await using plain = await startRogue((socket) => socket.once('data', () => socket.write('N')));
    const connector = openPostgres(target(plain.port));
    await assert.rejects(connector.findRows(QUERY), isAway(/SSL/));
    assert.ok(!plain.heard().includes(SECRET));
    assert.ok(!plain.heard().includes('reader'));
    await connector.close();
  });

  test('PostgreSQL without TLS that asks for the password in the clear does not get it', async () => {
    await using rogue = await startRogue((socket) => socket.once('data', () => socket.write(CLEAR_TEXT)));
    const connector = openPostgres(target(rogue.port, { tls: 'off' }));
    await assert.rejects(connector.findRows(QUERY), isAway());
    assert.match(rogue.heard(), /reader/);
    assert.ok(!rogue.heard().includes(SECRET));
    await connector.close();
  });

  test('PostgreSQL that sends rows without end is given up, within seconds and megabytes', async () => {
    const row = message('D', Buffer.concat([Buffer.from([0, 1]), int32(1_000_000), Buffer.alloc(1_000_000)]));
    await using rogue = await startRogue((socket) => {
      let isReady = false;
      socket.on('data', () => {
        if (!isReady) {
          isReady = true;
          socket.write(AUTHENTICATED);
          return;
        }
        const flood = () => {
          while (!socket.destroyed && socket.write(row));
        };
        socket.on('drain', flood);
        flood();
      });
    });
    const connector = openPostgres(target(rogue.port, { tls: 'off' }));
    const before = process.memoryUsage().rss;
    await assert.rejects(connector.findRows(QUERY), isAway());
    assert.ok(process.memoryUsage().rss - before < 1_000_000_000);
    await connector.close();
  });

  test('MySQL that has no TLS hears no password', async () => {
    const server = mysql.createServer(() => undefined);
    let heard = '';
    const streams: Socket[] = [];
    server.on('connection', (connection) => {
      connection.on('error', () => undefined);
      const { stream } = connection as unknown as { stream: Socket };
      streams.push(stream);
      stream.on('data', (data) => {
        heard += data.toString('latin1');
      });
      connection.serverHandshake({
        protocolVersion: 10,
        serverVersion: '8.0.0',
        connectionId: 1,
        statusFlags: 2,
        characterSet: 33,
        // Everything but SSL.
        capabilityFlags: (0xffffffff & ~0x800) >>> 0,
        authCallback: () => undefined,
      } as never);
    });
    await new Promise<void>((resolve) => (server as any).listen(0, () => resolve()));
    const { port } = (server as any)._server.address();
    const connector = openMysql(target(port));
    await assert.rejects(connector.findRows(QUERY), isAway());
    assert.ok(!heard.includes(SECRET));
    await connector.close();
    for (const stream of streams) stream.destroy();
    await new Promise((resolve) => (server as any).close(resolve));
  });

  test('MySQL that asks for a file of ours gets none', async () => {
    const secretFile = join(mkdtempSync(join(tmpdir(), 'grantable-file-')), 'secret');
    writeFileSync(secretFile, 'content-of-the-file');
    const server = mysql.createServer(() => undefined);
    let heard = '';
    const streams: Socket[] = [];
    server.on('connection', (connection: any) => {
      connection.on('error', () => undefined);
      streams.push(connection.stream);
      connection.stream.on('data', (data: Buffer) => {
        heard += data.toString('latin1');
      });
      connection.serverHandshake({
        protocolVersion: 10,
        serverVersion: '8.0.0',
        connectionId: 1,
        statusFlags: 2,
        characterSet: 33,
        capabilityFlags: (0xffffffff & ~0x800) >>> 0,
        authCallback: (_: unknown, done: (error: null) => void) => done(null),
      });
      const askForFile = () => {
        const body = Buffer.concat([Buffer.from([0xfb]), Buffer.from(secretFile)]);
        const head = Buffer.from([body.length, 0, 0, 1]);
        connection.stream.write(Buffer.concat([head, body]));
      };
      connection.on('query', askForFile);
      connection.on('stmt_prepare', askForFile);
    });
    await new Promise<void>((resolve) => (server as any).listen(0, () => resolve()));
    const { port } = (server as any)._server.address();
    const connector = openMysql(target(port, { tls: 'off' }));
    await assert.rejects(connector.findRows(QUERY), isAway());
    assert.ok(!heard.includes('content-of-the-file'));
    await connector.close();
    for (const stream of streams) stream.destroy();
    await new Promise((resolve) => (server as any).close(resolve));
  });
});

for (const [name, missing, start, open] of [
  ['PostgreSQL', postgresMissing, startPostgres, openPostgres],
  ['MariaDB', mariadbMissing, startMariadb, openMysql],
] as const) {
  describe(`TLS with ${name}`, { skip: missing() }, () => {
    let server: SqlServer;
    before(async () => {
      server = await start();
      await server.run('CREATE TABLE customers (id INT, email VARCHAR(99))');
      if (name === 'PostgreSQL') await server.run('GRANT SELECT ON customers TO reader');
    });
    after(() => server?.[Symbol.asyncDispose]());

    test('CN-04 its certificate must lead to one that we know, and name the host', async () => {
      const settings = { username: server.username, password: server.password };
      const attempt = async (more: Partial<ServerTarget>) => {
        const connector = open(target(server.port, { ...settings, ...more }));
        try {
          return await connector.findRows(QUERY);
        } finally {
          await connector.close();
        }
      };
      assert.deepEqual(await attempt({ ca: server.certificate.pem }), []);
      assert.deepEqual(await attempt({ ca: server.certificate.pem, host: 'localhost' }), []);
      await assert.rejects(attempt({}), isAway(/self.signed|certificate/i));
      await assert.rejects(attempt({ ca: server.certificate.pem, password: 'wrong' }), isAway());
      const elsewhere = target(server.port, {
        ...settings,
        ca: server.certificate.pem,
        host: 'db.example.com',
      });
      const renamed = open({
        ...elsewhere,
        lookup: (_, options, callback) =>
          options.all
            ? callback(null, [{ address: '127.0.0.1', family: 4 }])
            : callback(null, '127.0.0.1', 4),
      });
      await assert.rejects(renamed.findRows(QUERY), isAway(/altnames|Hostname/i));
      await renamed.close();
    });
  });
}

describe('credentials', { skip: postgresMissing() }, () => {
  test('CN-05 CN-07 CN-08 SE-01 credentials are sealed per datasource and never shown', async () => {
    await using postgres = await startPostgres();
    await postgres.run(
      'CREATE TABLE customers (id bigint, email text, password text); GRANT SELECT ON customers TO reader',
    );
    const datasource = (more: object = {}) => ({
      name: 'crm',
      kind: 'postgres',
      host: '127.0.0.1',
      port: postgres.port,
      database: 'crm',
      username: postgres.username,
      password: postgres.password,
      ca: postgres.certificate.pem,
      userTables: [
        {
          collection: 'customers',
          usernameColumn: 'email',
          passwordColumn: 'password',
          passwordFormat: 'hmac-sha256',
          passwordSecret: 'a-nonce-that-is-secret',
          subjectColumn: 'id',
          realm: 'shop',
        },
      ],
      ...more,
    });
    await using server = await startServer({
      env: ALLOWED,
      fixture(fixture) {
        fixture.organizations[0].datasources = [datasource(), datasource({ name: 'second' })];
      },
    });
    const { foundations } = server.server;
    const { storage, apply, credentials, changes } = foundations;
    const { items } = await storage.directory.datasources.page({ limit: 10 });
    const [first, second] = items;
    assert.ok(first?.sealedPassword && second);
    assert.equal(credentials.open(first.sealedPassword, first), postgres.password);
    assert.throws(() => credentials.open(first.sealedPassword as string, second));
    assert.throws(() =>
      credentials.open(first.sealedPassword as string, { ...first, organization: 'other' }),
    );
    const shown = [JSON.stringify(items), JSON.stringify(server.server.started.applied)];
    const audit = await storage.audit.page({ limit: 1_000 });
    for (const text of [...shown, JSON.stringify(audit)]) {
      assert.ok(!text.includes(postgres.password) && !text.includes('a-nonce-that-is-secret'));
    }

    const reapply = (more: object) => {
      const { password: _, ...rest } = datasource(more) as Record<string, unknown>;
      const file = { organizations: [{ name: 'acme', datasources: [rest] }] };
      return apply(parseApplyFile(JSON.stringify(file), 'file'));
    };
    assert.deepEqual((await reapply({})).changes, [], 'what is left out stays');
    for (const more of [{ host: 'localhost' }, { port: 1 }, { username: 'owner' }, { tls: 'off' }]) {
      await assert.rejects(reapply(more), /give its password again/, JSON.stringify(more));
    }
    const again = parseApplyFile(
      JSON.stringify({ organizations: [{ name: 'acme', datasources: [datasource()] }] }),
      'file',
    );
    assert.deepEqual((await apply(again)).changes, [], 'the same password is no change');

    const [{ sealedSecret } = {}] = first.userTables;
    const { sealedPassword } = first;
    assert.ok(sealedSecret && sealedPassword);
    const renewed = datasource({ password: 'another', insecurePasswords: true });
    const [table] = renewed.userTables;
    const tables = [{ ...table, passwordSecret: 'another-nonce' }];
    const file = { organizations: [{ name: 'acme', datasources: [{ ...renewed, userTables: tables }] }] };
    await apply(parseApplyFile(JSON.stringify(file), 'file'));
    const entries = JSON.stringify(await storage.audit.page({ limit: 1_000 }));
    assert.match(entries, /datasource\.changed.*insecurePasswords/);
    const changed = await storage.directory.datasources.get(first.id);
    for (const secret of [
      sealedSecret,
      sealedPassword,
      changed?.sealedPassword,
      changed?.userTables[0]?.sealedSecret,
    ]) {
      assert.ok(secret && !entries.includes(secret), 'not even sealed');
    }

    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme);
    await changes.organizations.remove(acme, { actor: 'test' });
    assert.deepEqual(
      (await storage.directory.datasources.page({ limit: 10 })).items,
      [],
      'CN-08 gone with the tenant',
    );
  });
});
