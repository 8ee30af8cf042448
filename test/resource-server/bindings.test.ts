import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { RESOURCE, secretOf, startServer, type TestServer } from '../support/server.ts';
import { FRAMEWORKS, ROWS } from './bound-apis.ts';

for (const [framework, start] of Object.entries(FRAMEWORKS)) {
  describe(`the binding for ${framework}`, () => {
    let server: TestServer;
    let verifier: Verifier;
    let api: Server;
    let token: string;
    before(async () => {
      server = await startServer({
        fixture(fixture) {
          const [orders] = fixture.organizations[0].resources[0].tables;
          orders.columns = [
            { name: 'id', type: 'integer' },
            { name: 'region', type: 'text' },
            { name: 'total', type: 'decimal' },
          ];
          fixture.organizations[0].applications.push({
            name: 'reports',
            clientId: 'reports',
            clientSecret: secretOf('reports'),
            grants: ['client_credentials'],
            resource: RESOURCE,
            permissions: { isAdmin: false, tables: { '*': { read: true } } },
          });
        },
      });
      verifier = createVerifier({
        issuer: server.issuer,
        resource: RESOURCE,
        clientId: 'shop-api',
        clientSecret: server.secretOf('shop-api'),
        mode: 'introspection',
      });
      api = start(verifier);
      await once(api, 'listening');
      token = (await server.token('machine')).json.access_token;
    });
    after(async () => {
      api.closeAllConnections();
      await new Promise((resolve) => api.close(resolve));
      await server[Symbol.asyncDispose]();
    });

    const call = async (path: string, authorization?: string | string[], method = 'GET') => {
      const { port } = api.address() as AddressInfo;
      const headers = new Headers();
      for (const each of [authorization ?? []].flat()) headers.append('authorization', each);
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
      const text = await response.text();
      return {
        status: response.status,
        json: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>,
        challenge: response.headers.get('www-authenticate'),
      };
    };
    const metadataUrl = `${RESOURCE}.well-known/oauth-protected-resource`;

    test('every route is private unless it says that it is public', async () => {
      assert.deepEqual((await call('/open')).json, { subject: null });
      for (const [path, scope] of [
        ['/private', ''],
        ['/orders', 'scope="orders:read", '],
        ['/both', 'scope="orders:read nothing:read", '],
        ['/half-open', 'scope="x", '],
        ['/scope', 'scope="orders.read", '],
        ['/nowhere', ''],
      ] as const) {
        const { status, json, challenge } = await call(path);
        assert.equal(status, 401, path);
        assert.equal(json.error, 'missing_token');
        // Nothing is said of a token that was not sent.
        assert.equal(challenge, `Bearer ${scope}resource_metadata="${metadataUrl}"`);
      }
      const { subject } = (await call('/private', `Bearer ${token}`)).json;
      assert.match(String(subject), /^client:/);
      assert.equal((await call('/open', `Bearer ${token}`)).json.subject, subject);
      assert.equal((await call('/private', `bearer ${token}`)).status, 200, 'schemes have no case');
      assert.equal((await call('/nowhere', `Bearer ${token}`)).status, 404);
    });

    test('a token that does not allow it is a 403 that says what would', async () => {
      assert.equal((await call('/orders', `Bearer ${token}`)).status, 200);
      const refused = await call('/orders', `Bearer ${token}`, 'DELETE');
      assert.equal(refused.status, 403);
      assert.equal(refused.json.error, 'insufficient_scope');
      assert.equal(
        refused.challenge,
        'Bearer error="insufficient_scope", ' +
          'error_description="The token does not allow to delete rows of orders.", scope="orders:delete", ' +
          `resource_metadata="${metadataUrl}"`,
      );
      assert.equal((await call('/scope', `Bearer ${token}`)).status, 200);
      assert.equal((await call('/other-scope', `Bearer ${token}`)).status, 403);
    });

    test('a challenge names all scopes of the operation, also those that the token has', async () => {
      for (const [asked, scope] of [
        ['GET /both', 'orders:read nothing:read'],
        ['GET /half-open', 'x'],
        ['GET /other-scope', 'orders.write'],
        ['POST /bulk', 'orders:create orders:delete products:delete'],
      ] as const) {
        const [method, path = ''] = asked.split(' ');
        const { status, challenge } = await call(path, `Bearer ${token}`, method);
        assert.equal(status, 403, asked);
        assert.match(challenge ?? '', /^Bearer error="insufficient_scope", /);
        assert.equal(/ scope="([^"]*)"/.exec(challenge ?? '')?.[1], scope);
      }
      const bad = await call('/both', 'Bearer x');
      assert.match(
        bad.challenge ?? '',
        /^Bearer error="invalid_token", .* scope="orders:read nothing:read", /,
      );
    });

    test('all tables and admin are enough for one table, not for a scope of the resource', async () => {
      const reports = `Bearer ${(await server.token('reports')).json.access_token}`;
      const admin = `Bearer ${(await server.token('admin', { scope: '*:admin' })).json.access_token}`;
      for (const bearer of [reports, admin]) {
        assert.equal((await call('/orders', bearer)).status, 200);
        assert.equal((await call('/both', bearer)).status, 200);
        assert.equal((await call('/other-scope', bearer)).status, 403);
      }
      assert.equal((await call('/orders', admin, 'DELETE')).status, 200);
      assert.equal((await call('/orders', reports, 'DELETE')).status, 403);
    });

    test('PM-09 a limited right passes only routes that apply its limits', async () => {
      const set = { type: 'table_access_set', tables: ['orders'], actions: ['read'] };
      const limit = { columns: ['id'], rows: { region: ['eu'] } };
      const form = { authorization_details: JSON.stringify([{ ...set, ...limit }]) };
      const { json } = await server.token('machine', form);
      const limited = `Bearer ${json.access_token}`;
      assert.deepEqual((await call('/own', limited)).json, { rows: [{ id: 1 }] });
      assert.deepEqual((await call('/own', `Bearer ${token}`)).json, { rows: ROWS });
      assert.equal((await call('/own?sort=id', limited)).status, 200);
      for (const [path, message] of [
        ['/orders', 'The token does not allow to read all rows and columns of orders.'],
        ['/own?sort=total', 'The token does not allow to filter or sort rows of orders by total.'],
      ] as const) {
        const refused = await call(path, limited);
        assert.deepEqual(refused, {
          status: 403,
          json: { error: 'insufficient_scope', error_description: message },
          challenge: refused.challenge,
        });
        assert.match(refused.challenge ?? '', /error="insufficient_scope".* scope="orders:read"/);
      }
    });

    test('LG-08 a dead or foreign token is a 401 on a public route too', async () => {
      const dead = (await server.token('machine')).json.access_token;
      await server.post('/oauth/revoke', 'machine', { token: dead });
      const foreign = (await server.token('other-shop')).json.access_token;
      for (const bad of [dead, foreign, 'x', 'gct_x']) {
        for (const path of ['/private', '/open']) {
          const { status, json, challenge } = await call(path, `Bearer ${bad}`);
          assert.equal(status, 401);
          assert.equal(json.error, 'invalid_token');
          assert.match(challenge ?? '', /^Bearer error="invalid_token", error_description="/);
        }
      }
    });

    test('TE-11 a token comes in one Authorization header and in no other way', async () => {
      const inQuery = await call(`/private?access_token=${token}`);
      assert.equal(inQuery.status, 400);
      assert.equal(inQuery.json.error, 'invalid_request');
      const both = await call(`/private?access_token=${token}`, `Bearer ${token}`);
      assert.equal(both.status, 400);
      assert.equal((await call('/private', `Basic ${token}`)).status, 401);
      assert.notEqual((await call('/private', [`Bearer ${token}`, `Bearer ${token}`])).status, 200);
    });

    test('a verifier that cannot tell is a 503, and the route is not reached', async () => {
      const away = start(
        createVerifier({
          issuer: 'http://127.0.0.1:1',
          resource: RESOURCE,
          clientId: 'x',
          clientSecret: 'x',
          mode: 'introspection',
        }),
      );
      await once(away, 'listening');
      const { port } = away.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/private`, {
        headers: { authorization: `Bearer ${token}` },
      });
      assert.equal(response.status, 503);
      assert.equal(response.headers.get('retry-after'), '1');
      assert.equal(((await response.json()) as { error: string }).error, 'unavailable');
      away.closeAllConnections();
      away.close();
    });

    test('HEAD of the metadata has its headers, and pages of every origin read it', async () => {
      const { port } = api.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource`;
      for (const method of ['GET', 'HEAD']) {
        const response = await fetch(url, { method });
        assert.equal(response.status, 200, method);
        assert.equal(response.headers.get('access-control-allow-origin'), '*', method);
        assert.match(response.headers.get('content-type') ?? '', /^application\/json/, method);
        assert.equal((await response.text()) === '', method === 'HEAD');
      }
      assert.notEqual((await fetch(url, { method: 'POST' })).status, 200);
    });

    test('an identifier that is not a URL has no metadata, and none is named', async () => {
      const named = start({ ...verifier, resource: 'urn:example:orders' });
      await once(named, 'listening');
      const { port } = named.address() as AddressInfo;
      const ask = (path: string, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers });
      const missing = await ask('/private');
      assert.equal(missing.headers.get('www-authenticate'), 'Bearer');
      const bad = await ask('/private', { authorization: 'Bearer x' });
      assert.match(bad.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token", error_desc/);
      assert.doesNotMatch(bad.headers.get('www-authenticate') ?? '', /resource_metadata/);
      assert.equal((await ask('/.well-known/oauth-protected-resource')).status, 401);
      named.closeAllConnections();
      named.close();
    });

    test('the metadata of the resource is served to everybody (RFC 9728)', async () => {
      const { status, json } = await call('/.well-known/oauth-protected-resource');
      assert.equal(status, 200);
      assert.deepEqual(json, {
        resource: RESOURCE,
        authorization_servers: [server.issuer],
        bearer_methods_supported: ['header'],
        scopes_supported: ['orders.read'],
      });
    });
  });
}

describe('all bindings', () => {
  let server: TestServer;
  let apis: Server[];
  let verifier: Verifier;
  let token: string;
  let ended: string;
  before(async () => {
    server = await startServer();
    verifier = createVerifier({
      issuer: server.issuer,
      resource: RESOURCE,
      clientId: 'shop-api',
      clientSecret: server.secretOf('shop-api'),
      mode: 'introspection',
    });
    apis = await Promise.all(
      Object.values(FRAMEWORKS).map(async (start) => {
        const api = start(verifier);
        if (!api.listening) await once(api, 'listening');
        return api;
      }),
    );
    token = (await server.token('machine')).json.access_token;
    ended = (await server.token('machine')).json.access_token;
    await server.post('/oauth/revoke', 'machine', { token: ended });
  });
  after(async () => {
    for (const api of apis) {
      api.closeAllConnections();
      api.close();
    }
    await server[Symbol.asyncDispose]();
  });

  const SAID = [
    'www-authenticate',
    'cache-control',
    'retry-after',
    'access-control-allow-origin',
    'content-type',
  ];

  /** What the caller sees, without what differs by design: bodies of 404 and types of what handlers answer. */
  async function answerOf(api: Server, method: string, path: string, headers: readonly string[]) {
    const { port } = api.address() as AddressInfo;
    const sent = request({ host: '127.0.0.1', port, method, path, agent: false });
    // An array of values is sent as so many headers.
    if (headers.length > 0) sent.setHeader('authorization', headers);
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const body = Buffer.concat(await response.toArray()).toString();
    const status = response.statusCode as number;
    if (status === 404) return { status };
    const said = status === 200 && !path.startsWith('/.well-known') ? [] : SAID;
    return { status, body, ...Object.fromEntries(said.map((name) => [name, response.headers[name]])) };
  }

  test('TE-11 answer the same requests with the same status, headers and body', async () => {
    const bearer = `Bearer ${token}`;
    const known = '/.well-known/oauth-protected-resource';
    const requests: readonly [status: number, request: string, ...headers: string[]][] = [
      [200, 'GET /open'],
      [200, 'GET /open', bearer],
      [200, 'HEAD /open'],
      [401, 'GET /open', 'Bearer x'],
      [401, 'GET /open', ''],
      [400, 'GET /open?access_token=x'],
      [401, 'GET /private'],
      [200, 'GET /private', bearer],
      [200, 'GET /private', `bearer   ${token}`],
      [401, 'HEAD /private'],
      [200, 'HEAD /private', bearer],
      [401, 'GET /private', `Bearer ${ended}`],
      [401, 'GET /private', `Basic ${token}`],
      [401, 'GET /private', 'Digest username="a", realm="b"'],
      [401, 'GET /private', token],
      [400, 'GET /private', bearer, bearer],
      [400, 'GET /private', `${bearer},${bearer}`],
      [400, 'GET /private', 'Basic x', bearer],
      [400, 'GET /private', bearer, 'Basic x'],
      [400, 'GET /private', '', bearer],
      [400, `GET /private?access_token=${token}`],
      [400, `GET /private?a=b&access%5Ftoken=${token}`, bearer],
      [400, `GET /private?access_token[]=${token}`],
      [400, `GET /private?access_token[x]=${token}`],
      [200, 'GET /orders', bearer],
      [403, 'DELETE /orders', bearer],
      [403, 'GET /both', bearer],
      [403, 'GET /half-open', bearer],
      [401, 'GET /half-open'],
      [403, 'GET /other-scope', bearer],
      [403, 'HEAD /other-scope', bearer],
      [403, 'POST /bulk', bearer],
      [401, 'POST /bulk'],
      [401, 'GET /nowhere'],
      [404, 'GET /nowhere', bearer],
      [401, 'PUT /orders'],
      [401, 'OPTIONS /orders'],
      [200, `GET ${known}`],
      [200, `HEAD ${known}`],
      [401, `POST ${known}`],
      [401, `GET ${known}/more`],
    ];
    for (const [status, asked, ...headers] of requests) {
      const [method = '', path = ''] = asked.split(' ');
      const answers = await Promise.all(apis.map((api) => answerOf(api, method, path, headers)));
      const [first] = answers;
      assert.equal(first?.status, status, `${asked} ${headers}`);
      for (const [index, answer] of answers.entries()) {
        assert.deepEqual(answer, first, `${Object.keys(FRAMEWORKS)[index]}: ${asked} ${headers}`);
      }
    }
  });
});
