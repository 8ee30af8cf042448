/**
 * An API over two SQLite tables that checks what each token allows. It serves the resource of the demo organization that
 * Grantable makes at its first start:
 *
 *     CLIENT_SECRET=<the secret of demo-api> npm run -s example
 */
import type { Server } from 'node:http';
import Router from '@koa/router';
import { access, createVerifier, demand } from 'grantable/resource-server';
import { createProtection, tokenOf } from 'grantable/resource-server/koa';
import Koa, { type Context } from 'koa';
import { z } from 'zod';
import { openOrders } from './database.ts';

const {
  ISSUER = 'http://localhost:3000',
  RESOURCE = 'https://api.demo.example/',
  CLIENT_ID = 'demo-api',
  CLIENT_SECRET = '',
  PORT = '8080',
} = process.env;

const verifier = createVerifier({
  issuer: ISSUER,
  resource: RESOURCE,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  onError: (error) => console.error(`following the revocations: ${(error as Error).message}`),
});
const { protect, metadata } = createProtection(verifier);

const orders = openOrders();
const fields = { product: z.int(), amount: z.int().positive() };
const newOrder = z.strictObject(fields);
const order = z.strictObject({ id: z.int(), ...fields });
const bulk = z.array(
  z.discriminatedUnion('do', [
    z.strictObject({ do: z.literal('create'), order: newOrder }),
    z.strictObject({ do: z.literal('update'), order }),
    z.strictObject({ do: z.literal('delete'), id: z.int() }),
  ]),
);

/** @throws an error with the status 400 */
async function readBody<T>(ctx: Context, schema: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  try {
    return schema.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    return ctx.throw(400, 'The body must be JSON with the documented fields.');
  }
}

function tokenFor(ctx: Context) {
  return tokenOf(ctx) ?? ctx.throw(401);
}

const router = new Router();
const routes = protect(router);

routes.get('/health', access.public(), (ctx: Context) => {
  ctx.body = { status: 'ok' };
});

routes.get('/orders', access.require('orders', 'read'), (ctx: Context) => {
  ctx.body = orders.list();
});

// A join shows rows of both tables.
routes.get(
  '/orders-with-products',
  access.require('orders', 'read'),
  access.require('products', 'read'),
  (ctx: Context) => {
    ctx.body = orders.withProducts();
  },
);

routes.post('/orders', access.require('orders', 'create'), async (ctx: Context) => {
  ctx.status = 201;
  ctx.body = orders.insert(await readBody(ctx, newOrder));
});

// An upsert creates or updates a row, so the token must allow both.
routes.put(
  '/orders',
  access.require('orders', 'create'),
  access.require('orders', 'update'),
  async (ctx: Context) => {
    const wanted = await readBody(ctx, order);
    ctx.body = orders.together(() => (orders.update(wanted) ? wanted : orders.insert(wanted)));
  },
);

routes.delete('/orders/:id', access.require('orders', 'delete'), (ctx: Context) => {
  const { id } = (ctx as Context & { params: Record<string, string> }).params;
  ctx.status = orders.remove(Number(id)) ? 204 : 404;
});

// The body decides which rights are needed. If one step is not allowed, none is done.
routes.post('/orders/bulk', async (ctx: Context) => {
  const steps = await readBody(ctx, bulk);
  const token = tokenFor(ctx);
  for (const step of steps) demand(token, 'orders', step.do);
  ctx.body = orders.together(() =>
    steps.map((step) => {
      if (step.do === 'create') return orders.insert(step.order);
      return step.do === 'update' ? orders.update(step.order) : orders.remove(step.id);
    }),
  );
});

const app = new Koa();
app.use(metadata).use(router.routes());
const server: Server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as { port: number }).port}`);
});
process.once('SIGTERM', () => {
  verifier.close();
  server.close();
});
