/** A real nginx with the configuration of the guide, before an API that says what it got. Paths are sent as they are. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { posix } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createForwardAuth, type ForwardRule } from '../../src/resource-server/forward-auth.ts';
import { access, createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { type Nginx, nginxMissing, startNginx } from '../support/nginx.ts';
import fc from '../support/properties.ts';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';

const GUIDE = new URL('../../docs/guides/proxies.md', import.meta.url);

const RULES: readonly ForwardRule[] = [
  { method: 'GET', path: '/health', access: access.public() },
  { method: 'GET', path: '/files/*', access: access.public() },
  { method: 'GET', path: '/files/secret/*', table: 'orders', action: 'read' },
  { method: 'GET', path: '/files/private/*', table: 'orders', action: 'read' },
  { method: 'GET', path: '/files/café/*', table: 'orders', action: 'read' },
  { method: 'GET', path: '/orders', access: access.requireAny('orders', 'read') },
  { method: 'GET', path: '/orders/:id', table: 'orders', action: 'read' },
  { method: 'DELETE', path: '/orders/:id', table: 'orders', action: 'delete' },
  { method: 'DELETE', path: '/files/:name', access: access.public() },
  { method: 'GET', path: '/docs/*', table: 'orders', action: 'read' },
  { method: 'GET', path: '/docs/open', access: access.public() },
  { method: 'GET', path: '/admin/*', table: 'orders', action: 'delete' },
];

/** What only a token with rights reaches. */
const PROTECTED = ['/orders', '/docs', '/admin', '/files/secret', '/files/private', '/files/café'];

interface Reached {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Every path that some server would read in this target. */
function readingsOf(target: string): Set<string> {
  const steps: readonly ((path: string) => string)[] = [
    (path) => path.replace(/[?#\0].*$/s, ''),
    (path) =>
      path.replaceAll(/%u?([\dA-Fa-f]{2,4})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    (path) => (/[^\0-\xff]/.test(path) ? path : Buffer.from(path, 'latin1').toString('utf8')),
    // As an old decoder reads two bytes that are too many.
    (path) =>
      path.replaceAll(/\xC0(.)/gs, (_, next: string) => String.fromCharCode(next.charCodeAt(0) & 0x7f)),
    (path) => path.normalize('NFKC'),
    (path) => path.toLowerCase(),
    (path) => path.replaceAll('\\', '/'),
    (path) => path.replaceAll(/\/{2,}/g, '/'),
    (path) => path.replaceAll(/;[^/]*/g, ''),
    (path) => path.replaceAll(/[\s.]+(?=\/|$)/g, ''),
    (path) => path.replaceAll(/\p{C}/gu, ''),
    (path) => posix.normalize(path),
    (path) => path.replace(/\/$/, ''),
  ];
  const found = new Set([target]);
  for (const path of found) for (const step of steps) found.add(step(path));
  return found;
}

const isProtected = (target: string): boolean =>
  [...readingsOf(target)].some((path) => PROTECTED.some((each) => `${path}/`.startsWith(`${each}/`)));

const HOSTILE = [
  // Dot segments, in every encoding.
  '/files/../orders/1',
  '/files/./../orders/1',
  '/files/%2e%2e/orders/1',
  '/files/%2E./orders/1',
  '/files/.%2e/orders/1',
  '/files/%2e%2e%2forders/1',
  '/files/..%2forders%2f1',
  '/files/..%2Forders/1',
  '/files/%252e%252e/orders/1',
  '/files/%252e%252e%252forders%252f1',
  '/files/%25%32%65%25%32%65/orders/1',
  '/files/..;/orders/1',
  '/files/..;x=y/orders/1',
  '/files/;/../orders/1',
  '/files/.../...//orders/1',
  '/files/..%00/orders/1',
  '/files/..%0d/orders/1',
  '/files/..%20/orders/1',
  '/files/%E2%80%A5/orders/1',
  '/files/%EF%BC%8E%EF%BC%8E/orders/1',
  '/files/%c0%ae%c0%ae/orders/1',
  '/files/%u002e%u002e/orders/1',
  '/./orders/1',
  '/%2e/orders/1',
  '/files/a/../../orders/1',
  '/files/../files/../orders/1',
  // Slashes and what is taken for one.
  '//orders/1',
  '/files//../orders/1',
  '///orders/1',
  '/files/..\\orders\\1',
  '/files/..%5corders%5c1',
  '/files\\..\\orders/1',
  '/files/%5c..%5c..%5corders/1',
  '/files/..%c0%aforders/1',
  '/files/..%EF%BC%8Forders',
  '/%2forders/1',
  '/%5corders/1',
  '/orders%2f1',
  '/files/private%2fa',
  '/files/private%252fa',
  '/files//private/a',
  '/files/./private/a',
  '/files/x/../private/a',
  '/files/%2e/private/a',
  // Names that some servers take for another.
  '/files/secret/',
  '/files/SECRET',
  '/files/Secret',
  '/files/s%65cret',
  '/files/%73%65%63%72%65%74',
  '/files/secret%20',
  '/files/%20secret',
  '/files/secret.',
  '/files/secret..',
  '/files/secret%2e',
  '/files/secret%00',
  '/files/secret%00.txt',
  '/files/secret%0a',
  '/files/secret%09',
  '/files/secret;.txt',
  '/files/secret%3b.txt',
  '/files/secret%3fa',
  '/files/secret%23a',
  '/files/secret#a',
  '/files/secret?a',
  '/files/secre%C5%A3%00',
  '/files/%EF%BD%93ecret',
  '/files/%C5%BFecret',
  '/files/se%C2%ADcret',
  '/files/se%E2%80%8Bcret',
  '/files/%73ecret/',
  '/files/private',
  '/files/private/',
  '/files/PRIVATE',
  '/files/PRIVATE/a',
  '/files/private;x/a',
  '/files/private/a;x',
  '/files/priv%61te/a',
  '/files/cafe%CC%81',
  '/files/caf%C3%89',
  '/files/caf%E9',
  '/files/caf\xe9',
  '/Orders/1',
  '/ORDERS',
  '/orders/',
  '/orders/1/',
  '/ord%65rs/1',
  '/%6Frders/1',
  '/orders?a=b',
  '/orders#/files/a',
  '/orders%23/files/a',
  '/orders;/files/a',
  // Names that some servers do not take for one that is public.
  '/docs/OPEN',
  '/docs/open/',
  '/docs/%EF%BD%8Fpen',
  // Other targets.
  'http://localhost/orders/1',
  'http://localhost/files/../orders/1',
  'http://localhost//orders/1',
  'http://files/orders/1',
  'https:/orders/1',
  'orders/1',
  '*',
  '?/files/a',
  '/',
  '/_grantable',
  '/_grantabl%65',
  '/%5fgrantable',
  '/.well-known/oauth-protected-resource/../../orders/1',
  '/.well-known/oauth-protected-resource%2f..%2f..%2forders%2f1',
];

/** Of which paths are put together at random. */
const PIECES = [
  ...[
    '/',
    '/files',
    '/files/',
    'secret',
    'private',
    '/orders',
    '/orders/1',
    '/docs',
    'open',
    '/admin/x',
    'x',
    'S',
  ],
  ...[
    '.',
    '..',
    '../',
    '/..',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '\\',
    ';x',
    '%3b',
    '%00',
    '%20',
    '%09',
    '%25',
    '%252e',
  ],
  ...[
    '#',
    '?',
    '%23',
    '%3f',
    '%c0%ae',
    '%c0%af',
    '%ff',
    '%6f',
    '%73',
    '%53',
    '~',
    ':',
    '@',
    '*',
    '%CC%81',
    '%C2%AD',
  ],
  ...[
    '%EF%BC%8F',
    '%EF%BC%8E',
    '%E2%80%A5',
    '%E2%80%8B',
    '%EF%BD%93',
    '%C5%BF',
    '%E2%84%AA',
    '%F0%9D%90%A8',
    '%C2%A0',
  ],
];

describe('nginx with the configuration of the guide', { skip: nginxMissing() }, () => {
  let server: TestServer;
  let verifier: Verifier;
  let auth: Server;
  let api: Server;
  let nginx: Nginx;
  let reached: Reached[];
  let seller: string;
  let stranger: string;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        const [orders] = fixture.organizations[0].resources[0].tables;
        orders.columns = [{ name: 'region', type: 'text' }];
      },
    });
    verifier = createVerifier({
      issuer: server.issuer,
      resource: RESOURCE,
      clientId: 'shop-api',
      clientSecret: server.secretOf('shop-api'),
      mode: 'introspection',
    });
    auth = createServer(createForwardAuth(verifier, RULES).listener).listen(0, '127.0.0.1');
    api = createServer(({ method = '', url = '', headers }, response) => {
      reached.push({ method, url, headers });
      response.end('reached');
    }).listen(0, '127.0.0.1');
    await Promise.all([once(auth, 'listening'), once(api, 'listening')]);
    const [, configuration = ''] = /```nginx\n([\s\S]*?)```/.exec(await readFile(GUIDE, 'utf8')) ?? [];
    nginx = await startNginx({ grantable_auth: portOf(auth), shop_api: portOf(api) }, configuration);
    seller = (await server.token('machine')).json.access_token;
    stranger = await tokenFor({ tables: ['products'], actions: ['read'] });
  });
  after(async () => {
    await nginx?.[Symbol.asyncDispose]();
    for (const each of [auth, api]) {
      each.closeAllConnections();
      each.close();
    }
    await server[Symbol.asyncDispose]();
  });

  const portOf = (each: Server): number => (each.address() as AddressInfo).port;

  async function tokenFor(limit: object): Promise<string> {
    const details = JSON.stringify([{ type: 'table_access_set', ...limit }]);
    return (await server.token('machine', { authorization_details: details })).json.access_token;
  }

  /** Sends the target as it is. */
  async function send(target: string, token?: string, more: readonly string[] = [], method = 'GET') {
    reached = [];
    const connection = connect(nginx.socket);
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: api.acme.example', 'Connection: close', ...more];
    if (token !== undefined) lines.push(`Authorization: Bearer ${token}`);
    connection.write(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
    const answer = Buffer.concat(await connection.toArray()).toString('latin1');
    const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
    const headers = head
      .split('\r\n')
      .slice(1)
      .map((line) => line.replace(/^[\w-]+/, (name) => name.toLowerCase()));
    return {
      status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]),
      body,
      of: (name: string) =>
        headers.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)),
    };
  }

  test('an allowed request reaches the API with who calls and the limits', async () => {
    const limited = await tokenFor({ tables: ['orders'], actions: ['read'], rows: { region: ['eu', 'ö'] } });
    const forged = ['X-Grantable-Subject: a', 'x-grantable-limits: b', 'X_Grantable_Client: c'];
    assert.equal((await send('/orders?sort=id', limited, forged)).status, 200);
    const [{ url, headers } = assert.fail()] = reached;
    assert.equal(url, '/orders?sort=id');
    assert.match(String(headers['x-grantable-subject']), /^client:/);
    assert.equal(headers['x-grantable-client'], 'machine');
    assert.deepEqual(JSON.parse(String(headers['x-grantable-limits'])), {
      orders: { read: [{ rows: { region: ['eu', 'ö'] } }] },
    });
    assert.equal(headers.authorization, undefined);
    assert.equal(headers.x_grantable_client, undefined);

    assert.equal((await send('/orders/1', limited)).status, 403, 'a limited right is not the right');
    assert.equal((await send('/orders/1', seller)).status, 200);
    assert.equal(reached[0]?.headers['x-grantable-limits'], '{"orders":{"read":[{}]}}');
    assert.equal((await send('/orders/1', seller, [], 'HEAD')).status, 200);
    assert.equal((await send('/health', undefined, forged)).status, 200);
    const names = Object.keys(reached[0]?.headers ?? {});
    assert.deepEqual(
      names.filter((name) => /grantable|original/.test(name)),
      [],
    );
  });

  test('limits reach the API whole, or the request is refused', async () => {
    const limitedTo = (length: number) => {
      const region = Array.from({ length: 80 }, (_, index) => `${index}`.padEnd(length, 'x'));
      return tokenFor({ tables: ['orders'], actions: ['read'], rows: { region } });
    };
    assert.equal((await send('/orders', await limitedTo(95))).status, 200);
    const limits = JSON.parse(String(reached[0]?.headers['x-grantable-limits']));
    assert.equal(limits.orders.read[0].rows.region.length, 80);
    const { status, body } = await send('/orders', await limitedTo(98));
    assert.equal(status, 403);
    assert.match(body, /The limits of the token are too long for a header/);
    assert.equal(reached.length, 0);
  });

  test('a refused request gets the challenge and the body of the bindings', async () => {
    const metadata = `${RESOURCE}.well-known/oauth-protected-resource`;
    const none = await send('/orders');
    assert.equal(none.status, 401);
    assert.deepEqual(none.of('www-authenticate'), [
      `Bearer scope="orders:read", resource_metadata="${metadata}"`,
    ]);
    assert.equal(JSON.parse(none.body).error, 'missing_token');
    const weak = await send('/orders/1', seller, [], 'DELETE');
    assert.equal(weak.status, 403);
    assert.deepEqual(weak.of('www-authenticate'), [
      'Bearer error="insufficient_scope", ' +
        'error_description="The token does not allow to delete rows of orders.", scope="orders:delete", ' +
        `resource_metadata="${metadata}"`,
    ]);
    assert.deepEqual(JSON.parse(weak.body), {
      error: 'insufficient_scope',
      error_description: 'The token does not allow to delete rows of orders.',
    });
    assert.deepEqual(weak.of('cache-control'), ['no-store']);
    assert.deepEqual(weak.of('content-type'), ['application/json; charset=utf-8']);
    assert.equal((await send('/nowhere')).status, 401);
    assert.equal((await send('/nowhere', seller)).status, 403);
    assert.equal((await send('/orders/1', seller, [], 'PUT')).status, 403);
    const two = await send('/orders/1', seller, [`Authorization: Bearer ${seller}`]);
    assert.ok([400, 403].includes(two.status), 'some versions of nginx refuse it themselves');
    assert.equal((await send(`/orders/1?access_token=${seller}`)).status, 403);
    assert.equal(reached.length, 0);
  });

  test('the metadata of the resource is served to every client', async () => {
    const { status, body } = await send('/.well-known/oauth-protected-resource');
    assert.equal(status, 200);
    assert.ok(body.includes(`{"resource":"${RESOURCE}",`), body);
  });

  test('a token that cannot be checked is a 503, and nothing reaches the API', async () => {
    const away = createForwardAuth(
      { ...verifier, verify: () => Promise.reject(new Error('Broken.')) },
      RULES,
    );
    const broken = createServer(away.listener).listen(0, '127.0.0.1');
    await once(broken, 'listening');
    const [, configuration = ''] = /```nginx\n([\s\S]*?)```/.exec(await readFile(GUIDE, 'utf8')) ?? [];
    const before = nginx;
    await using other = await startNginx(
      { grantable_auth: portOf(broken), shop_api: portOf(api) },
      configuration,
    );
    nginx = other;
    try {
      assert.equal((await send('/orders', seller)).status, 503);
      broken.closeAllConnections();
      await new Promise((resolve) => broken.close(resolve));
      const { status, of } = await send('/orders', seller);
      assert.deepEqual([status, of('retry-after')], [503, ['1']]);
      assert.equal(reached.length, 0);
    } finally {
      nginx = before;
    }
  });

  test('PM-10 no hostile path leads a client without rights to what is protected', async () => {
    assert.ok(HOSTILE.length >= 60);
    for (const target of HOSTILE) {
      for (const token of [undefined, stranger]) {
        const { status } = await send(target, token);
        for (const { url } of reached) assert.ok(!isProtected(url), `${target} reached the API as ${url}`);
        assert.ok([400, 401, 403, 404].includes(status), `${target}: ${status}`);
      }
      await send(target, seller);
      for (const { url } of reached) {
        assert.ok(
          [...readingsOf(url)].every((path) => !path.startsWith('/admin')),
          `${target} reached the API as ${url}`,
        );
      }
    }
  });

  test('PM-10 no path that is put together at random does either', async () => {
    const start = fc.constantFrom('/files/', '/files', '/docs/', '/', '');
    const rest = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 5 });
    const target = fc.tuple(start, rest).map(([first, more]) => first + more.join(''));
    const isPublic = (url: string) => /^\/docs\/open(?:\?|$)/.test(url);
    await fc.assert(
      fc.asyncProperty(target, async (sent) => {
        await send(sent, stranger);
        for (const { url } of reached)
          assert.ok(isPublic(url) || !isProtected(url), `reached the API as ${url}`);
      }),
      { numRuns: process.env.GRANTABLE_TEST_LONG ? 5000 : 500 },
    );
  });

  test('plain spellings of one path are that path, for those who may', async () => {
    for (const target of [
      '/orders/1',
      '/%6Frders/%31',
      '/files/secret',
      '/files/s%65cret',
      '/files/caf%C3%A9',
    ]) {
      assert.equal((await send(target, seller)).status, 200, target);
      assert.equal((await send(target, stranger)).status, 403, target);
    }
    for (const target of [
      '/files/a.txt',
      '/files/a%20b/c.txt',
      '/files/a/',
      '/files/%C3%A9?x=%2f..#'.slice(0, -1),
    ]) {
      assert.equal((await send(target)).status, 200, target);
      assert.equal(reached[0]?.url, target);
    }
  });

  test('PM-10 overrides of the method or the path are refused in headers and query', async () => {
    for (const name of [
      'X-HTTP-Method-Override',
      'x-http-method',
      'X-Method-Override',
      'X-Original-URL',
      'X-Rewrite-URL',
    ]) {
      assert.equal((await send('/files/a', seller, [`${name}: DELETE`])).status, 403, name);
      assert.equal((await send('/files/a', seller, [`${name}:`])).status, 403, name);
    }
    for (const query of [
      '_method=DELETE',
      'a=1&%5Fmethod=DELETE',
      'a=1;_METHOD=x',
      '_method[]=x',
      '+_method=x',
      '.method=x',
      '_method%00x=x',
      'x_http.method-override=x',
    ]) {
      assert.equal((await send(`/files/a?${query}`, seller)).status, 403, query);
    }
    assert.equal(reached.length, 0);
    for (const name of ['X-Original-URI', 'X-Original-Method', 'X_Http_Method_Override']) {
      assert.equal((await send('/files/a', seller, [`${name}: /orders/1`])).status, 200, name);
      assert.equal(reached[0]?.headers[name.toLowerCase()], undefined, 'nginx drops it');
    }
  });
});
