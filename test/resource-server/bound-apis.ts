/** The same API in every framework that has a binding. */
import { createServer, type RequestListener, type Server } from 'node:http';
import Router from '@koa/router';
import express, { type Request as ExpressRequest, type Response as ExpressResponse } from 'express';
import fastify, { type FastifyInstance } from 'fastify';
import { Hono } from 'hono';
import Koa, { type Context } from 'koa';
import { createProtection as protectExpress } from '../../src/resource-server/express.ts';
import { createProtection as protectFastify } from '../../src/resource-server/fastify.ts';
import { createProtection as protectFetch } from '../../src/resource-server/fetch.ts';
import { createProtection as protectHono } from '../../src/resource-server/hono.ts';
import {
  access,
  demandAll,
  type Rule,
  type VerifiedToken,
  type Verifier,
} from '../../src/resource-server/index.ts';
import { createProtection as protectKoa, tokenOf } from '../../src/resource-server/koa.ts';

export const ROWS = [
  { id: 1, region: 'eu', total: 5 },
  { id: 2, region: 'us', total: 7 },
];

type Work = (token: VerifiedToken | undefined, query: URLSearchParams) => object;

const sayWho: Work = (token) => ({ subject: token?.subject ?? null });

/** What a handler does that knows limits. */
const ownRows: Work = (token, query) => {
  const sort = query.get('sort');
  if (sort !== null) token?.access.demandColumns('orders', [sort]);
  return { rows: token?.access.filter('orders', 'read', ROWS) };
};

const bulk: Work = (token, query) => {
  if (token) demandAll(token, access.require('orders', 'delete'), access.require('products', 'delete'));
  return sayWho(token, query);
};

interface Route {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly rules: readonly Rule[];
  readonly work: Work;
}

const ROUTES: readonly Route[] = [
  { method: 'get', path: '/open', rules: [access.public()], work: sayWho },
  { method: 'get', path: '/private', rules: [], work: sayWho },
  { method: 'get', path: '/orders', rules: [access.require('orders', 'read')], work: sayWho },
  { method: 'delete', path: '/orders', rules: [access.require('orders', 'delete')], work: sayWho },
  {
    method: 'get',
    path: '/both',
    rules: [access.require('orders', 'read'), access.require('nothing', 'read')],
    work: sayWho,
  },
  { method: 'get', path: '/half-open', rules: [access.public(), access.requireScope('x')], work: sayWho },
  { method: 'get', path: '/scope', rules: [access.requireScope('orders.read')], work: sayWho },
  { method: 'get', path: '/other-scope', rules: [access.requireScope('orders.write')], work: sayWho },
  { method: 'get', path: '/own', rules: [access.requireAny('orders', 'read')], work: ownRows },
  { method: 'post', path: '/bulk', rules: [access.require('orders', 'create')], work: bulk },
];

const OPTIONS = { scopes: ['orders.read'] };

const queryOf = (url: string): URLSearchParams => new URL(url, 'http://localhost').searchParams;

const listen = (listener: RequestListener): Server => createServer(listener).listen(0, '127.0.0.1');

function startKoa(verifier: Verifier): Server {
  const { protect, guard, metadata } = protectKoa(verifier, OPTIONS);
  const router = new Router();
  const routes = protect(router);
  for (const { method, path, rules, work } of ROUTES) {
    routes[method](path, ...rules, (ctx: Context) => {
      ctx.body = work(tokenOf(ctx), queryOf(ctx.url));
    });
  }
  return listen(new Koa().use(metadata).use(router.routes()).use(guard()).callback());
}

function startExpress(verifier: Verifier): Server {
  const { protect, guard, metadata, onError } = protectExpress(verifier, OPTIONS);
  const app = express();
  app.use(metadata);
  const routes = protect(app);
  for (const { method, path, rules, work } of ROUTES) {
    routes[method](
      path,
      ...rules,
      (request: ExpressRequest & { token?: VerifiedToken }, response: ExpressResponse) => {
        response.json(work(request.token, queryOf(request.url)));
      },
    );
  }
  app.use(guard());
  app.use(onError);
  return listen(app);
}

/** Some routes are registered before the plugin and some in other plugins: all are guarded. */
function startFastify(verifier: Verifier): Server {
  const { plugin, onError } = protectFastify(verifier, OPTIONS);
  const app = fastify({ serverFactory: (handler) => createServer(handler) });
  app.setErrorHandler(onError);
  const register = (instance: FastifyInstance, { method, path, rules, work }: Route): void => {
    instance[method](path, { config: { access: rules } }, async (request) =>
      work(request.token, queryOf(request.url)),
    );
  };
  const [first, second, ...others] = ROUTES as [Route, Route, ...Route[]];
  register(app, first);
  app.register(async (instance) => register(instance, second));
  app.register(plugin);
  app.register(async (instance) => {
    for (const route of others) register(instance, route);
  });
  void app.listen({ port: 0, host: '127.0.0.1' });
  return app.server;
}

function startHono(verifier: Verifier): Server {
  const { protect, guard, metadata, onError } = protectHono(verifier, OPTIONS);
  const app = new Hono();
  app.onError(onError);
  app.use(metadata);
  const routes = protect(app);
  for (const { method, path, rules, work } of ROUTES) {
    routes[method](path, ...rules, (c) => c.json(work(c.get('token'), queryOf(c.req.url))));
  }
  app.use(guard());
  return listen(toListener(app.fetch));
}

function startFetch(verifier: Verifier): Server {
  const { protect, metadata } = protectFetch(verifier, OPTIONS);
  const handlers = ROUTES.map(({ method, path, rules, work }) => ({
    is: ({ method: asked, url }: Request) =>
      new URL(url).pathname === path && asked.replace('HEAD', 'GET') === method.toUpperCase(),
    handle: protect((request, token) => Response.json(work(token, queryOf(request.url))), ...rules),
  }));
  const notFound = protect(() => new Response('Not Found', { status: 404 }));
  return listen(
    toListener((request) => {
      const { handle = notFound } = handlers.find(({ is }) => is(request)) ?? {};
      return metadata(request) ?? handle(request);
    }),
  );
}

/** As servers do that turn Node's requests into those of Fetch. */
function toListener(handle: (request: Request) => Response | Promise<Response>): RequestListener {
  return async (request, response) => {
    const headers = new Headers();
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      headers.append(request.rawHeaders[at] as string, request.rawHeaders[at + 1] as string);
    }
    const url = `http://${request.headers.host}${request.url}`;
    const answer = await handle(new Request(url, { method: request.method ?? 'GET', headers }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
  };
}

export const FRAMEWORKS = {
  Koa: startKoa,
  Express: startExpress,
  Fastify: startFastify,
  Hono: startHono,
  Fetch: startFetch,
} as const;
