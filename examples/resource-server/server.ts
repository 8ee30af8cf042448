/**
 * An API over two SQLite tables that checks what each token allows. It serves the resource of the demo organization that
 * Grantable makes at its first start:
 *
 *     CLIENT_SECRET=<the secret of demo-api> npm run -s example
 */
import type { Server } from 'node:http';
import Router from '@koa/router';
import {
  access,
  createVerifier,
  demandAll,
  type TokenAccess,
  type VerifiedToken,
} from 'grantable/resource-server';
import { createProtection, tokenOf } from 'grantable/resource-server/koa';
import Koa, { type Context } from 'koa';
import { z } from 'zod';
import { COLUMNS, openOrders } from './database.ts';

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
  tables: COLUMNS,
  onError: (error) => console.error(`following the revocations: ${(error as Error).message}`),
});
const { protect, metadata } = createProtection(verifier);

const orders = openOrders();
const newOrder = z.strictObject({ customer: z.int(), product: z.int(), amount: z.int().positive() });
const order = newOrder.extend({ id: z.int() });
const changes = newOrder.exactPartial();
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

function tokenFor(ctx: Context): VerifiedToken {
  return tokenOf(ctx) ?? ctx.throw(401);
}

const accessOf = (ctx: Context): TokenAccess => tokenFor(ctx).access;

function idOf(ctx: Context): number {
  return Number((ctx as Context & { params: Record<string, string> }).params.id);
}

const router = new Router();
const routes = protect(router);

routes.get('/health', access.public(), (ctx: Context) => {
  ctx.body = { status: 'ok' };
});

routes.get('/orders', access.requireAny('orders', 'read'), (ctx: Context) => {
  ctx.body = orders.list(accessOf(ctx));
});

// A join shows rows of both tables.
routes.get(
  '/orders-with-products',
  access.requireAny('orders', 'read'),
  access.requireAny('products', 'read'),
  (ctx: Context) => {
    ctx.body = orders.withProducts(accessOf(ctx));
  },
);

routes.post('/orders', access.requireAny('orders', 'create'), async (ctx: Context) => {
  ctx.body = orders.insert(accessOf(ctx), await readBody(ctx, newOrder));
  ctx.status = 201;
});

// An upsert creates or updates a row, so the token must allow both.
routes.put(
  '/orders',
  access.requireAny('orders', 'create'),
  access.requireAny('orders', 'update'),
  async (ctx: Context) => {
    const wanted = await readBody(ctx, order);
    orders.upsert(accessOf(ctx), wanted);
    ctx.body = wanted;
  },
);

routes.patch('/orders/:id', access.requireAny('orders', 'update'), async (ctx: Context) => {
  const wanted = await readBody(ctx, changes);
  ctx.status = orders.update(accessOf(ctx), { id: idOf(ctx), ...wanted }) ? 204 : 404;
});

routes.delete('/orders/:id', access.requireAny('orders', 'delete'), (ctx: Context) => {
  ctx.status = orders.remove(accessOf(ctx), idOf(ctx)) ? 204 : 404;
});

// The body decides which rights are needed. If one step is not allowed, none is done. A step finds only orders of its token.
routes.post('/orders/bulk', async (ctx: Context) => {
  const steps = await readBody(ctx, bulk);
  const token = tokenFor(ctx);
  demandAll(token, ...steps.map((step) => access.requireAny('orders', step.do)));
  ctx.body = orders.together(() =>
    steps.map((step) => {
      if (step.do === 'create') return orders.insert(token.access, step.order);
      if (step.do === 'delete') return orders.remove(token.access, step.id);
      return orders.update(token.access, step.order);
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
