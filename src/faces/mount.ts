/** From a request at a face's path to its action, and from what that gives to an answer. */
import type { Context, Middleware } from 'koa';
import { type MatchFunction, match } from 'path-to-regexp';
import type { Directory, RequestView } from '../directory/directory.ts';
import { reservedNames } from '../directory/names.ts';
import { DomainError, TooManyAttempts } from '../errors/domain.ts';
import { reasonOf } from '../errors/reason.ts';
import { quote } from '../errors/texts.ts';
import { toFailure } from '../http/errors.ts';
import { Refusal } from '../http/refusal.ts';
import type { TokenRow } from '../storage/contract.ts';
import type { Refusals } from '../storage/refusals.ts';
import { type AskContext, type AskDeps, createAsk, type Tenant } from './ask.ts';
import { type Face, type FaceAction, type FaceFailure, type FaceTokens, Reply } from './face.ts';
import { createFaceRequest, parseBody } from './requests.ts';
import { findTenant, type Named } from './tenants.ts';

/** What pages of other origins may send. A method that a path does not have gets a 404, which pages can read. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const HEADERS = ['Authorization', 'Content-Type', 'X-HTTP-Method-Override'];

type Prefixes = Readonly<Record<string, string>>;

/** What the mount needs of the shell and of the provider. */
export interface MountDeps extends AskDeps {
  readonly tokens: FaceTokens;
  readonly directory: Directory;
  readonly body: {
    /** The text of the body, of whatever type. @throws Refusal 413 */
    read(ctx: Context, limit: number): Promise<string>;
  };
  /** Paths below which faces are served instead of at the root, by their names. */
  readonly prefixes: Prefixes;
  readonly refusals: Pick<Refusals, 'append'>;
  /** Milliseconds. */
  readonly now: () => number;
}

function methodOf(ctx: Context): string {
  const override = ctx.get('X-HTTP-Method-Override').toUpperCase();
  return ctx.method === 'POST' && override !== '' ? override : ctx.method;
}

type Params = Partial<Record<string, string>>;

interface Pattern {
  /** Of every path that it matches; undefined where that names the organization. */
  readonly firstSegment: string | undefined;
  readonly matches: MatchFunction<Params>;
}

interface Route extends Pattern {
  readonly method: string;
  readonly action: FaceAction;
}

/** Clients append a path with a leading slash to a base with a trailing one. */
const withoutDoubledSlashes = (path: string): string =>
  path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;

const firstSegmentOf = (path: string): string => path.slice(1, (path.indexOf('/', 1) + 1 || Infinity) - 1);

/** Every spelling but the one that is written down is another path, but for a slash at the end where a face says so. */
function toPattern(path: string, slashAtEnd: boolean): Pattern {
  const first = firstSegmentOf(path);
  return {
    firstSegment: first.startsWith(':') ? undefined : first,
    matches: match(path, { sensitive: true, trailing: slashAtEnd, decode: false }),
  };
}

const basesOf = ({ name, alsoBelow = [] }: Face, prefixes: Prefixes): string[] => [
  prefixes[name] ?? '',
  ...alsoBelow,
];

function toRoutes(face: Face, prefixes: Prefixes): Route[] {
  return basesOf(face, prefixes).flatMap((base) =>
    Object.entries(face.routes).map(([route, action]) => {
      const [method = '', path = ''] = route.split(' ');
      return { method, action, ...toPattern(base + path, face.slashAtEnd === true) };
    }),
  );
}

/** Where the face's own error format answers unknown paths: below its base; at the root, beside its paths. */
function toSurroundings(face: Face, prefixes: Prefixes): Pattern[] {
  const folders = basesOf(face, prefixes).flatMap((base) =>
    base === '' ? Object.keys(face.routes).map((route) => route.replace(/^\S+ |\/[^/]*$/g, '')) : [base],
  );
  // Longest first: longer paths also name the organization or the application.
  return [...new Set(folders)]
    .filter((folder) => folder !== '')
    .sort((a, b) => b.length - a.length)
    .map((folder) => toPattern(`${folder}/*rest`, true));
}

export interface Mount {
  readonly middleware: Middleware;
  hasPath(path: string): boolean;
}

/** Characters. */
const LONGEST_PATH_TOLD = 200;

export function createMount(face: Face, deps: MountDeps): Mount {
  const { directory, body, refusals, now } = deps;
  const taken = new Set([...reservedNames, ...Object.values(deps.prefixes).map(firstSegmentOf)]);

  /** What names an organization is looked at last: none is named as a path of ours begins. */
  function createFinder<T extends Pattern>(patterns: readonly T[]) {
    const bySegment = Map.groupBy(patterns, ({ firstSegment }) => firstSegment);
    return (path: string): { route: T; params: Params }[] => {
      const first = firstSegmentOf(path);
      const candidates = bySegment.get(first) ?? (taken.has(first) ? [] : bySegment.get(undefined));
      return (candidates ?? []).flatMap((route) => {
        const found = route.matches(path);
        // Below a prefix, one of the face's own paths may look like a path with an organization.
        const isOwn = found && !reservedNames.has(found.params.organization ?? '');
        return isOwn ? [{ route, params: found.params }] : [];
      });
    };
  }

  const routesAt = createFinder(toRoutes(face, deps.prefixes));
  const surroundingsAt = createFinder(toSurroundings(face, deps.prefixes));

  function tell(ctx: Context, result: unknown): void {
    const reply = result instanceof Reply ? result : new Reply(200, result);
    // Koa would spell out a missing body as JSON.
    if (reply.body === undefined) ctx.remove('Content-Type');
    ctx.body = reply.body ?? null;
    ctx.status = reply.status;
    ctx.set(reply.headers);
    ctx.set('Cache-Control', 'no-store');
  }

  const factsOf = (ctx: Context, started: number) => ({
    method: ctx.method,
    path: withoutDoubledSlashes(ctx.path),
    hasAuthorization: ctx.state.hadAuthorization === true,
    duration: now() - started,
  });

  function tellFailure(ctx: Context, error: unknown, started: number): void {
    const failure = toFailure(error);
    if (!failure) throw error;
    ctx.state.reason ??= reasonOf(error);
    const status = error instanceof DomainError ? error.plainStatus : failure.status;
    const told: FaceFailure = { ...factsOf(ctx, started), status, description: failure.description, error };
    const result = face.fail(told);
    tell(ctx, result instanceof Reply ? result : new Reply(status, result));
    if (failure.retryAfter !== undefined) ctx.set('Retry-After', String(failure.retryAfter));
  }

  /**
   * A request with a living token that was refused; requests of strangers are logged only. What the token endpoint
   * refused is in the audit already.
   */
  async function auditRefusal(ctx: Context, { organization }: Tenant, error: unknown): Promise<void> {
    const { status, path, state } = ctx;
    const bearer = state.bearer as TokenRow | undefined;
    if (!bearer || state.failure !== undefined || (status !== 401 && status !== 403)) return;
    const entry = {
      at: now(),
      event: 'request.refused',
      outcome: 'denied',
      subject: bearer.subject,
      client: bearer.clientId,
      organization: organization.id,
      details: { path: path.slice(0, LONGEST_PATH_TOLD), status, face: face.name },
      ...(typeof state.reason === 'string' && { reason: state.reason }),
      ...(typeof state.address === 'string' && { address: state.address }),
      ...(typeof state.requestId === 'string' && { requestId: state.requestId }),
    } as const;
    await refusals.append(entry, !(error instanceof TooManyAttempts));
  }

  function answerPreflight(ctx: Context): void {
    ctx.status = 204;
    if (face.origins === 'any') ctx.state.readers = '*';
    ctx.state.preflight = { methods: METHODS, headers: [...HEADERS, ...face.headers] };
  }

  /** Read once, whichever face it turns out to be for: what cannot be read is told alike however often it is asked. */
  async function readBody(ctx: Context): Promise<unknown> {
    ctx.state.faceText ??= body.read(ctx, face.bodyLimit);
    return parseBody(await ctx.state.faceText, face.bodies, ctx.get('Content-Type'));
  }

  async function isForAnother(ctx: Context): Promise<boolean> {
    if (!face.isFor) return false;
    // What cannot be read is told by whoever comes last.
    const parsed = await readBody(ctx).catch(() => undefined);
    return !face.isFor(withoutDoubledSlashes(ctx.path), parsed);
  }

  function askContextOf(ctx: Context, tenant: Tenant, viewing: RequestView): AskContext {
    const { state, path } = ctx;
    return {
      ...viewing,
      face: face.name,
      tenant,
      path: path.slice(0, LONGEST_PATH_TOLD),
      address: String(state.address),
      requestId: String(state.requestId),
      notes: {
        client({ clientId, used, registered }) {
          state.clientId = clientId;
          state.clientAuth = used === registered ? undefined : { used, registered };
        },
        issued(grant, row) {
          state.issuedGrant = grant;
          state.bearer ??= row;
        },
        refused(error) {
          state.failure = error;
        },
      },
    };
  }

  async function answer(
    ctx: Context,
    { route, params }: { route: Route; params: Params },
    tenant: Tenant,
    viewing: RequestView,
    started: number,
  ): Promise<void> {
    ctx.state.hadAuthorization = ctx.get('Authorization') !== '';
    const { organization: _, application: __, ...others } = params;
    try {
      const request = createFaceRequest(ctx, {
        face,
        tenant,
        view: viewing.view,
        params: others as Record<string, string>,
        body: await readBody(ctx),
        tokens: deps.tokens,
      });
      ctx.state.readers ??= tenant.client.application.allowedOrigins;
      tell(ctx, await route.action(request, createAsk(askContextOf(ctx, tenant, viewing), deps)));
    } catch (error) {
      tellFailure(ctx, error, started);
      await auditRefusal(ctx, tenant, error).catch((failure: unknown) => tellFailure(ctx, failure, started));
    }
  }

  /** An organization that does not have the face and one that is not there are told alike. */
  function tellUnknown(ctx: Context, named: Named, started: number): void {
    if (named.organization === undefined || !face.failUnknown) {
      tellFailure(ctx, new Refusal(404, 'there is nothing here'), started);
    } else {
      tell(ctx, face.failUnknown(factsOf(ctx, started), named));
    }
  }

  function tellWrongMethod(ctx: Context, found: readonly { readonly route: Route }[], started: number): void {
    const methods = new Set(found.map(({ route }) => route.method));
    const text = `this path does not answer ${quote(methodOf(ctx))}: use ${[...methods].join(' or ')}`;
    tellFailure(ctx, new Refusal(404, text), started);
  }

  return {
    hasPath(path) {
      const plain = withoutDoubledSlashes(path);
      return routesAt(plain).length > 0 || surroundingsAt(plain).length > 0;
    },
    async middleware(ctx, next) {
      const path = withoutDoubledSlashes(ctx.path);
      const found = routesAt(path);
      const [first = surroundingsAt(path)[0]] = found;
      if (!first) return next();
      const started = now();
      const viewing = await directory.viewFor(ctx.state);
      const named = first.params as Named;
      const tenant = await findTenant(face, viewing.view, String(ctx.state.host ?? ctx.host), named);
      if (!tenant && !(await viewing.view.facesInUse()).has(face.name)) return next();
      const isThere = tenant !== undefined && found.length > 0;
      if (isThere && ctx.method === 'OPTIONS') return answerPreflight(ctx);
      if (!isThere || (await isForAnother(ctx))) {
        await next();
        // Where nobody else answers there, it is this one's after all.
        if (ctx.status !== 404 || (ctx.body ?? null) !== null) return;
        if (ctx.method === 'OPTIONS') return answerPreflight(ctx);
      }
      if (face.origins === 'any') ctx.state.readers = '*';
      if (!isThere) return tellUnknown(ctx, tenant ? {} : named, started);
      const method = methodOf(ctx);
      const chosen = found.find(({ route }) => route.method === method);
      if (chosen) return answer(ctx, chosen, tenant, viewing, started);
      tellWrongMethod(ctx, found, started);
    },
  };
}
