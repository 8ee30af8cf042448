/** Paths and rules of the adapters for proxies, without a proxy. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createForwardAuth, type ForwardRule } from '../../src/resource-server/forward-auth.ts';
import { access } from '../../src/resource-server/index.ts';
import { findRules, parsePattern } from '../../src/resource-server/path-rules.ts';
import { readRequestPath } from '../../src/resource-server/request-target.ts';
import { openVerifier, RESOURCE } from './open-verifier.ts';

/** The paths of the rules that count. */
function counting(paths: readonly string[], target: string, method = 'GET'): string[] {
  const rules = paths.map((path) => ({ method: 'GET', pattern: parsePattern(path), value: path }));
  return findRules(rules, method, readRequestPath(target));
}

test('PM-10 a path is decoded once and must mean the same to every server', () => {
  assert.deepEqual(readRequestPath('/'), { segments: [], hasEndSlash: true });
  assert.deepEqual(readRequestPath('/%61/b%20c/%C3%A9:@!$/?d=//..%2f'), {
    segments: ['a', 'b c', 'é:@!$'],
    hasEndSlash: true,
  });
  const unplain = ['/', '\\', ';', '%', '?', '#', '\0', '\n', '\x7f', '\u2028', '\u202e', '\ufeff', '\ue000'];
  const alike = ['\uff0f', '\uff3c', '\uff1b', '\uff05', '\u2048', '\u2100', '\u2024'];
  for (const each of [...unplain, ...alike]) {
    assert.throws(
      () => readRequestPath(`/a/b${encodeURIComponent(each)}c/${encodeURIComponent(each)}`),
      each,
    );
  }
  for (const target of [
    ...[
      '',
      'a',
      '*',
      '//',
      '/a//b',
      '///',
      '/.',
      '/..',
      '/a/../b',
      '/a/./b',
      '/a/..',
      '/a.',
      '/a%20',
      '/%20a',
    ],
    ...[
      '/a b',
      '/a\tb',
      '/é',
      '/a\\b',
      '/a;b',
      '/a#b',
      '/a?b#c',
      '/%',
      '/%a',
      '/%zz',
      '/%u0061',
      '/%ff',
      '/%c0%ae',
    ],
    ...['/%ed%a0%80', '/%f5%80%80%80', '/%e9', 'http://a/b', '?a', '\\a', '/a?\x00', '/a?é'],
  ]) {
    assert.throws(
      () => readRequestPath(target),
      { name: 'AccessError', code: 'invalid_request' },
      JSON.stringify(target),
    );
  }
});

test('the most specific rule counts, and both if neither is', () => {
  assert.deepEqual(counting(['/*', '/a/*', '/a/:x', '/a/b'], '/a/b'), ['/a/b']);
  assert.deepEqual(counting(['/*', '/a/*', '/a/:x', '/a/b'], '/a/c'), ['/a/:x']);
  assert.deepEqual(counting(['/*', '/a/*', '/a/:x', '/a/b'], '/a/b/c'), ['/a/*']);
  assert.deepEqual(counting(['/*', '/a/*', '/a/:x', '/a/b'], '/a'), ['/a/*']);
  assert.deepEqual(counting(['/*'], '/'), ['/*']);
  for (const target of ['/a', '/a/', '/a/b', '/a/b/']) {
    assert.deepEqual(counting(['/*', '/a/*'], target), ['/a/*'], target);
  }
  assert.deepEqual(counting(['/a/*', '/a'], '/a'), ['/a']);
  assert.deepEqual(counting(['/:x/c', '/b/:y'], '/b/c'), ['/:x/c', '/b/:y']);
  assert.deepEqual(counting(['/:x/c', '/b/*'], '/b/c'), ['/:x/c', '/b/*']);
  assert.deepEqual(counting(['/:x', '/b/*'], '/b'), ['/:x', '/b/*']);
  assert.deepEqual(counting(['/:x', '/:y'], '/b'), ['/:x', '/:y']);
});

test('GET is about HEAD, and no other method is about two', () => {
  assert.deepEqual(counting(['/a'], '/a', 'HEAD'), ['/a']);
  for (const method of ['get', 'POST', 'OPTIONS', 'GETS', ''])
    assert.deepEqual(counting(['/a'], '/a', method), []);
});

test('a path that is only like that of a rule is not that of a wider rule', () => {
  for (const target of ['/a/B', '/A/b', '/a/b/', '/a/%EF%BD%82', '/%61/%42']) {
    assert.deepEqual(counting(['/a/:x', '/a/*', '/a/b'], target), [], target);
  }
  assert.deepEqual(counting(['/a/*', '/a/b/'], '/a/b'), []);
  assert.deepEqual(counting(['/a/*', '/a/b/'], '/a/b/'), ['/a/b/']);
  assert.deepEqual(counting(['/a/*'], '/a/c/'), ['/a/*']);
});

test('a rule with a path or a method that no request has is refused', () => {
  for (const path of [
    '',
    'a',
    '/a//b',
    '/a/../b',
    '/%61',
    '/a*',
    '/*/a',
    '/:',
    '/a;b',
    '/a?b',
    '/a\\b',
    '/a.',
  ]) {
    assert.throws(() => parsePattern(path), { name: 'TypeError', message: /Write it decoded/ }, path);
  }
  for (const method of ['get', '', '*', 'GET POST']) {
    const rule = { method, path: '/a', access: [] };
    assert.throws(() => createForwardAuth(openVerifier, [rule]), /Write it in capitals, like GET/);
  }
});

const RULES: readonly ForwardRule[] = [
  { method: 'GET', path: '/orders', table: 'orders', action: 'read' },
  { method: 'DELETE', path: '/orders', table: 'orders', action: 'delete' },
  { method: 'GET', path: '/me', access: [] },
  { method: 'GET', path: '/:open', access: access.public() },
  { method: 'GET', path: '/both/:x', access: access.public() },
  { method: 'GET', path: '/:x/both', access: [] },
];

test('without a token, an empty list of rules beside a public one is private', async () => {
  const { handle } = createForwardAuth(openVerifier, RULES);
  const ask = async (target: string) =>
    (
      await handle(
        new Request(RESOURCE, { headers: { 'x-original-method': 'GET', 'x-original-uri': target } }),
      )
    ).status;
  assert.deepEqual(
    [await ask('/health'), await ask('/me'), await ask('/both/x'), await ask('/both/both')],
    [200, 401, 200, 401],
  );
});

test('a challenge names the scopes of all rules of a path', async () => {
  const both = [access.require('orders', 'read'), access.require('products', 'read')];
  const { handle } = createForwardAuth(openVerifier, [{ method: 'GET', path: '/joined', access: both }]);
  const headers = { 'x-original-method': 'GET', 'x-original-uri': '/joined' };
  for (const [status, sent] of [
    [401, headers],
    [403, { ...headers, authorization: 'Bearer x' }],
  ] as const) {
    const answer = await handle(new Request(RESOURCE, { headers: sent }));
    assert.equal(answer.status, status);
    assert.match(answer.headers.get('www-authenticate') ?? '', / scope="orders:read products:read", /);
  }
});

test('a handler of Fetch answers as the listener does', async (t) => {
  const { handle, listener } = createForwardAuth(openVerifier, RULES);
  const server = createServer(listener).listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bearer = { authorization: 'Bearer x' };
  const original = (method: string, uri: string) => ({ 'x-original-method': method, 'x-original-uri': uri });
  for (const [status, headers, path = '/'] of [
    [200, { ...original('GET', '/orders?a=b'), ...bearer }],
    [200, { ...original('HEAD', '/orders'), authorization: 'Bearer caf%C3' }],
    [403, { ...original('DELETE', '/orders'), ...bearer }],
    [403, { ...original('POST', '/nowhere'), ...bearer }],
    [401, original('POST', '/nowhere')],
    [403, { ...original('GET', '/a/../orders'), ...bearer }],
    [403, { ...original('GET', '/a?access_token=b'), ...bearer }],
    [403, { ...original('GET', '/orders'), ...bearer, 'x-http-method-override': '' }],
    [403, { ...original('GET', '/orders'), ...bearer, x_http_method_override: 'DELETE' }],
    [403, { ...original('GET', '/orders'), ...bearer, 'x.http.method': 'DELETE' }],
    [403, { ...original('GET', '/orders'), authorization: 'Bearer x, Bearer y' }],
    [500, bearer],
    [500, { 'x-original-uri': '/orders', ...bearer }],
    [200, {}, '/.well-known/oauth-protected-resource'],
  ] as readonly [number, Record<string, string>, string?][]) {
    const [one, other] = await Promise.all([
      handle(new Request(new URL(path, RESOURCE), { headers })),
      fetch(url + path, { headers }),
    ]);
    assert.deepEqual([one.status, other.status], [status, status], JSON.stringify(headers));
    assert.equal(await one.text(), await other.text());
    for (const [name, value] of one.headers) assert.equal(other.headers.get(name), value, name);
  }
});

test('Envoy sends the request itself behind a prefix, and gets 400 as it is', async (t) => {
  const { listener } = createForwardAuth(openVerifier, RULES, { proxy: 'envoy', prefix: '/authz' });
  const server = createServer(listener).listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const [status, method, path, more = {}] of [
    [200, 'GET', '/authz/orders?a=b'],
    [200, 'HEAD', '/authz/orders'],
    [200, 'GET', '/authz/open'],
    [403, 'DELETE', '/authz/orders'],
    [403, 'GET', '/authz/', { 'x-original-uri': '/orders' }],
    [400, 'GET', '/authz//orders'],
    [400, 'GET', '/authz/open/../orders'],
    [400, 'GET', '/authz/open%2f..%2forders'],
    [400, 'GET', '/authz/open', { 'x-method-override': 'DELETE' }],
    [400, 'GET', '/authz/open?_method=DELETE'],
    [500, 'GET', '/orders'],
    [500, 'GET', '/authzorders'],
  ] as readonly [number, string, string, Record<string, string>?][]) {
    const headers = { authorization: 'Bearer x', ...more };
    const sent = request({ host: '127.0.0.1', port, method, path, agent: false, headers }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, status, `${method} ${path}`);
    // What the client sent under these names is replaced.
    if (status === 200) assert.equal(response.headers['x-grantable-subject'], 'client:x');
  }
  const sent = request({ host: '127.0.0.1', port, path: '/authz/open', agent: false }).end();
  const [{ headers, statusCode }] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(statusCode, 200);
  const said = ['subject', 'client', 'limits'].map((name) => headers[`x-grantable-${name}`]);
  assert.deepEqual(said, ['', '', ''], 'nothing that the client says of itself is left');
});
