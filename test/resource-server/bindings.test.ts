import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import Router from '@koa/router';
import express, { type Request, type Response } from 'express';
import Koa, { type Context } from 'koa';
import { createProtection as protectExpress } from '../../src/resource-server/express.ts';
import {
  access,
  createVerifier,
  demand,
  type VerifiedToken,
  type Verifier,
} from '../../src/resource-server/index.ts';
import { createProtection as protectKoa, tokenOf } from '../../src/resource-server/koa.ts';
import { RESOURCE, startServer, type TestServer } from '../support/server.ts';

const ROWS = [
  { id: 1, region: 'eu', total: 5 },
  { id: 2, region: 'us', total: 7 },
];

/** What a handler does that knows limits. */
function ownRows(token: VerifiedToken | undefined, sort: unknown) {
  if (typeof sort === 'string') token?.access.demandColumns('orders', [sort]);
  return { rows: token?.access.filter('orders', 'read', ROWS) };
}

function startKoa(verifier: Verifier): Server {
  const { protect, guard, metadata } = protectKoa(verifier, { scopes: ['orders.read'] });
  const router = new Router();
  const routes = protect(router);
  const ok = (ctx: Context) => {
    ctx.body = { subject: tokenOf(ctx)?.subject ?? null };
  };
  routes.get('/open', access.public(), ok);
  routes.get('/private', ok);
  routes.get('/orders', access.require('orders', 'read'), ok);
  routes.delete('/orders', access.require('orders', 'delete'), ok);
  routes.get('/both', access.require('orders', 'read'), access.require('nothing', 'read'), ok);
  routes.get('/scope', access.requireScope('orders.read'), ok);
  routes.get('/other-scope', access.requireScope('orders.write'), ok);
  routes.get('/own', access.requireAny('orders', 'read'), (ctx: Context) => {
    ctx.body = ownRows(tokenOf(ctx), ctx.query.sort);
  });
  routes.post('/bulk', (ctx: Context) => {
    const token = tokenOf(ctx);
    if (token) demand(token, 'orders', 'delete');
    ok(ctx);
  });
  const app = new Koa();
  app.use(metadata).use(router.routes()).use(guard());
  return app.listen(0, '127.0.0.1');
}

function startExpress(verifier: Verifier): Server {
  const { protect, guard, metadata, onError } = protectExpress(verifier, { scopes: ['orders.read'] });
  const app = express();
  const routes = protect(app);
  const ok = (request: Request & { token?: { subject: string } }, response: Response) => {
    response.json({ subject: request.token?.subject ?? null });
  };
  app.use(metadata);
  routes.get('/open', access.public(), ok);
  routes.get('/private', ok);
  routes.get('/orders', access.require('orders', 'read'), ok);
  routes.delete('/orders', access.require('orders', 'delete'), ok);
  routes.get('/both', access.require('orders', 'read'), access.require('nothing', 'read'), ok);
  routes.get('/scope', access.requireScope('orders.read'), ok);
  routes.get('/other-scope', access.requireScope('orders.write'), ok);
  routes.get(
    '/own',
    access.requireAny('orders', 'read'),
    (request: Request & { token?: VerifiedToken }, response: Response) => {
      response.json(ownRows(request.token, request.query.sort));
    },
  );
  routes.post('/bulk', (request: Request & { token?: never }, response: Response) => {
    if (request.token) demand(request.token, 'orders', 'delete');
    ok(request, response);
  });
  app.use(guard());
  app.use(onError);
  return app.listen(0, '127.0.0.1');
}

for (const [framework, start] of [
  ['Koa', startKoa],
  ['Express', startExpress],
] as const) {
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
      for (const path of ['/private', '/orders', '/scope', '/nowhere']) {
        const { status, json, challenge } = await call(path);
        assert.equal(status, 401, path);
        assert.equal(json.error, 'missing_token');
        assert.equal(challenge, `Bearer resource_metadata="${metadataUrl}"`, 'nothing is said of no token');
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
      assert.equal((await call('/both', `Bearer ${token}`)).status, 403, 'every rule counts');
      assert.equal((await call('/scope', `Bearer ${token}`)).status, 200);
      assert.equal((await call('/other-scope', `Bearer ${token}`)).status, 403);
      assert.equal((await call('/bulk', `Bearer ${token}`, 'POST')).status, 403, 'what a handler demands');
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
