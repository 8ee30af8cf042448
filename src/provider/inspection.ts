/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of both formats. The engine refuses structured tokens and would
 * take siblings down with a token, so its endpoints serve as the authenticated shell only: it gets a placeholder that
 * nothing answers to, authenticates the client, and our answer replaces its own.
 */
import type { Context, Middleware, Next } from 'koa';
import type { Author } from '../directory/changes.ts';
import type { Directory } from '../directory/directory.ts';
import type { Application } from '../storage/nouns.ts';
import type { Refusals } from '../storage/refusals.ts';
import type { Introspect } from '../tokens/introspection.ts';
import type { Revoke } from '../tokens/revocation.ts';

const PLACEHOLDER = 'looked-up-by-grantable';

export interface InspectionDeps {
  readonly issuer: string;
  readonly directory: Directory;
  readonly introspect: Introspect;
  readonly revoke: Revoke;
  readonly refusals: Pick<Refusals, 'append'>;
  /** The parsed form of a request, and how to hand it on changed. */
  readonly form: {
    read(ctx: Context): Record<string, unknown> | undefined;
    replace(ctx: Context, form: Record<string, unknown>): void;
    /** Makes the request one with this form. */
    give(ctx: Context, form: Record<string, unknown>): Promise<void>;
  };
  /** Milliseconds. */
  readonly now: () => number;
}

/**
 * Lets the engine authenticate the client of a request to its introspection or revocation endpoint.
 * @returns undefined if it did not, and has answered so
 */
export async function authenticateClient(
  ctx: Context,
  next: Next,
  fields: Readonly<Record<string, unknown>>,
  { form, directory }: Pick<InspectionDeps, 'form' | 'directory'>,
): Promise<Application | undefined> {
  form.replace(ctx, { ...fields, token: PLACEHOLDER });
  await next();
  const clientId = ctx.status === 200 ? ctx.oidc?.client?.clientId : undefined;
  const active = clientId && (await (await directory.viewFor(ctx.req)).view.findApplication(clientId));
  return active ? active.application : undefined;
}

/** Takes the token out of the request, and returns it with the client. */
async function authenticated(
  ctx: Context,
  next: Next,
  deps: InspectionDeps,
): Promise<{ value: string; client: Application } | undefined> {
  const fields = deps.form.read(ctx);
  const value = fields?.token;
  if (!fields || typeof value !== 'string' || value === '') {
    await next();
    return undefined;
  }
  const client = await authenticateClient(ctx, next, fields, deps);
  return client && { value, client };
}

/** Around the engine's introspection endpoint. */
export function createIntrospection(deps: InspectionDeps): Middleware {
  return async function introspect(ctx, next) {
    const request = await authenticated(ctx, next, deps);
    if (!request) return;
    const { view } = await deps.directory.viewFor(ctx.req);
    ctx.body = await deps.introspect(request.value, { client: request.client, view });
  };
}

function authorOf({ state }: Context, { id }: Application): Author {
  return {
    actor: `client:${id}`,
    ...(typeof state.address === 'string' && { address: state.address }),
    ...(typeof state.requestId === 'string' && { requestId: state.requestId }),
  };
}

/** Around the engine's revocation endpoint. */
export function createRevocation(deps: InspectionDeps): Middleware {
  return async function revoke(ctx, next) {
    const request = await authenticated(ctx, next, deps);
    if (!request) return;
    // The engine sends an empty text: clients that read JSON only would throw.
    ctx.body = {};
    const { value, client } = request;
    await deps.revoke(value, { client, author: authorOf(ctx, client) });
  };
}
