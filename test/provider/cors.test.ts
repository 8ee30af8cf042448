/** What pages of other origins may read: answers to their own client, and failures wherever they may ask. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { switchOnFaces } from '../support/faces.ts';
import { basic, RESOURCE, startServer, type TestServer } from '../support/server.ts';

const SPA = 'https://app.acme.example';
const SHOP = 'https://shop.acme.example';
const APP = 'capacitor://localhost';
const EXTENSION = 'chrome-extension://abcdefghijklmnopabcdefghijklmnop';
const UNLISTED = ['https://evil.example', 'null', 'https://app.acme.example:8443', 'ionic://localhost'];

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };

describe('pages of other origins', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      env: { GRANTABLE_FACE_PREFIXES: 'fusio=/legacy/fusio' },
      fixture({ organizations: [acme] }) {
        const find = (name: string) => acme.applications.find((one: { name: string }) => one.name === name);
        Object.assign(find('spa'), { allowedOrigins: [SPA, APP, EXTENSION] });
        Object.assign(find('shop'), { allowedOrigins: [SHOP] });
        switchOnFaces(acme);
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const ask = (
    origin: string,
    [method, path, body, headers = {}]: readonly [
      string,
      string,
      (string | undefined)?,
      Record<string, string>?,
    ],
  ) =>
    fetch(server.issuer + path, {
      method,
      headers: { ...FORM_TYPE, ...headers, origin },
      redirect: 'manual',
      ...(body !== undefined && { body }),
    });
  const readerOf = ({ headers }: Response) => headers.get('access-control-allow-origin');

  const failures: readonly (readonly [
    string,
    number,
    readonly [string, string, (string | undefined)?, Record<string, string>?],
  ])[] = [
    ['userinfo: no token', 401, ['GET', '/oauth/userinfo']],
    ['userinfo: a bad token', 401, ['GET', '/oauth/userinfo', undefined, { authorization: 'Bearer x' }]],
    ['token: an unknown client', 401, ['POST', '/oauth/token', 'grant_type=x&client_id=x&client_secret=y']],
    ['token: no client', 401, ['POST', '/oauth/token', 'grant_type=client_credentials']],
    ['token: too large', 413, ['POST', '/oauth/token', `a=${'x'.repeat(60_000)}`]],
    ['token: compressed', 415, ['POST', '/oauth/token', 'a=b', { 'content-encoding': 'gzip' }]],
    ['token: JSON', 400, ['POST', '/oauth/token', '{}', JSON_TYPE]],
    ['token: a wrong method', 405, ['PUT', '/oauth/token']],
    ['revoke: an unknown client', 401, ['POST', '/oauth/revoke', 'token=x&client_id=x']],
    ['sunbreak: a wrong method', 404, ['GET', '/api/auth/subscribe']],
    ['sunbreak: broken JSON', 400, ['POST', '/api/auth/subscribe', '{', JSON_TYPE]],
    [
      'sunbreak: too large',
      413,
      ['POST', '/api/auth/subscribe', `{"a":"${'x'.repeat(2 ** 20)}"}`, JSON_TYPE],
    ],
    ['api maker: a wrong method', 404, ['GET', '/api/system-api/acme/token']],
    ['api maker: an unknown organization', 404, ['POST', '/api/system-api/nobody/token', '{}', JSON_TYPE]],
    ['usergrid: a wrong method', 404, ['DELETE', '/acme/shop/token']],
    ['usergrid: an unknown organization', 404, ['POST', '/nobody/shop/token', '{}', JSON_TYPE]],
    ['fusio: a wrong method', 404, ['DELETE', '/legacy/fusio/consumer/login']],
    [
      'fusio: compressed',
      415,
      ['POST', '/legacy/fusio/consumer/login', '{}', { ...JSON_TYPE, 'content-encoding': 'gzip' }],
    ],
  ];
  for (const [name, status, request] of failures) {
    test(`of any listed origin read a failure: ${name}`, async () => {
      for (const origin of [SPA, SHOP, APP, EXTENSION]) {
        const answer = await ask(origin, request);
        assert.equal(answer.status, status);
        assert.equal(readerOf(answer), origin);
        assert.match(String(answer.headers.get('vary')), /\bOrigin\b/);
        assert.match(String(answer.headers.get('access-control-expose-headers')), /Retry-After/);
        assert.equal(answer.headers.get('access-control-allow-credentials'), null);
      }
      for (const origin of UNLISTED) {
        const answer = await ask(origin, request);
        assert.equal(answer.status, status);
        assert.equal(readerOf(answer), null, origin);
      }
    });
  }

  test('read answers to a client only where that client lists them', async () => {
    const fields = 'grant_type=authorization_code&code=x&client_id=spa&redirect_uri=x&code_verifier=';
    const request = ['POST', '/oauth/token', fields + 'x'.repeat(43)] as const;
    assert.equal(readerOf(await ask(SPA, request)), SPA);
    assert.equal(readerOf(await ask(APP, request)), APP);
    assert.equal(readerOf(await ask(SHOP, request)), null);

    const body = `grant_type=client_credentials&resource=${encodeURIComponent(RESOURCE)}`;
    const authorization = basic('shop', server.secretOf('shop'));
    const own = await ask(SHOP, ['POST', '/oauth/token', body, { authorization }]);
    assert.equal(own.status, 200);
    assert.equal(readerOf(own), SHOP);
    assert.equal(readerOf(await ask(SPA, ['POST', '/oauth/token', body, { authorization }])), null);

    const login = '{"username":"ann","password":"wrong"}';
    const face = ['POST', '/legacy/fusio/consumer/login', login, JSON_TYPE] as const;
    assert.equal(readerOf(await ask(SHOP, face)), SHOP);
    assert.equal(readerOf(await ask(SPA, face)), null);
  });

  test('of every origin read what DeviceHive and the published documents say', async () => {
    for (const request of [
      ['GET', '/info'],
      ['GET', '/dh/rest/token'],
      ['POST', '/dh/rest/token', '{', JSON_TYPE],
      ['GET', '/.well-known/openid-configuration'],
      ['GET', '/oauth/jwks'],
      ['POST', '/oauth/jwks'],
    ] as const) {
      const answer = await ask('https://evil.example', request);
      assert.equal(readerOf(answer), '*', request[1]);
      assert.equal(answer.headers.get('access-control-allow-credentials'), null);
    }
  });

  test('of no origin read what resource servers are answered', async () => {
    for (const path of ['/oauth/introspect', '/oauth/revocations']) {
      assert.equal(readerOf(await ask(SPA, ['POST', path, 'token=x'])), null);
      assert.equal(readerOf(await ask(SPA, ['OPTIONS', path])), null);
    }
  });

  test('may send what a preflight allows, wherever an application lists their origin', async () => {
    const wanted = { 'access-control-request-method': 'PUT' };
    for (const path of [
      '/oauth/token',
      '/oauth/userinfo',
      '/api/auth/subscribe',
      '/legacy/fusio/consumer/login',
      '/acme/shop/token',
    ]) {
      const allowed = await ask(SPA, ['OPTIONS', path, undefined, wanted]);
      assert.equal(allowed.status, 204);
      assert.equal(readerOf(allowed), SPA);
      assert.match(String(allowed.headers.get('access-control-allow-headers')), /Authorization/);
      assert.equal(allowed.headers.get('access-control-allow-credentials'), null);
      const refused = await ask('https://evil.example', ['OPTIONS', path, undefined, wanted]);
      assert.equal(readerOf(refused), null);
      assert.equal(refused.headers.get('access-control-allow-methods'), null);
    }
  });

  test('of Usergrid keep its rule at the path that it shares with DeviceHive', async () => {
    const body = '{"grant_type":"password","username":"x","password":"y"}';
    const usergrid = await ask('https://evil.example', ['POST', '/token', body, JSON_TYPE]);
    assert.equal(readerOf(usergrid), null);
    const devicehive = await ask('https://evil.example', ['POST', '/token', '{"login":"x"}', JSON_TYPE]);
    assert.equal(readerOf(devicehive), '*');
  });
});
