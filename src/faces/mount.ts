/** From a request at a face's path to the token endpoint and back. */
import type { Context, Middleware } from 'koa';
import { type MatchFunction, match } from 'path-to-regexp';
import type { ActiveApplication, Directory, DirectoryView } from '../directory/directory.ts';
import {
  AlreadyTaken,
  DomainError,
  PermissionsNotAllowed,
  ProofRejected,
  RegistrationClosed,
  ScopeNotAllowed,
  UnknownResource,
} from '../errors/domain.ts';
import { type Failure, toFailure } from '../http/errors.ts';
import { Refusal } from '../http/refusal.ts';
import { PermissionsError } from '../permissions/errors.ts';
import { parseJsonText } from '../permissions/json.ts';
import type { FaceSettings, Organization } from '../storage/nouns.ts';
import type { AskForToken, Face, FaceAction, FaceRequest } from './face.ts';

const TOKEN_PATH = '/oauth/token';
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i;
const PREFLIGHT_SECONDS = 600;

/** What the mount needs of the shell. */
export interface MountDeps {
  readonly directory: Directory;
  readonly body: {
    /** The text of the body, of whatever type. @throws Refusal 413 */
    read(ctx: Context, limit: number): Promise<string>;
    /** Makes the request one with this form. */
    giveForm(ctx: Context, form: Record<string, unknown>): Promise<void>;
  };
}

interface Tenant {
  readonly organization: Organization;
  readonly settings: FaceSettings;
  readonly client: ActiveApplication;
}

/** More than a domain error says of itself, because older APIs have statuses that OAuth has not. */
function statusOf(error: unknown, { status }: Failure): number {
  if (error instanceof ProofRejected) return 401;
  if (error instanceof AlreadyTaken) return 409;
  const isForbidden = [RegistrationClosed, PermissionsNotAllowed, ScopeNotAllowed, UnknownResource].some(
    (type) => error instanceof type,
  );
  return isForbidden ? 403 : status;
}

function methodOf(ctx: Context): string {
  const override = ctx.get('X-HTTP-Method-Override').toUpperCase();
  return ctx.method === 'POST' && override !== '' ? override : ctx.method;
}

function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return parseJsonText(text);
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    if (error.code === 'too_large') throw new Refusal(413, 'the body is too large');
    throw new Refusal(400, 'the body is no JSON, or holds names that are not allowed');
  }
}

interface Route {
  readonly method: string;
  /** What every path that it matches starts with; most requests are told by it to be none of the face's. */
  readonly start: string;
  readonly matches: MatchFunction<{ organization?: string }>;
  readonly action: FaceAction;
}

/** Every spelling but the one that is written down is another path. */
function toRoute([route, action]: [string, FaceAction]): Route {
  const [method = '', path = ''] = route.split(' ');
  const start = path.split(':')[0] ?? '';
  return { method, action, start, matches: match(path, { sensitive: true, trailing: false, decode: false }) };
}

/** Requests that were made in this process. */
const own = new WeakSet<object>();

/** From now on the request counts as one that was made in this process. @param request of `node:http` */
export function markOwn(request: object): void {
  own.add(request);
}

export interface Mount {
  readonly middleware: Middleware;
  hasPath(path: string): boolean;
}

export function createMount(face: Face, { directory, body }: MountDeps): Mount {
  const routes = Object.entries(face.routes).map(toRoute);

  async function findTenant(view: DirectoryView, host: string, name?: string): Promise<Tenant | undefined> {
    const organization = await (name === undefined
      ? view.findOrganizationOf(host)
      : view.findOrganizationNamed(name));
    const settings = organization?.faces?.[face.name];
    if (!organization || !settings?.enabled) return undefined;
    const active = await view.findApplicationById(settings.application);
    if (active?.application.organization !== organization.id) return undefined;
    const { secretHash: _, jwks: __, ...application } = active.application;
    const client = {
      organization,
      application: {
        ...application,
        clientId: `${organization.name}.${face.name}`,
        authMethod: 'none' as const,
        grants: face.grants(application.grants),
      },
    };
    return { organization, settings, client };
  }

  /** The face's client is found in this request and in no other. */
  function createAsk(
    ctx: Context,
    next: () => Promise<unknown>,
    tenant: Tenant,
    view: DirectoryView,
  ): AskForToken {
    const { client, settings } = tenant;
    const { clientId } = client.application;
    const own: DirectoryView = {
      ...view,
      findApplication: async (id) => (id === clientId ? client : view.findApplication(id)),
    };
    return async (form, { nodes = [], token } = {}) => {
      const { asOf } = await directory.viewFor(ctx.req);
      const through = {
        face: face.name,
        registration: settings.registration,
        nodes,
        ...(token && { token }),
      };
      directory.decideBy(ctx.req, { view: own, asOf, through });
      const { method, url } = ctx;
      await body.giveForm(ctx, { client_id: clientId, ...form });
      ctx.url = TOKEN_PATH;
      ctx.req.headers.accept = 'application/json';
      delete ctx.req.headers.authorization;
      delete ctx.req.headers.origin;
      try {
        await next();
      } finally {
        Object.assign(ctx, { method, url });
      }
      if (ctx.status === 200) return ctx.body as Record<string, unknown>;
      const { error_description: description } = (ctx.body ?? {}) as Record<string, unknown>;
      throw ctx.state.failure instanceof DomainError
        ? ctx.state.failure
        : new Refusal(ctx.status, typeof description === 'string' ? description : 'the request is refused');
    };
  }

  function answerFailure(ctx: Context, error: unknown): void {
    const failure = toFailure(error);
    if (!failure) throw error;
    ctx.state.reason ??= error instanceof Error ? error.message : undefined;
    ctx.status = statusOf(error, failure);
    ctx.body = face.fail({ status: ctx.status, description: failure.description, error });
    if (failure.retryAfter !== undefined) ctx.set('Retry-After', String(failure.retryAfter));
  }

  /** Pages of origins that the application lists may read the answer (Fetch Standard, CORS). */
  function allowOrigin(ctx: Context, origin: string, { client }: Tenant): boolean {
    ctx.vary('Origin');
    const isListed = client.application.allowedOrigins.includes(origin);
    if (isListed) ctx.set('Access-Control-Allow-Origin', origin);
    return isListed;
  }

  function answerPreflight(ctx: Context, tenant: Tenant): void {
    ctx.status = 204;
    if (!allowOrigin(ctx, ctx.get('Origin'), tenant)) return;
    ctx.set('Access-Control-Allow-Methods', 'POST, DELETE');
    ctx.set(
      'Access-Control-Allow-Headers',
      ['Authorization', 'Content-Type', 'X-HTTP-Method-Override', ...face.headers].join(', '),
    );
    ctx.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS));
  }

  async function answer(
    ctx: Context,
    next: () => Promise<unknown>,
    action: FaceAction,
    tenant: Tenant,
    view: DirectoryView,
  ): Promise<void> {
    const origin = ctx.get('Origin');
    // Those of the request as it came; asking for a token changes them.
    const headers = { ...ctx.req.headers } as Readonly<Record<string, string | undefined>>;
    try {
      const request: FaceRequest = {
        ...tenant,
        view,
        bearer: BEARER.exec(ctx.get('Authorization'))?.[1],
        body: parseJson(await body.read(ctx, face.bodyLimit)),
        address: String(ctx.state.address),
        requestId: String(ctx.state.requestId),
        header: (name) => headers[name] ?? '',
        isOwn: own.has(ctx.req),
      };
      const result = await action(request, createAsk(ctx, next, tenant, view));
      ctx.status = 200;
      ctx.body = result;
    } catch (error) {
      answerFailure(ctx, error);
    }
    ctx.set('Cache-Control', 'no-store');
    allowOrigin(ctx, origin, tenant);
  }

  const find = (path: string) =>
    routes.flatMap(({ method, start, matches, action }) => {
      const found = path.startsWith(start) && matches(path);
      return found ? [{ method, action, organization: found.params.organization }] : [];
    });

  return {
    hasPath: (path) => routes.some(({ start, matches }) => path.startsWith(start) && matches(path) !== false),
    async middleware(ctx, next) {
      const found = find(ctx.path);
      const [first] = found;
      if (!first) return next();
      const { view } = await directory.viewFor(ctx.req);
      const tenant = await findTenant(view, String(ctx.state.host ?? ctx.host), first.organization);
      if (!tenant) return;
      if (ctx.method === 'OPTIONS') return answerPreflight(ctx, tenant);
      const method = methodOf(ctx);
      const route = found.find((candidate) => candidate.method === method);
      if (route) return answer(ctx, next, route.action, tenant, view);
      answerFailure(ctx, new Refusal(404, 'there is nothing to do here in this way'));
    },
  };
}
