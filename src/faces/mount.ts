/** A face at its paths: from an HTTP request to its answer, or from a call of a program in this process. */
import type { Context, Next } from 'koa';
import { createAnswers } from './answers.ts';
import type { Face, FaceState, Incoming, Named, Reply } from './face.ts';
import type { FaceParts } from './parts.ts';
import { parseBody } from './requests.ts';
import { createRoutes, withoutDoubledSlashes } from './routes.ts';
import { findTenant } from './tenants.ts';

/** What pages of other origins may send. A method that a path does not have gets a 404, which pages can read. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const HEADERS = ['Authorization', 'Content-Type', 'X-HTTP-Method-Override'];
/** Bytes. */
const BODY_LIMIT = 64 * 1024;

declare module 'koa' {
  interface DefaultState extends Pick<FaceState, 'bearer'> {
    /** The body, read once for all faces that have the path. */
    faceText?: Promise<string>;
  }
}

export type Mount = ReturnType<typeof createMount>;

/** Some clients send a POST and name the method that they mean in a header. */
function methodOf(ctx: Context): string {
  const override = ctx.get('X-HTTP-Method-Override').toUpperCase();
  return ctx.method === 'POST' && override !== '' ? override : ctx.method;
}

function send(ctx: Context, { status, body, headers }: Reply): void {
  // Koa would spell out a missing body as JSON.
  if (body === undefined) ctx.remove('Content-Type');
  ctx.body = body ?? null;
  ctx.status = status;
  ctx.set(headers);
  ctx.set('Cache-Control', 'no-store');
}

export function createMount(face: Face, parts: FaceParts) {
  const { directory, prefixes, readBody, now } = parts;
  const routes = createRoutes(face, prefixes);
  const answers = createAnswers(face, parts);

  /** Read once, whichever face answers in the end: a body that cannot be read fails in the same way each time. */
  async function readOnce(ctx: Context): Promise<unknown> {
    const { state } = ctx;
    state.faceText ??= readBody(ctx, face.bodyLimit ?? BODY_LIMIT);
    return parseBody(await state.faceText, face.bodies, ctx.get('Content-Type'));
  }

  function toIncoming(ctx: Context): Incoming {
    return {
      method: ctx.method,
      path: withoutDoubledSlashes(ctx.path),
      query: new URLSearchParams(ctx.querystring),
      startedAt: now(),
      isOwn: false,
      header: (name) => ctx.get(name),
      readBody: () => readOnce(ctx),
      state: ctx.state,
    };
  }

  /** Where several faces share a path. The last of them tells the client what cannot be read. */
  async function isForAnother({ path, readBody }: Incoming): Promise<boolean> {
    return face.isFor !== undefined && !face.isFor(path, await readBody().catch(() => undefined));
  }

  function answerPreflight(ctx: Context): void {
    ctx.status = 204;
    if (face.origins === 'any') ctx.state.readers = '*';
    ctx.state.preflight = { methods: METHODS, headers: [...HEADERS, ...(face.headers ?? [])] };
  }

  return {
    name: face.name,

    hasPath(path: string): boolean {
      const plain = withoutDoubledSlashes(path);
      return routes.at(plain).length > 0 || routes.beside(plain) !== undefined;
    },

    /**
     * Calls a route in this process.
     * @param route as the face names it, as in `POST /token`
     * @param organization by name or id
     * @returns undefined if the organization does not have the face
     */
    async call(incoming: Incoming, route: string, organization: string): Promise<Reply | undefined> {
      const action = face.routes[route];
      if (!action) throw new Error(`${face.name} has no route ${route}`);
      const viewing = await directory.viewFor({});
      const tenant = await findTenant(face, viewing.view, { organization });
      return tenant && answers.run(incoming, { action, params: {} }, tenant, viewing);
    },

    async middleware(ctx: Context, next: Next): Promise<void> {
      const path = withoutDoubledSlashes(ctx.path);
      const found = routes.at(path);
      const named: Named | undefined = found[0]?.params ?? routes.beside(path);
      if (!named) return next();
      const { state } = ctx;
      const incoming = toIncoming(ctx);
      const viewing = await directory.viewFor(state);
      const tenant = await findTenant(face, viewing.view, named, state.host ?? ctx.host);
      if (!tenant && !(await viewing.view.facesInUse()).has(face.name)) return next();
      const isThere = tenant !== undefined && found.length > 0;
      if (isThere && ctx.method === 'OPTIONS') return answerPreflight(ctx);
      if (!isThere || (await isForAnother(incoming))) {
        await next();
        // Where no other route answers, the request is for this face after all.
        if (ctx.status !== 404 || (ctx.body ?? null) !== null) return;
        if (ctx.method === 'OPTIONS') return answerPreflight(ctx);
      }
      if (face.origins === 'any') state.readers = '*';
      if (!isThere) return send(ctx, answers.unknown(incoming, tenant ? {} : named));
      const method = methodOf(ctx);
      const has = (wanted: string) => found.find((each) => each.method === wanted);
      // RFC 9110 section 9.3.2: HEAD is answered as GET. The shell leaves the body out.
      const route = has(method) ?? (method === 'HEAD' ? has('GET') : undefined);
      if (!route) return send(ctx, answers.wrongMethod(incoming, method, found));
      send(ctx, await answers.run(incoming, route, tenant, viewing));
    },
  };
}
