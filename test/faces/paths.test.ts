/** Paths of faces that clients write with a slash too many, and what is told where there is nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { switchOnFaces } from '../support/faces.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const HTML = { accept: 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2' };

describe('paths of faces', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      env: { GRANTABLE_FACE_PREFIXES: 'fusio=/legacy/fusio', GRANTABLE_HOSTS: 'other.localhost' },
      fixture({ organizations: [acme, other] }) {
        switchOnFaces(acme);
        other.hosts = ['other.localhost'];
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  async function ask(method: string, path: string, body?: unknown, headers = {}) {
    const answer = await fetch(server.issuer + path, {
      method,
      headers: { 'content-type': 'application/json', ...HTML, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const json: Record<string, any> = text.startsWith('{') ? JSON.parse(text) : {};
    return { status: answer.status, json, text };
  }
  const AM = { authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } };
  const password = { grant_type: 'password', username: 'ann', password: PASSWORD };

  for (const [path, status, body] of [
    ['//dh/rest//token', 201, { login: 'ann', password: PASSWORD }],
    ['//token', 201, { login: 'ann', password: PASSWORD }],
    ['/api//system-api/acme//token', 200, AM],
    ['/acme//shop///token', 200, password],
    ['//acme/shop/token/', 200, password],
    ['/legacy//fusio//consumer/login', 200, { username: 'ann', password: PASSWORD }],
    [
      '//api/database//connection',
      200,
      {
        data: [{ email: 'ada@shop.example.org', password: PASSWORD, name: 'Ada' }],
        context: { domain: 'shop.example.org', isNewUser: true },
      },
    ],
  ] as const) {
    test(`are the same with a slash too many: ${path}`, async () => {
      const answer = await ask('POST', path, body);
      assert.equal(answer.status, status, answer.text);
    });
  }

  test('with an encoded slash are other paths, and so are native ones with two', async () => {
    assert.equal((await ask('POST', '/dh%2Frest/token', { login: 'ann', password: PASSWORD })).status, 404);
    assert.equal((await ask('POST', '//oauth//token')).status, 404);
    assert.equal((await ask('GET', '/.well-known//openid-configuration')).status, 404);
  });

  test('of DeviceHive may end with a slash, as in the original', async () => {
    for (const path of ['/token/', '/dh/rest/token/']) {
      const answer = await ask('POST', path, { login: 'ann', password: PASSWORD });
      assert.equal(answer.status, 201, answer.text);
      assert.ok(answer.json.refreshToken);
    }
    const ofUsergrid = await ask('POST', '/token/', password);
    assert.deepEqual([ofUsergrid.status, ofUsergrid.json.error], [400, 'invalid_grant']);
  });

  for (const [path, status] of [
    ['/dh/rest/info', 200],
    ['/dh/rest/token/plugin/authenticate?token=x', 401],
    ['/acme/shop/users/me', 401],
    ['/legacy/fusio/authorization/whoami', 401],
    ['/legacy/fusio/.well-known/openid-configuration', 200],
    ['/dh/rest/token', 404],
    ['/api/database/connection', 404],
  ] as const) {
    test(`answer HEAD as GET, without a body: ${path}`, async () => {
      const [head, get] = await Promise.all(
        ['HEAD', 'GET'].map((method) => fetch(server.issuer + path, { method })),
      );
      assert.deepEqual([head?.status, get?.status], [status, status]);
      assert.equal(await head?.text(), '');
      for (const header of ['content-type', 'www-authenticate', 'cache-control']) {
        assert.equal(head?.headers.get(header), get?.headers.get(header));
      }
    });
  }

  for (const [method, path, body] of [
    ['POST', '/dh/rest/token', { login: 'ann', password: 'wrong' }],
    ['POST', '/dh/rest/token/create', { userId: 1 }],
    ['POST', '/dh/rest/token/refresh', { refreshToken: 'x' }],
    ['POST', '/api/auth/version', undefined],
    ['GET', '/acme/shop/users/me', undefined],
    ['GET', '/legacy/fusio/authorization/whoami', undefined],
  ] as const) {
    test(`answer 401 with a challenge: ${method} ${path}`, async () => {
      const { status, headers } = await fetch(server.issuer + path, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      assert.equal(status, 401);
      assert.match(String(headers.get('www-authenticate')), /^Bearer\b/);
    });
  }

  const shapes: Readonly<Record<string, (json: Record<string, any>) => void>> = {
    sunbreak: ({ message, ...rest }) => {
      assert.equal(typeof message, 'string');
      assert.deepEqual(rest, {});
    },
    devicehive: ({ error, message, ...rest }) => {
      assert.deepEqual([error, typeof message, rest], [404, 'string', {}]);
    },
    'api maker': ({ success, statusCode, errors }) => {
      assert.deepEqual([success, statusCode, errors.length], [false, 404, 1]);
    },
    usergrid: ({ error, exception, timestamp, duration, error_description: description }) => {
      assert.deepEqual(
        [error, exception, timestamp, duration, description].map((member) => typeof member),
        ['string', 'string', 'number', 'number', 'string'],
      );
    },
    fusio: ({ success, title, message }) => {
      assert.deepEqual([success, title, typeof message], [false, 'Internal Server Error', 'string']);
    },
  };
  for (const [face, method, path] of [
    ['sunbreak', 'POST', '/api/auth/nothing'],
    ['sunbreak', 'GET', '/api/auth/subscribe'],
    ['sunbreak', 'DELETE', '/api/database/connection/1'],
    ['devicehive', 'GET', '/dh/rest/device'],
    ['devicehive', 'POST', '/token/nothing'],
    ['devicehive', 'GET', '/dh/rest/token/create'],
    ['api maker', 'POST', '/api/system-api/acme/nothing'],
    ['api maker', 'POST', '/api/system-api/nobody/token'],
    ['api maker', 'POST', '/api/system-api/other/token'],
    ['usergrid', 'GET', '/acme/shop/things/1'],
    ['usergrid', 'POST', '/management/nothing'],
    ['usergrid', 'GET', '/acme/nothing/things/1'],
    ['usergrid', 'PATCH', '/acme/shop/token'],
    ['fusio', 'GET', '/legacy/fusio/backend/user'],
    ['fusio', 'GET', '/legacy/fusio/authorization/token'],
  ] as const) {
    test(`tell what is not there in the words of ${face}: ${method} ${path}`, async () => {
      const { status, json } = await ask(method, path);
      assert.equal(status, 404);
      shapes[face]?.(json);
    });
  }

  test('that no face has are told as everywhere', async () => {
    for (const path of ['/nothing', '/api/objects', '/oauth/nothing', '/interaction/x/y/z', '/assets/x']) {
      const { status, json, text } = await ask('GET', path, undefined, { accept: 'application/json' });
      assert.equal(status, 404, path);
      assert.equal(json.error, 'not_found', text);
    }
  });

  test('of a face that no organization has are told as everywhere', async () => {
    await using plain = await startServer();
    for (const path of ['/api/auth/subscribe', '/dh/rest/token', '/acme/shop/token', '/management/token']) {
      const answer = await fetch(plain.issuer + path, { method: 'POST', headers: HTML });
      assert.equal(answer.status, 404);
      assert.equal(((await answer.json()) as { error: string }).error, 'not_found');
    }
  });
});
