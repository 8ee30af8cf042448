import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import {
  OPAQUE_RESOURCE,
  OTHER_RESOURCE,
  RESOURCE,
  startServer,
  type TestServer,
  tablesOf,
} from '../../support/server.ts';

const details = (actions: string[], identifier = 'orders') =>
  JSON.stringify([{ type: 'table_access', identifier, actions }]);

describe('client_credentials', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());

  test('asking for nothing gives all that the ceiling allows', async () => {
    const { status, json } = await server.token('machine');
    assert.equal(status, 200);
    assert.equal(json.token_type, 'Bearer');
    assert.equal(json.expires_in, 3600);
    assert.equal(json.scope, 'orders.read');
    assert.equal(json.refresh_token, undefined);
    const expected = {
      isAdmin: false,
      tables: {
        orders: { create: true, read: true, update: true, delete: false },
        products: { create: false, read: true, update: false, delete: false },
      },
    };
    assert.deepEqual(json.permissions, expected);
    const claims = decodeJwt(json.access_token);
    assert.deepEqual(tablesOf(claims), tablesOf(json));
    const answer = await server.introspect(json.access_token);
    assert.equal(answer.active, true);
    assert.deepEqual(answer.permissions, expected);
    assert.deepEqual(answer.authorization_details, json.authorization_details);
    for (const name of [
      'iss',
      'sub',
      'aud',
      'exp',
      'iat',
      'jti',
      'client_id',
      'scope',
      'org',
      'app',
      'anc',
    ]) {
      assert.deepEqual(answer[name], claims[name], name);
    }
  });

  test('JW-03 a JWT is an RFC 9068 access token', async () => {
    const { json } = await server.token('machine');
    const header = decodeProtectedHeader(json.access_token);
    assert.equal(header.typ, 'at+jwt');
    assert.equal(header.alg, 'ES256');
    const claims = decodeJwt(json.access_token);
    for (const name of ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'])
      assert.ok(name in claims, name);
    assert.equal(claims.iss, server.issuer);
    assert.equal(claims.aud, RESOURCE);
    assert.equal(claims.org, 'acme');
    assert.equal(claims.app, 'machine');
  });

  test('a resource with format opaque gets a prefixed opaque token', async () => {
    const { json } = await server.token('machine', { resource: OPAQUE_RESOURCE });
    assert.match(json.access_token, /^gat_[A-Za-z0-9_-]{51}$/);
    const answer = await server.introspect(json.access_token);
    assert.equal(answer.aud, OPAQUE_RESOURCE);
    assert.deepEqual(answer.permissions, json.permissions);
  });

  test('the three spellings ask for the same', async () => {
    const spelled = [
      { authorization_details: details(['read']) },
      { permissions: JSON.stringify({ isAdmin: false, tables: { orders: { read: true } } }) },
      { scope: 'orders:read' },
    ];
    const answers = await Promise.all(spelled.map((form) => server.token('machine', form)));
    for (const { status, json } of answers) {
      assert.equal(status, 200);
      assert.deepEqual(json.permissions, answers[0]?.json.permissions);
      assert.deepEqual(json.permissions.tables, {
        orders: { create: false, read: true, update: false, delete: false },
      });
    }
  });

  test('asking for tables says nothing about other scopes', async () => {
    const { json } = await server.token('machine', { scope: 'orders:read' });
    assert.equal(json.scope, 'orders.read orders:read');
    const both = await server.token('machine', { scope: 'orders.read orders:read' });
    assert.equal(both.json.scope, 'orders.read orders:read');
  });

  test('two spellings in one request are invalid_request', async () => {
    const { status, json } = await server.token('machine', {
      scope: 'orders:read',
      authorization_details: details(['read']),
    });
    assert.equal(status, 400);
    assert.equal(json.error, 'invalid_request');
  });

  test('over-asking is refused, never clipped, and says what was too much', async () => {
    for (const [form, error] of [
      [{ authorization_details: details(['delete']) }, 'invalid_authorization_details'],
      [{ permissions: JSON.stringify({ isAdmin: true, tables: {} }) }, 'invalid_authorization_details'],
      [{ scope: 'products:update' }, 'invalid_scope'],
      [{ scope: 'orders:read *:admin' }, 'invalid_scope'],
      [{ scope: 'ordres:read' }, 'invalid_scope'],
      [{ scope: 'orders:read orders:reed' }, 'invalid_scope'],
      [{ scope: '%zz:read' }, 'invalid_scope'],
      [{ scope: '*:read' }, 'invalid_scope'],
    ] satisfies [Record<string, string>, string][]) {
      const { status, json } = await server.token('machine', form);
      assert.equal(status, 400, JSON.stringify(form));
      assert.equal(json.error, error, JSON.stringify(form));
      assert.equal(json.access_token, undefined);
    }
  });

  test('PM-04 a table outside the closed catalogue is refused, to administrators too', async () => {
    for (const client of ['machine', 'admin']) {
      for (const identifier of ['orders ', 'ORDERS', 'nowhere', '@orders', 'Оrders']) {
        const { status, json } = await server.token(client, {
          authorization_details: details(['read'], identifier),
        });
        assert.equal(status, 400, `${client} ${identifier}`);
        assert.equal(json.error, 'invalid_authorization_details');
      }
    }
  });

  test('an administrator of a resource gets isAdmin, and a narrowed token on request', async () => {
    const all = await server.token('admin');
    assert.deepEqual(all.json.permissions, { isAdmin: true, tables: {} });
    assert.deepEqual(all.json.authorization_details, [
      { type: 'table_access', locations: [RESOURCE], privileges: ['admin'] },
    ]);
    const narrowed = await server.token('admin', { scope: 'public.users:delete' });
    assert.equal(narrowed.json.permissions.isAdmin, false);
    assert.equal(narrowed.json.permissions.tables['public.users'].delete, true);
  });

  test('an unknown resource, and one of another organization, are invalid_target', async () => {
    for (const resource of ['https://nowhere.example/', OTHER_RESOURCE, 'not a uri']) {
      const { status, json } = await server.token('machine', { resource });
      assert.equal(status, 400);
      assert.equal(json.error, 'invalid_target', resource);
    }
  });

  test('locations that disagree with the resource are invalid_target', async () => {
    const { json } = await server.token('machine', {
      authorization_details: JSON.stringify([
        { type: 'table_access', locations: [OTHER_RESOURCE], identifier: 'orders', actions: ['read'] },
      ]),
    });
    assert.equal(json.error, 'invalid_target');
  });

  test('an application without a resource gets invalid_target', async () => {
    const { json } = await server.token('shop-api');
    assert.equal(json.error, 'unauthorized_client');
  });

  test('AZ-18 unknown, forbidden, repeated or too many scopes are invalid_scope', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => `s${index}`).join(' ');
    for (const scope of ['nope', 'orders.write', 'openid', 'orders.read orders.read', many]) {
      const { status, json } = await server.token('machine', { scope });
      assert.equal(status, 400);
      assert.equal(json.error, 'invalid_scope', scope.slice(0, 40));
    }
  });

  test('TE-10 the subject of an application can never be a user id', async () => {
    const { json } = await server.token('machine');
    assert.match(String(decodeJwt(json.access_token).sub), /^client:[0-9a-f-]{36}$/);
  });

  test('PM-03 flags must be known and boolean', async () => {
    for (const flags of [{ read: 'false' }, { read: 1 }, { read: null }, { read: {} }, { write: true }]) {
      const { status, json } = await server.token('machine', {
        permissions: JSON.stringify({ isAdmin: false, tables: { orders: flags } }),
      });
      assert.equal(status, 400, JSON.stringify(flags));
      assert.equal(json.error, 'invalid_authorization_details');
    }
  });

  test('PM-01 hostile keys in permissions are refused over the wire', async () => {
    for (const permissions of [
      '{"__proto__":{"isAdmin":true}}',
      '{"isAdmin":false,"tables":{"__proto__":{"read":true}}}',
      '{"isAdmin":false,"tables":{"constructor":{"read":true}}}',
      '{"isAdmin":false,"tables":{"orders":{"__proto__":true}}}',
    ]) {
      const { status, json } = await server.token('machine', { permissions });
      assert.equal(status, 400, permissions);
      assert.equal(json.error, 'invalid_authorization_details');
    }
  });
});
