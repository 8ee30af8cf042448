import assert from 'node:assert/strict';
import { test } from 'node:test';
import { basic, startServer } from '../support/server.ts';
import { type AskOptions, askAt, HOST, ISSUER, mirror, startShell } from './shell.ts';

const EVIL = 'evil.example';

function head(requestLine: string, ...headers: string[]): string {
  return [requestLine, ...headers, 'Connection: close', '', ''].join('\r\n');
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

test('HD-01 a request for another host gets 421 before anybody sees it', async (t) => {
  const seen: string[] = [];
  await using shell = await startShell({
    routes: [
      (ctx, next) => {
        seen.push(ctx.path);
        return next();
      },
      mirror,
    ],
  });
  const hosts = [
    EVIL,
    `${HOST}@${EVIL}`,
    `${EVIL}@${HOST}`,
    `${HOST}.`,
    `${HOST}:8443`,
    `${HOST}:443:443`,
    `${HOST}, ${EVIL}`,
    `x.${HOST}`,
    `${HOST}.${EVIL}`,
    `${HOST}/`,
    `${HOST}#`,
    '127.0.0.1',
    `127.0.0.1:${shell.port}`,
    '[::1]',
    '',
  ];
  for (const host of hosts) {
    await t.test(`Host: ${host}`, async () => {
      const answer = await shell.raw(head('GET /oauth/authorize HTTP/1.1', `Host: ${host}`));
      assert.equal(statusOf(answer), 421);
      assert.match(answer, /"error":"misdirected_request"/);
      assert.doesNotMatch(answer, /evil|Set-Cookie/i);
    });
  }
  const lines: readonly (readonly [string, string, string[]])[] = [
    ['an absolute request line', `GET http://${EVIL}/oauth/token HTTP/1.1`, [`Host: ${HOST}`]],
    [
      'an absolute request line for our host with another Host header',
      `GET ${ISSUER}/oauth/token HTTP/1.1`,
      [`Host: ${EVIL}`],
    ],
    [
      'an absolute request line with a name before our host',
      `GET https://${EVIL}@${HOST}/oauth/token HTTP/1.1`,
      [`Host: ${HOST}`],
    ],
    ['another scheme', `GET ftp://${HOST}/oauth/token HTTP/1.1`, [`Host: ${HOST}`]],
    ['two Host headers', 'GET / HTTP/1.1', [`Host: ${HOST}`, `Host: ${EVIL}`]],
    ['two equal Host headers', 'GET / HTTP/1.1', [`Host: ${HOST}`, `hOST: ${HOST}`]],
    ['no Host header', 'GET / HTTP/1.1', []],
    ['no Host header in HTTP/1.0', 'GET / HTTP/1.0', []],
    ['an asterisk', 'OPTIONS * HTTP/1.1', [`Host: ${HOST}`]],
    ['a folded Host header', 'GET / HTTP/1.1', [`Host: ${HOST}\r\n ${EVIL}`]],
    ['a blank before the colon', 'GET / HTTP/1.1', [`Host : ${EVIL}`, `Host: ${HOST}`]],
  ];
  for (const [what, line, headers] of lines) {
    await t.test(what, async () => {
      const answer = await shell.raw(head(line, ...headers));
      assert.equal(statusOf(answer), 400);
      assert.doesNotMatch(answer, /evil/i);
    });
  }
  assert.deepEqual(seen, []);
});

test('a header with one value is refused with two, of which a proxy may read another', async () => {
  await using shell = await startShell({ routes: [mirror] });
  const ask = async (...headers: string[]) =>
    statusOf(await shell.raw(head('GET /oauth/userinfo HTTP/1.1', `Host: ${HOST}`, ...headers)));
  assert.equal(await ask('Authorization: Bearer a', 'aUTHORIZATION: Bearer b'), 400);
  assert.equal(await ask('Content-Type: text/plain', 'Content-Type: application/json'), 400);
  assert.equal(await ask('Authorization: Bearer a', 'Authorization: Bearer a'), 200);
  assert.equal(await ask('Authorization: Bearer a', 'Content-Type: text/plain'), 200);
});

test('HD-01 an absolute request line is served only with the configured host', async () => {
  await using shell = await startShell({
    routes: [
      (ctx) => {
        ctx.body = { path: ctx.path, query: ctx.query, url: ctx.req.url, original: ctx.originalUrl };
      },
    ],
  });
  for (const start of [ISSUER, `http://${HOST}`, `HTTPS://${HOST.toUpperCase()}`]) {
    const answer = await shell.raw(head(`GET ${start}/oauth/token?a=1 HTTP/1.1`, `Host: ${HOST}`));
    assert.equal(statusOf(answer), 200, start);
    const url = '/oauth/token?a=1';
    const said = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
    assert.deepEqual(said, { path: '/oauth/token', query: { a: '1' }, url, original: url });
  }
  const root = await shell.raw(head(`GET ${ISSUER} HTTP/1.1`, `Host: ${HOST}`));
  assert.match(root, /"url":"\/"/);
  const other = await shell.raw(head(`GET https://${EVIL}/oauth/token HTTP/1.1`, `Host: ${EVIL}`));
  assert.equal(statusOf(other), 421);
});

test('HD-01 the default port and capitals are the same host', async () => {
  await using shell = await startShell({ routes: [mirror] });
  for (const host of [HOST, `${HOST}:443`, HOST.toUpperCase()]) {
    assert.equal((await shell.ask('/x', { headers: { Host: host } })).status, 200, host);
  }
  assert.equal((await shell.ask('/x', { headers: { Host: `${HOST}:80` } })).status, 421);
});

test('HD-01 downstream sees the issuer only, whatever forwarding headers say', async (t) => {
  const forged = {
    'X-Forwarded-Host': EVIL,
    'X-Forwarded-Proto': 'gopher',
    'X-Forwarded-Port': '666',
    'X-Forwarded-Server': EVIL,
    'X-Original-URL': `http://${EVIL}/`,
    Forwarded: `host=${EVIL};proto=gopher;for=203.0.113.9`,
  };
  for (const trustedProxies of [[], ['127.0.0.1']]) {
    await t.test(trustedProxies.length > 0 ? 'from a trusted proxy' : 'from anybody', async () => {
      await using shell = await startShell({ trustedProxies, routes: [mirror] });
      const { json, headers, text } = await shell.ask('/a/b?c=d', { headers: forged });
      assert.equal(json.href, `${ISSUER}/a/b?c=d`);
      assert.equal(json.url, `${ISSUER}/a/b?c=d`);
      assert.equal(json.host, HOST);
      assert.equal(json.hostname, HOST);
      assert.equal(json.hostHeader, HOST);
      assert.equal(json.protocol, 'https');
      assert.equal(json.secure, true);
      assert.equal(json.address, '127.0.0.1');
      assert.match(String(headers['set-cookie']), /; secure/i);
      assert.doesNotMatch(text + JSON.stringify(headers), /evil|gopher|666/);
    });
  }
});

test('HD-01 further hosts answer on the back channel only, and still see the issuer', async () => {
  const hosts = ['grantable.internal', '10.0.0.7:3000'];
  await using shell = await startShell({ hosts, routes: [mirror] });
  const ask = (path: string, host: string) => shell.ask(path, { headers: { Host: host } });
  for (const path of [
    '/oauth/token',
    '/oauth/introspect',
    '/oauth/revoke',
    '/oauth/jwks',
    '/.well-known/openid-configuration',
  ]) {
    const { status, json } = await ask(path, 'grantable.internal:8080');
    assert.equal(status, 200, path);
    assert.equal(json.href, ISSUER + path);
    assert.equal(json.host, HOST);
    assert.equal(json.hostHeader, HOST);
  }
  assert.equal((await ask('/oauth/token', '10.0.0.7:3000')).status, 200);
  assert.equal((await ask('/oauth/token', '10.0.0.7:3001')).status, 421);
  assert.equal((await ask('/oauth/token', '10.0.0.7')).status, 421);
  for (const path of ['/oauth/authorize', '/oauth/userinfo', '/interaction/x', '/account/password', '/']) {
    assert.equal((await ask(path, 'grantable.internal')).status, 421, path);
  }
});

test('HD-01 nothing that the real server says names a forged host', async () => {
  await using server = await startServer({ env: { GRANTABLE_TRUSTED_PROXIES: '127.0.0.1' } });
  const forged = { 'X-Forwarded-Host': EVIL, 'X-Forwarded-Proto': 'https', Forwarded: `host=${EVIL}` };
  const query = new URLSearchParams({
    client_id: 'web',
    redirect_uri: 'https://app.acme.example/callback',
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  for (const path of [
    '/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server',
    `/oauth/authorize?${query}`,
    '/oauth/logout',
  ]) {
    const response = await fetch(server.issuer + path, { redirect: 'manual', headers: forged });
    const all = JSON.stringify([...response.headers]) + (await response.text());
    assert.ok(response.status < 500, path);
    assert.doesNotMatch(all, /evil|https:\/\/localhost/, path);
  }
  const metadata: any = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json();
  assert.equal(metadata.issuer, server.issuer);
  assert.equal(metadata.token_endpoint, `${server.issuer}/oauth/token`);
});

test('HD-01 behind a TLS proxy, URLs and cookies are those of the https issuer', async () => {
  const issuer = 'https://id.acme.example';
  await using server = await startServer({
    env: { GRANTABLE_ISSUER: issuer, GRANTABLE_TRUSTED_PROXIES: '127.0.0.1' },
  });
  const port = Number(new URL(server.issuer).port);
  const ask = (path: string, options: AskOptions = {}) =>
    askAt(port, path, {
      ...options,
      headers: { Host: HOST, 'X-Forwarded-Proto': 'http', ...options.headers },
    });
  const { json: metadata } = await ask('/.well-known/openid-configuration');
  for (const [name, value] of Object.entries(metadata)) {
    if (name.endsWith('_endpoint') || name === 'jwks_uri')
      assert.ok(String(value).startsWith(`${issuer}/`), name);
  }
  const query = new URLSearchParams({
    client_id: 'web',
    redirect_uri: 'https://app.acme.example/callback',
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  const { status, headers } = await ask(`/oauth/authorize?${query}`);
  assert.equal(status, 303);
  const cookies = headers['set-cookie'] ?? [];
  assert.ok(cookies.length > 0);
  for (const cookie of cookies) assert.match(cookie, /; secure/i, cookie);
  assert.equal(headers['strict-transport-security'], 'max-age=31536000');

  const token = await ask('/oauth/token', {
    method: 'POST',
    headers: {
      Authorization: basic('machine', server.secretOf('machine')),
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  assert.equal(token.status, 200);
  const [, claims = ''] = token.json.access_token.split('.');
  assert.equal(JSON.parse(Buffer.from(claims, 'base64url').toString()).iss, issuer);
});
