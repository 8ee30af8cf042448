import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { COLUMNS } from '../../examples/resource-server/database.ts';
import { childEnv } from '../support/programs.ts';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');

describe('PM-09 the example enforces table by table', () => {
  let server: TestServer;
  let child: ReturnType<typeof spawn>;
  let url: string;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        const machine = fixture.organizations[0].applications[1];
        machine.permissions = { isAdmin: true, tables: {} };
        const [orders] = fixture.organizations[0].resources[0].tables;
        orders.columns = Object.entries(COLUMNS.orders).map(([name, type]) => ({ name, type }));
      },
    });
    child = spawn(process.execPath, ['--conditions=grantable-source', 'examples/resource-server/server.ts'], {
      cwd: ROOT,
      env: {
        ...childEnv,
        ISSUER: server.issuer,
        RESOURCE,
        CLIENT_ID: 'shop-api',
        CLIENT_SECRET: server.secretOf('shop-api'),
        PORT: '0',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.ok(child.stdout);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    url = line.replace('listening on ', '');
  });
  after(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
    await server[Symbol.asyncDispose]();
  });

  const tokenFor = async (scope: string): Promise<string> => {
    const { json } = await server.token('machine', { scope });
    assert.ok(json.access_token, JSON.stringify(json));
    return json.access_token;
  };
  /** A token for some orders, and all products. */
  const limitedTokenFor = async (actions: string[], limit: object): Promise<string> => {
    const details = [{ type: 'table_access_set', tables: ['orders'], actions, ...limit }];
    const products = { type: 'table_access', identifier: 'products', actions: ['read'] };
    const form = { authorization_details: JSON.stringify([...details, products]) };
    const { json } = await server.token('machine', form);
    assert.ok(json.access_token, JSON.stringify(json));
    return json.access_token;
  };
  const call = async (token: string | undefined, method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, json: isJson ? JSON.parse(text) : undefined };
  };
  const rows = async (): Promise<unknown[]> =>
    (await call(await tokenFor('orders:read'), 'GET', '/orders')).json;

  test('it says that it is well to everybody, and nothing else', async () => {
    assert.equal((await call(undefined, 'GET', '/health')).status, 200);
    assert.equal((await call(undefined, 'GET', '/orders')).status, 401);
  });

  test('a token that may read cannot write: not directly, not by upsert, bulk or join', async () => {
    const token = await tokenFor('orders:read');
    await until('it knows the revocations', async () => (await call(token, 'GET', '/orders')).status !== 503);
    const before = await rows();
    const order = { id: 1, customer: 42, product: 1, amount: 9 };
    const refused: [string, string, unknown?][] = [
      ['POST', '/orders', { customer: 42, product: 1, amount: 1 }],
      ['PUT', '/orders', order],
      ['DELETE', '/orders/1'],
      ['POST', '/orders/bulk', [{ do: 'delete', id: 1 }]],
      ['GET', '/orders-with-products'],
    ];
    for (const [method, path, body] of refused) {
      assert.equal((await call(token, method, path, body)).status, 403, `${method} ${path}`);
    }
    assert.deepEqual(await rows(), before);
  });

  test('an upsert needs both rights, because it may do either', async () => {
    const order = { id: 77, customer: 42, product: 2, amount: 1 };
    for (const one of ['orders:create', 'orders:update']) {
      assert.equal((await call(await tokenFor(one), 'PUT', '/orders', order)).status, 403, one);
    }
    assert.equal(
      (await call(await tokenFor('orders:create orders:update'), 'PUT', '/orders', order)).status,
      200,
    );
  });

  test('of a bulk call with one step that is not allowed, none is done', async () => {
    const token = await tokenFor('orders:create');
    const before = await rows();
    const create = { do: 'create', order: { customer: 42, product: 1, amount: 4 } };
    const mixed = await call(token, 'POST', '/orders/bulk', [create, { do: 'delete', id: 1 }]);
    assert.equal(mixed.status, 403);
    assert.deepEqual(await rows(), before);
    assert.equal((await call(token, 'POST', '/orders/bulk', [create])).status, 200);
    assert.equal((await rows()).length, before.length + 1);
  });

  test('a join needs both tables', async () => {
    const token = await tokenFor('orders:read products:read');
    assert.equal((await call(token, 'GET', '/orders-with-products')).status, 200);
  });

  test('a token that is limited to rows reads these only, in a join too', async () => {
    const token = await limitedTokenFor(['read'], { rows: { customer: ['43'] } });
    const order = { id: 2, customer: 43, product: 2, amount: 3 };
    assert.deepEqual((await call(token, 'GET', '/orders')).json, [order]);
    const joined = await call(token, 'GET', '/orders-with-products');
    assert.deepEqual(joined.json, [{ id: 2, name: 'coffee', amount: 3 }]);
  });

  test('a token that is limited to columns reads null in the others', async () => {
    const token = await limitedTokenFor(['read'], { columns: ['id', 'amount'], rows: { customer: ['43'] } });
    const order = { id: 2, customer: null, product: null, amount: 3 };
    assert.deepEqual((await call(token, 'GET', '/orders')).json, [order]);
  });

  test('orders of others are neither changed, removed, taken over nor given away', async () => {
    const actions = ['create', 'read', 'update', 'delete'];
    const token = await limitedTokenFor(actions, { rows: { customer: ['42'] } });
    const before = await rows();
    const refused: [number, string, string, unknown?][] = [
      [404, 'PATCH', '/orders/2', { amount: 9 }],
      [404, 'PATCH', '/orders/2', { customer: 42 }],
      [403, 'PATCH', '/orders/1', { customer: 43 }],
      [404, 'DELETE', '/orders/2'],
      [403, 'PUT', '/orders', { id: 2, customer: 42, product: 1, amount: 9 }],
      [403, 'PUT', '/orders', { id: 99, customer: 43, product: 1, amount: 9 }],
      [403, 'POST', '/orders', { customer: 43, product: 1, amount: 9 }],
    ];
    for (const [status, method, path, body] of refused) {
      assert.equal((await call(token, method, path, body)).status, status, `${method} ${path}`);
    }
    assert.deepEqual(await rows(), before);
    assert.equal((await call(token, 'PATCH', '/orders/1', { amount: 6 })).status, 204);
  });

  test('a token that may update one column cannot update others', async () => {
    const token = await limitedTokenFor(['update'], { columns: ['amount'], rows: { customer: ['43'] } });
    assert.equal((await call(token, 'PATCH', '/orders/2', { amount: 3 })).status, 204);
    assert.equal((await call(token, 'PATCH', '/orders/2', { amount: 3, product: 1 })).status, 403);
  });

  test('a bulk call whose last step goes beyond the limits does nothing', async () => {
    const token = await limitedTokenFor(['create', 'delete'], { rows: { customer: ['42'] } });
    const before = await rows();
    const create = (customer: number) => ({ do: 'create', order: { customer, product: 1, amount: 4 } });
    const steps = [create(42), { do: 'delete', id: 1 }, create(43)];
    assert.equal((await call(token, 'POST', '/orders/bulk', steps)).status, 403);
    assert.deepEqual(await rows(), before);
  });

  test('a revoked token is refused, although the JWT is verified here', async () => {
    const token = await tokenFor('orders:read');
    assert.equal((await call(token, 'GET', '/orders')).status, 200);
    await server.post('/oauth/revoke', 'machine', { token });
    await until('it is refused', async () => (await call(token, 'GET', '/orders')).status === 401);
  });
});
