/** What a URL at the command line says of a database: see also `test/cli/resource-import.test.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connector, ConnectorKinds, ServerTarget } from '../../src/datasources/connector.ts';
import { BadDsn, parseDsn } from '../../src/datasources/dsn.ts';

const CONNECTOR = {} as Connector;

/** What an adapter would be told. */
async function targetOf(text: string, env: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const { kind, database, open } = parseDsn(text, env);
  let target: ServerTarget | string | undefined;
  const take = async (given: ServerTarget | string) => {
    target = given;
    return CONNECTOR;
  };
  const kinds: ConnectorKinds = { postgres: take, mysql: take, mongodb: take, sqlite: take };
  await open(kinds);
  if (typeof target === 'string') return { kind, database, path: target };
  const { lookup, ...rest } = target as ServerTarget;
  return { kind, database, ...rest };
}

test('a URL names product, host, port, database, user and password', async () => {
  assert.deepEqual(await targetOf('postgres://a%40b:p%2Fw@db.example:6000/my%20db'), {
    kind: 'postgres',
    database: 'my db',
    host: 'db.example',
    port: 6000,
    username: 'a@b',
    password: 'p/w',
    tls: 'verify',
  });
  for (const [scheme, kind] of [
    ['postgresql', 'postgres'],
    ['mysql', 'mysql'],
    ['mariadb', 'mysql'],
    ['mongodb', 'mongodb'],
  ])
    assert.equal((await targetOf(`${scheme}://db.example/x`)).kind, kind);
  assert.equal((await targetOf('postgres://[::1]/x')).host, '::1');
  assert.equal((await targetOf('postgres:///x')).host, 'localhost');
});

test('a password may be where clients of the product look for it', async () => {
  const env = { PGPASSWORD: 'of-postgres', MYSQL_PWD: 'of-mysql' };
  const passwordOf = async (text: string) => (await targetOf(text, env)).password;
  assert.equal(await passwordOf('postgres://u@db.example/x'), 'of-postgres');
  assert.equal(await passwordOf('mariadb://u@db.example/x'), 'of-mysql');
  assert.equal(await passwordOf('mongodb://u@db.example/x'), undefined);
  assert.equal(await passwordOf('postgres://u:own@db.example/x'), 'own');
});

test('TLS is verified but where a parameter says off or the host is this machine', async () => {
  for (const [text, tls] of [
    ['postgres://db.example/x', 'verify'],
    ['postgres://db.example/x?sslmode=require', 'verify'],
    ['postgres://db.example/x?sslmode=disable', 'off'],
    ['postgres://localhost/x', 'off'],
    ['postgres://127.0.0.1/x?sslmode=verify-full', 'verify'],
    ['postgres:///x', 'off'],
    ['mysql://db.example/x?ssl-mode=DISABLED', 'off'],
    ['mysql://db.example/x?ssl-mode=VERIFY_IDENTITY', 'verify'],
    ['mongodb://db.example/x?tls=false&authSource=admin', 'off'],
    ['mongodb://db.example/x?tls=true', 'verify'],
    ['mongodb://db.example/x?sslmode=disable', 'verify'],
  ] as const)
    assert.equal((await targetOf(text)).tls, tls, text);
});

test('a URL that cannot be used is refused without a word of it', () => {
  for (const [text, said] of [
    ['secret', /must begin with postgres:\/\//],
    ['mongodb+srv://u:secret@db.example/x', /must begin with/],
    ['postgres://u:secret@db.example', /must name a database/],
    ['postgres://u:secret%zz@db.example/x', /has a % that does not begin an escape/],
    ['mongodb://u:secret@one.example,two.example/x', /must name one host/],
    ['postgres://u:secret@db.example/x?sslmode=prefer', /has a sslmode that is neither off nor verified/],
    ['postgres:///x?host=/run/secret', /must name its host before the database/],
    ['postgres://db.example/x?sslrootcert=/none/secret.pem', /has a sslrootcert that is not a file/],
    ['sqlite:secret.db', /names a file that is not there/],
  ] as const) {
    assert.throws(
      () => parseDsn(text, {}),
      (error) => {
        assert.ok(error instanceof BadDsn, text);
        assert.match(error.message, said);
        return !error.message.includes('secret');
      },
    );
  }
});
