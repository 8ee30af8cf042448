import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { basic, PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';

describe('the form of a token request', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({
      env: {
        GRANTABLE_ACCOUNT_LIMIT: '1000/15m',
        GRANTABLE_ADDRESS_LIMIT: '10000/15m',
      },
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const raw = async (body: string, path = '/oauth/token', client = 'machine') => {
    const response = await fetch(server.issuer + path, {
      method: 'POST',
      headers: {
        authorization: basic(client, server.secretOf(client)),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body,
    });
    return { status: response.status, json: (await response.json()) as Record<string, any> };
  };

  test('TE-03 a parameter that is there twice is refused, whichever it is', async () => {
    for (const twice of [
      'grant_type=client_credentials&grant_type=client_credentials',
      'grant_type=client_credentials&scope=orders.read&scope=orders.read',
      `grant_type=client_credentials&resource=${RESOURCE}&client_id=machine&client_id=machine`,
      'grant_type=client_credentials&authorization_details=[]&authorization_details=[]',
      'grant_type=client_credentials&permissions={}&permissions={}',
    ]) {
      const { status, json } = await raw(twice);
      assert.equal(status, 400, twice);
      assert.equal(json.error, 'invalid_request', twice);
    }
    const { status } = await raw('token=a&token=b', '/oauth/introspect', 'shop-api');
    assert.equal(status, 400);
  });

  test('TE-03 brackets make no arrays and no objects', async () => {
    for (const body of [
      'grant_type[]=client_credentials',
      'grant_type[0]=client_credentials',
      'a[b]=c&grant_type[x]=client_credentials',
    ]) {
      const { status, json } = await raw(body);
      assert.equal(status, 400, body);
      assert.equal(json.error, 'invalid_request');
    }
    const { json } = await raw(
      'grant_type=client_credentials&permissions[tables][orders][read]=true&scope[]=orders:read&__proto__[isAdmin]=true',
    );
    assert.equal(json.permissions.isAdmin, false);
    assert.equal(
      json.permissions.tables.orders.create,
      true,
      'nothing was asked for, so it is all that is allowed',
    );
  });

  test('PM-02 a table whose name has a dot works like any other', async () => {
    await using dotted = await startServer({
      fixture({ organizations: [acme] }) {
        const machine = acme.applications.find(({ name }: { name: string }) => name === 'machine');
        machine.permissions = { isAdmin: false, tables: { 'public.users': { read: true, delete: true } } };
      },
    });
    const { json } = await dotted.token('machine', { scope: 'public.users:read' });
    const expected = { create: false, read: true, update: false, delete: false };
    assert.deepEqual(json.permissions.tables, { 'public.users': expected });
    assert.deepEqual((await dotted.introspect(json.access_token)).permissions.tables, {
      'public.users': expected,
    });
    const over = await dotted.token('machine', { scope: 'public.users:update' });
    assert.equal(over.json.error, 'invalid_scope');
  });

  test('PM-06 permissions are one object, and arrays are refused', async () => {
    const one = { isAdmin: false, tables: { orders: { read: true } } };
    for (const permissions of [[one], [], [one, one], [[one]], 'orders', 7, null, true]) {
      const { status, json } = await server.token('machine', { permissions: JSON.stringify(permissions) });
      assert.equal(status, 400, JSON.stringify(permissions));
      assert.equal(json.error, 'invalid_authorization_details');
      assert.equal(json.access_token, undefined);
    }
    const { json } = await server.token('machine', { permissions: JSON.stringify(one) });
    assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
  });

  test('AC-03 a password of any length is refused alike for known and unknown users', async () => {
    const refusal = async (username: string, length: number) => {
      const { status, json } = await server.post('/oauth/token', 'shop', {
        grant_type: 'password',
        username,
        password: 'x'.repeat(length),
      });
      const { request_id: _, ...told } = json;
      return { status, told };
    };
    const expected = await refusal('ann', 10);
    assert.deepEqual([expected.status, expected.told.error], [400, 'invalid_grant']);
    for (const length of [10, 73, 1_025, 20_000]) {
      for (const username of ['ann', 'nobody']) assert.deepEqual(await refusal(username, length), expected);
    }
    const right = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assert.equal(right.status, 200);
  });
});
