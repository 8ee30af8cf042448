/**
 * The administration API over HTTP. Its routes are the declarations in `operations`; this folder has what all of them
 * share: tokens, limits, versions, cursors, repeated creations, bodies and answers. Which rows an operation concerns and what
 * it does stands in its declaration. Routes: `/admin/api/*`.
 *
 * This file: paths and methods. `handle.ts` is the way of one request.
 */
import type { Context, Middleware } from 'koa';
import type { createClientOrigins } from '../../endpoints/client-origins.ts';
import { Refusal } from '../../http/refusal.ts';
import type { Operation } from '../operations/operation.ts';
import { createHandle, type HandleDeps } from './handle.ts';
import { API } from './paths.ts';
import { createRouter } from './router.ts';

/** What a page of another origin may send. */
const PAGE_HEADERS = ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-Match', 'If-None-Match'];

export interface AdminApiDeps extends HandleDeps {
  readonly operations: readonly Operation[];
  /** Lets pages of the origins that the token's application lists read an answer. */
  readonly forPages: ReturnType<typeof createClientOrigins>;
}

function requireMethod(ctx: Context, methods: readonly string[]): void {
  if (methods.includes(ctx.method)) return;
  const allowed = methods.join(', ');
  throw new Refusal(405, `This method is not allowed here. Use ${allowed}.`, { headers: { Allow: allowed } });
}

function answerPreflight(ctx: Context, methods: readonly string[]): void {
  ctx.status = 204;
  ctx.set('Allow', methods.join(', '));
  ctx.state.preflight = { methods, headers: PAGE_HEADERS };
}

/** @returns answers every request below the path of the API */
export async function createAdminApi(deps: AdminApiDeps): Promise<Middleware> {
  const { operations, forPages } = deps;
  const find = createRouter(operations);
  const handle = await createHandle(deps);
  return async function adminApi(ctx, next) {
    const path = ctx.path.startsWith(`${API}/`) ? ctx.path.slice(API.length) : undefined;
    const place = path === undefined ? undefined : find(path);
    if (!place) throw new Refusal(404, 'There is nothing at this path.', { error: 'not_found' });
    const methods = [...place.methods, 'OPTIONS'];
    requireMethod(ctx, methods);
    if (ctx.method === 'OPTIONS') return answerPreflight(ctx, methods);
    const found = place.find(ctx.method);
    if (found) await forPages((inside) => handle(inside, found))(ctx, next);
  };
}
