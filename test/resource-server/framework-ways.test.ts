/** What is particular to one framework: its scopes, its schemas, its types. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fastify from 'fastify';
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { createProtection as protectFastify } from '../../src/resource-server/fastify.ts';
import { createProtection as protectFetch } from '../../src/resource-server/fetch.ts';
import { createProtection as protectHono } from '../../src/resource-server/hono.ts';
import { access, demand, type Rule, type VerifiedToken } from '../../src/resource-server/index.ts';
import { RESOURCE, openVerifier as verifier } from './open-verifier.ts';

const headers = { authorization: 'Bearer x' };
const readOrders = access.require('orders', 'read');
const deleteOrders = access.require('orders', 'delete');

/** Compiles only if both types are the same. */
function isExactly<Expected>() {
  return <Actual>(_: Actual, ..._same: Same<Expected, Actual> extends true ? [] : [never]): void => undefined;
}
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

describe('Fastify', () => {
  test('every scope is guarded, also one that was ready before the plugin', async () => {
    const app = fastify();
    let early: typeof app | undefined;
    await app.register(async (instance) => {
      early = instance as typeof app;
      instance.get('/early', async () => 'reached');
    });
    app.get('/same', async () => 'reached');
    await app.register(protectFastify(verifier).plugin);
    early?.get('/early-later', async () => 'reached');
    app.register(
      async (instance) => {
        instance.get('/', async () => 'reached');
        instance.register(async (inner) => {
          inner.setNotFoundHandler(async () => 'reached');
          inner.route({ method: ['PUT', 'POST'], url: '/dav', handler: async () => 'reached' });
        });
      },
      { prefix: '/inner' },
    );
    for (const [method, url] of [
      ['GET', '/early'],
      ['GET', '/early-later'],
      ['GET', '/same'],
      ['HEAD', '/same'],
      ['GET', '/inner'],
      ['POST', '/inner/dav'],
      ['GET', '/inner/nowhere'],
      ['OPTIONS', '/nowhere'],
    ] as const) {
      assert.equal((await app.inject({ method, url })).statusCode, 401, url);
      assert.notEqual((await app.inject({ method, url, headers })).statusCode, 401, url);
    }
  });

  test('a plugin that is registered in a scope guards that scope only', async () => {
    const app = fastify();
    app.get('/outside', async () => 'reached');
    app.register(async (instance) => {
      await instance.register(protectFastify(verifier).plugin);
      instance.get('/inside', async () => 'reached');
    });
    assert.equal((await app.inject('/outside')).statusCode, 200);
    assert.equal((await app.inject('/inside')).statusCode, 401);
  });

  test('a misspelled rule is an error before the start, or at the request', async () => {
    const config = { access: 'public' as unknown as Rule };
    const wrong = /config\.access of a route takes rules only/;
    const app = fastify();
    await app.register(protectFastify(verifier).plugin);
    assert.throws(() => app.get('/', { config }, async () => 'reached'), wrong);
    const other = fastify();
    other.get('/', { config }, async () => 'reached');
    other.register(protectFastify(verifier).plugin);
    const { statusCode, body } = await other.inject('/');
    assert.equal(statusCode, 500);
    assert.match(body, wrong);
  });

  test('schemas and error handlers of the application do not change a refusal', async () => {
    const { plugin, onError } = protectFastify(verifier);
    const app = fastify();
    await app.register(plugin);
    app.setErrorHandler(onError);
    const nothing = { type: 'object', properties: {}, additionalProperties: false };
    const schema = { response: { 401: nothing, 403: nothing } };
    app.get('/', { schema }, async (request) => {
      isExactly<VerifiedToken | undefined>()(request.token);
      if (request.token) demand(request.token, 'orders', 'delete');
    });
    app.get('/broken', async () => {
      throw Object.assign(new Error('Broken.'), { statusCode: 418 });
    });
    assert.equal((await app.inject('/')).json().error, 'missing_token');
    assert.equal((await app.inject({ url: '/', headers })).json().error, 'insufficient_scope');
    assert.equal((await app.inject({ url: '/broken', headers })).statusCode, 418);
  });
});

test('guards that stand one behind the other are one challenge', async () => {
  const app = new Hono();
  const { guard } = protectHono(verifier);
  app.use(guard(readOrders));
  app.get('/', guard(deleteOrders), (c) => c.text('reached'));
  const answer = await app.request('/', { headers });
  assert.equal(answer.status, 403);
  assert.match(answer.headers.get('www-authenticate') ?? '', / scope="orders:read orders:delete"/);
});

describe('Hono', () => {
  test('guards are middleware, and the types of variables and parameters are exact', async () => {
    const { guard, protect, onError } = protectHono(verifier);
    const app = new Hono<{ Variables: { trace: number } }>();
    app.onError(onError);
    app.get('/open/:id', guard(access.public()), (c) => {
      isExactly<VerifiedToken | undefined>()(c.get('token'));
      return c.json(c.req.param('id'));
    });
    app.use(guard());
    app.get('/orders/:id', guard(readOrders), (c) => {
      isExactly<VerifiedToken>()(c.get('token'));
      isExactly<string>()(c.req.param('id'));
      return c.text(c.get('token').subject);
    });
    protect(app).delete('/orders/:id', deleteOrders, (c) => {
      isExactly<number>()(c.get('trace'));
      isExactly<string>()(c.req.param('id'));
      return c.text('reached');
    });
    const statusOf = async (path: string, init: RequestInit) => (await app.request(path, init)).status;
    assert.equal(await statusOf('/open/1', {}), 200);
    assert.equal(await statusOf('/orders/1', {}), 401);
    assert.equal(await statusOf('/orders/1', { headers }), 200);
    assert.equal(await statusOf('/orders/1', { headers, method: 'DELETE' }), 403);
    assert.equal(await statusOf('/nowhere', {}), 401);
  });

  test('errors of others are answered as Hono answers them', async (t) => {
    const { onError } = protectHono(verifier);
    const app = new Hono();
    app.onError(onError);
    app.get('/teapot', () => {
      throw new HTTPException(418, { message: 'short and stout' });
    });
    app.get('/broken', () => {
      throw new Error('Broken.');
    });
    const logged = t.mock.method(console, 'error', () => undefined);
    const teapot = await app.request('/teapot');
    assert.deepEqual([teapot.status, await teapot.text()], [418, 'short and stout']);
    assert.equal((await app.request('/broken')).status, 500);
    assert.equal(logged.mock.callCount(), 1);
  });
});

describe('Fetch', () => {
  test('a handler gets the token, and what else the server passes on', async () => {
    const { protect } = protectFetch(verifier);
    const read = protect((_request, token, env: { name: string }) => {
      isExactly<VerifiedToken>()(token);
      return new Response(`${token.subject} ${env.name}`);
    }, readOrders);
    const open = protect((_request, token) => {
      isExactly<VerifiedToken | undefined>()(token);
      return new Response(String(token));
    }, access.public());
    const half = protect(
      (_request, token) => {
        isExactly<VerifiedToken | undefined>()(token);
        return new Response();
      },
      ...[access.public(), readOrders],
    );
    const asked = new Request(RESOURCE, { headers });
    assert.equal(await (await read(asked, { name: 'a' })).text(), 'client:x a');
    assert.equal(await (await open(new Request(RESOURCE))).text(), 'undefined');
    assert.equal((await half(new Request(RESOURCE))).status, 401);
  });

  test('an error that is not about the token is thrown on', async () => {
    const { protect } = protectFetch(verifier);
    const broken = protect(() => {
      throw new Error('Broken.');
    });
    await assert.rejects(broken(new Request(RESOURCE, { headers })), /Broken/);
  });
});
