import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, DatabaseFailed, toDsnConfig } from '../../src/guard/connect.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';

test('guard verifies the certificate of a database for the host of its URL', {
  skip: postgresMissing(),
}, async (t) => {
  const server = await startPostgres();
  t.after(() => server[Symbol.asyncDispose]());
  const isEncrypted = async (host: string, parameters: string) => {
    const url = `postgres://owner@${host}:${server.port}/crm${parameters}`;
    const client = await connect(toDsnConfig(url, {}));
    const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    await client.end();
    return rows[0]?.ssl;
  };
  const verified = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(server.certificate.certFile)}`;
  assert.equal(await isEncrypted('127.0.0.1', ''), false);
  assert.equal(await isEncrypted('localhost', verified), true);
  assert.equal(await isEncrypted('127.0.0.1', verified), true);
  await assert.rejects(isEncrypted('localhost', '?sslmode=verify-full'), DatabaseFailed);
});

test('a URL that guard cannot use is told without a word of it', () => {
  for (const url of [
    'secret',
    'mysql://secret@db.example/x',
    'sqlite:secret',
    'postgres://secret@db.example',
  ])
    assert.throws(
      () => toDsnConfig(url, {}),
      (error) => error instanceof DatabaseFailed && !error.message.includes('secret'),
    );
});
