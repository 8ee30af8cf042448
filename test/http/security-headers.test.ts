import assert from 'node:assert/strict';
import { test } from 'node:test';
import { basic, startServer } from '../support/server.ts';
import { mirror, type Reply, startShell } from './shell.ts';

const BETWEEN_CLIENTS_POLICY =
  "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self'; object-src 'none'; " +
  "frame-ancestors 'none'; base-uri 'none'";
const POLICY = `${BETWEEN_CLIENTS_POLICY}; form-action 'self'`;

function assertSafe({ headers }: Pick<Reply, 'headers'>, what: string): void {
  assert.equal(headers['x-content-type-options'], 'nosniff', what);
  assert.equal(headers['x-frame-options'], 'DENY', what);
  assert.equal(headers['referrer-policy'], 'no-referrer', what);
  assert.equal(headers['cross-origin-opener-policy'], 'same-origin', what);
  assert.equal(headers['content-security-policy'], POLICY, what);
  assert.ok(headers['permissions-policy'], what);
  assert.equal(headers['x-powered-by'], undefined, what);
  assert.equal(headers.server, undefined, what);
}

test('TE-11 every answer of the shell carries the security headers and no-store', async () => {
  await using shell = await startShell({
    routes: [
      (ctx, next) => {
        if (ctx.path === '/broken') throw new Error('broken');
        if (ctx.path === '/cached-then-broken') {
          ctx.set('Cache-Control', 'public');
          throw new Error('broken');
        }
        return ctx.path === '/missing' ? undefined : next();
      },
      mirror,
    ],
  });
  const asked: readonly (readonly [string, number, Record<string, string>?])[] = [
    ['/fine', 200],
    ['/missing', 404],
    ['/broken', 500],
    ['/cached-then-broken', 500],
    ['/healthz', 200],
    ['/readyz', 200],
    ['/fine', 421, { Host: 'evil.example' }],
  ];
  for (const [path, status, headers] of asked) {
    const reply = await shell.ask(path, headers ? { headers } : {});
    assert.equal(reply.status, status, path);
    assertSafe(reply, path);
    assert.equal(reply.headers['cache-control'], 'no-store', path);
    assert.equal(reply.headers['strict-transport-security'], 'max-age=31536000', path);
  }
});

test('answers of the token endpoint also forbid caches of HTTP/1.0 to keep them', async () => {
  await using server = await startServer();
  const ask = (path: string, more: Record<string, string> = {}) =>
    fetch(server.issuer + path, {
      method: 'POST',
      headers: { authorization: basic('machine', server.secretOf('machine')), ...more },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
  const inLane = await ask('/oauth/token');
  const onKoa = await ask('/oauth/token?');
  const refused = await ask('/oauth/token', { authorization: basic('machine', 'wrong') });
  for (const { status, headers } of [inLane, onKoa, refused])
    assert.equal(headers.get('pragma'), 'no-cache', String(status));
  assert.deepEqual([inLane.status, onKoa.status, refused.status], [200, 200, 401]);
  assert.equal((await ask('/oauth/introspect')).headers.get('pragma'), null);
});

test('HSTS is said for an https issuer only', async () => {
  await using shell = await startShell({ issuer: 'http://localhost:3000' });
  assert.equal((await shell.ask('/x')).headers['strict-transport-security'], undefined);
});

test('WB-05 answers of logins and logouts have no form-action and no opener policy', async () => {
  await using server = await startServer();
  const asked: readonly (readonly [string, number, RequestInit?])[] = [
    ['/oauth/authorize?client_id=nobody', 400],
    ['/oauth/authorize/x', 400],
    ['/oauth/authorize', 405, { method: 'PUT' }],
    ['/oauth/logout', 200],
    ['/oauth/logout/success', 200],
    ['/oauth/logout/confirm', 413, { method: 'POST', body: new URLSearchParams({ x: 'x'.repeat(60_000) }) }],
    ['/interaction/x', 400],
    ['/interaction/x/login', 303],
  ];
  for (const [path, status, init] of asked) {
    const { status: given, headers } = await fetch(server.issuer + path, { redirect: 'manual', ...init });
    assert.equal(given, status, path);
    const policy = String(headers.get('content-security-policy'));
    assert.doesNotMatch(policy, /form-action|unsafe/, path);
    assert.match(policy, /frame-ancestors 'none'.*base-uri 'none'/, path);
    assert.match(policy, /object-src 'none'/, path);
    assert.equal(headers.get('cross-origin-opener-policy'), null, path);
    assert.equal(headers.get('x-frame-options'), 'DENY', path);
  }
  for (const path of [
    '/account/password?application=web',
    '/account/applications?application=web',
    '/interactions',
    '/oauth/authorized',
    '/',
  ]) {
    const { headers } = await fetch(server.issuer + path);
    assert.equal(headers.get('content-security-policy'), POLICY, path);
    assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin', path);
  }
});

test('the script of a form_post answer is allowed by its hash', async () => {
  await using server = await startServer();
  const query = new URLSearchParams({
    client_id: 'spa',
    redirect_uri: 'https://app.acme.example/callback',
    response_type: 'code',
    response_mode: 'form_post',
    prompt: 'none',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  const response = await fetch(`${server.issuer}/oauth/authorize?${query}`);
  const policy = String(response.headers.get('content-security-policy'));
  assert.match(await response.text(), /<form method="post" action="https:\/\/app\.acme\.example\/callback">/);
  assert.match(policy, /script-src 'sha256-[\w+/=]{44}'(?:;|$)/);
  assert.doesNotMatch(policy, /form-action/);

  query.set('redirect_uri', 'https://evil.example/callback');
  const refused = await fetch(`${server.issuer}/oauth/authorize?${query}`);
  assert.equal(refused.status, 400);
  assert.equal(refused.headers.get('content-security-policy'), BETWEEN_CLIENTS_POLICY);
});

test('TE-11 tokens and errors of the real server are never cached', async () => {
  await using server = await startServer();
  const answers = [
    await server.token('machine'),
    await server.token('machine', { scope: 'unknown' }),
    await server.post('/oauth/token', undefined, {}),
    await server.post('/oauth/introspect', 'shop-api', { token: 'x' }),
    await server.post('/oauth/revoke', 'machine', { token: 'x' }),
  ];
  for (const path of ['/oauth/userinfo', '/oauth/authorize', '/oauth/authorize?client_id=web', '/nothing']) {
    const { status, headers, ...rest } = await fetch(server.issuer + path, { redirect: 'manual' });
    void rest;
    answers.push({ status, headers, text: path, json: {} });
  }
  for (const { headers, text } of answers) {
    assert.equal(headers.get('cache-control'), 'no-store', text);
    assert.equal(headers.get('referrer-policy'), 'no-referrer', text);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', text);
    assert.match(String(headers.get('x-request-id')), /^[\w-]{36}$/, text);
  }
});
