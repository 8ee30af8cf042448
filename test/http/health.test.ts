import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';
import { HOST, startShell } from './shell.ts';

test('/healthz and /readyz answer under any Host and for HTTP/1.0 without one', async () => {
  await using shell = await startShell();
  for (const path of ['/healthz', '/readyz']) {
    for (const headers of [{}, { Host: '10.0.0.1:3000' }, { Host: 'evil.example' }] as Record<
      string,
      string
    >[]) {
      assert.equal((await shell.ask(path, { headers })).status, 200, path);
    }
    assert.match(await shell.raw(`GET ${path} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 200 /);
  }
  assert.deepEqual((await shell.ask('/healthz')).json, { status: 'ok' });
  assert.deepEqual((await shell.ask('/readyz')).json, { status: 'ready' });
  assert.equal((await shell.ask('/readyz', { method: 'HEAD' })).status, 200);
});

test('/readyz says what is missing, also when a check throws or hangs, without details', async () => {
  const readyz = async (findMissing: () => Promise<string[]>) => {
    await using shell = await startShell({ health: { findMissing, checkTimeout: 50 } });
    const { status, json } = await shell.ask('/readyz');
    return { status, ...json };
  };
  const notReady = (missing: string) => ({ status: 'not ready', missing: [missing] });
  assert.deepEqual(await readyz(async () => ['the store']), notReady('the store'));
  assert.deepEqual(
    await readyz(async () => {
      throw new Error('/srv/secret');
    }),
    notReady('an answer'),
  );
  assert.deepEqual(await readyz(() => new Promise(() => {})), notReady('an answer in time'));

  await using shell = await startShell({ health: { findMissing: async () => ['keys'] } });
  assert.equal((await shell.ask('/readyz')).status, 503);
});

test('DO-09 a flood on /readyz asks the store once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let asked = 0;
  await using shell = await startShell({
    health: {
      findMissing: async () => {
        asked += 1;
        return [];
      },
    },
  });
  await Promise.all(Array.from({ length: 50 }, () => shell.ask('/readyz')));
  assert.equal(asked, 1);
  t.mock.timers.reset();
});

test('/readyz recovers by itself', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let missing = ['the store'];
  await using shell = await startShell({ health: { findMissing: async () => missing } });
  assert.equal((await shell.ask('/readyz')).status, 503);
  missing = [];
  t.mock.timers.tick(600);
  assert.equal((await shell.ask('/readyz')).status, 200);
  t.mock.timers.reset();
});

test('/metrics is for direct local callers and for those with the token', async (t) => {
  const metricsToken = 'metrics-token-of-the-operator';
  const bearer = { Authorization: `Bearer ${metricsToken}` };
  await using shell = await startShell({ health: { metricsToken } });
  await using open = await startShell();

  const local = { Host: 'localhost:3000' };
  const direct = await shell.ask('/metrics', { headers: local });
  assert.equal(direct.status, 200);
  assert.match(String(direct.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(direct.text, /^grantable_password_hashes_waiting 0$/m);
  for (const [host, status] of [
    ['evil.example', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.evil.example:3000', 421],
    ['localhost:9464', 200],
    ['127.0.0.1', 200],
    ['[::1]:3000', 200],
  ] as const) {
    assert.equal((await shell.ask('/metrics', { headers: { Host: host } })).status, status, host);
  }
  assert.equal((await shell.ask('/metrics', { headers: local, from: '127.0.0.9' })).status, 200);

  for (const [name, value] of [
    ['X-Forwarded-For', '127.0.0.1'],
    ['X-Forwarded-For', ''],
    ['X-Forwarded-Host', HOST],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Anything', 'x'],
    ['Forwarded', 'for=127.0.0.1'],
    ['Via', '1.1 proxy'],
    ['X-Real-IP', '127.0.0.1'],
    ['X-Client-IP', '127.0.0.1'],
    ['CF-Connecting-IP', '127.0.0.1'],
    ['True-Client-IP', '127.0.0.1'],
  ] as const) {
    await t.test(`with ${name}: ${value}`, async () => {
      assert.equal((await shell.ask('/metrics', { headers: { ...local, [name]: value } })).status, 421);
      assert.equal(
        (await open.ask('/metrics', { headers: { ...local, [name]: value, ...bearer } })).status,
        421,
      );
      assert.equal((await shell.ask('/metrics', { headers: { [name]: value, ...bearer } })).status, 200);
    });
  }
  for (const Authorization of [
    'Bearer',
    'Bearer x',
    `Bearer ${metricsToken}x`,
    metricsToken,
    `Basic ${metricsToken}`,
  ]) {
    const headers = { Via: '1.1 proxy', Authorization };
    assert.equal((await shell.ask('/metrics', { headers })).status, 404, Authorization);
  }
});

test('a loopback proxy that is trusted does not open /metrics to whom it serves', async () => {
  await using shell = await startShell({ trustedProxies: ['127.0.0.1'] });
  assert.equal((await shell.ask('/metrics', { headers: { Host: HOST } })).status, 404, 'it names no client');
  assert.equal((await shell.ask('/metrics', { headers: { 'X-Forwarded-For': '203.0.113.9' } })).status, 404);
  assert.equal((await shell.ask('/metrics', { headers: { 'X-Forwarded-For': '127.0.0.1' } })).status, 404);
});

test('labels of metrics never hold what a caller wrote', async () => {
  await using shell = await startShell({ health: {} });
  for (const path of [
    '/secret-path',
    '/oauth/secret-path',
    '/interaction/secret-path',
    '/admin/secret-path/x',
  ]) {
    await shell.ask(path, { headers: { 'User-Agent': 'secret-agent' } });
  }
  await shell.ask('/oauth/token', { method: 'PROPFIND' });
  const { text } = await shell.ask('/metrics', { headers: { Host: 'localhost' } });
  assert.doesNotMatch(text, /secret|PROPFIND/);
  assert.match(text, /^grantable_http_requests_total\{route="other",method="GET",status="404"\} 1$/m);
  assert.match(text, /^grantable_http_requests_total\{route="\/oauth\/\*",method="GET",status="404"\} 1$/m);
  assert.match(
    text,
    /^grantable_http_requests_total\{route="\/oauth\/token",method="other",status="405"\} 1$/m,
  );
});

test('the real server counts tokens, waiting hashes and event loop lag', async () => {
  await using server = await startServer();
  await server.token('machine');
  await server.token('machine', { scope: 'unknown' });
  const response = await fetch(`${server.issuer}/metrics`);
  const text = await response.text();
  assert.match(text, /^grantable_tokens_issued_total\{grant="client_credentials"\} 1$/m);
  assert.match(text, /^grantable_password_hashes_waiting 0$/m);
  assert.match(text, /^nodejs_eventloop_lag_seconds /m);
  assert.match(text, /^grantable_http_request_duration_seconds_count\{route="\/oauth\/token"\} 2$/m);
  assert.match(
    text,
    /^grantable_http_requests_total\{route="\/oauth\/token",method="POST",status="400"\} 1$/m,
  );
});

test('/readyz notices that the file of the database was removed, and that it is back', async () => {
  await using server = await startServer();
  const file = join(server.dataDir, 'grantable.db');
  await rename(file, `${file}.away`);
  const gone = await fetch(`${server.issuer}/readyz`);
  assert.equal(gone.status, 503);
  assert.ok(Number(gone.headers.get('retry-after')) >= 1);
  assert.deepEqual(await gone.json(), { status: 'not ready', missing: ['the store'] });
  const refused = await server.token('machine');
  assert.equal(refused.status, 503, refused.text);
  await rename(`${file}.away`, file);
  assert.equal((await server.token('machine')).status, 200);
});
