/** From a request at a face's path to the token endpoint and back. */
import type { Context, Middleware } from 'koa';
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

export function createMount(face: Face, { directory, body }: MountDeps): Middleware {
  const paths = new Set(Object.keys(face.routes).map((route) => route.split(' ')[1]));

  async function findTenant(view: DirectoryView, host: string): Promise<Tenant | undefined> {
    const organization = await view.findOrganizationOf(host);
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
    return async (form, nodes = []) => {
      const { asOf } = await directory.viewFor(ctx.req);
      const through = { face: face.name, registration: settings.registration, nodes };
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
    ctx.body = face.fail({ status: ctx.status, description: failure.description });
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
    ctx.set('Access-Control-Allow-Headers', 'Authorization, Content-Type, X-HTTP-Method-Override');
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
    try {
      const request: FaceRequest = {
        ...tenant,
        view,
        bearer: BEARER.exec(ctx.get('Authorization'))?.[1],
        body: parseJson(await body.read(ctx, face.bodyLimit)),
        address: String(ctx.state.address),
        requestId: String(ctx.state.requestId),
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

  return async function mount(ctx, next) {
    if (!paths.has(ctx.path)) return next();
    const { view } = await directory.viewFor(ctx.req);
    const tenant = await findTenant(view, String(ctx.state.host ?? ctx.host));
    if (!tenant) return;
    if (ctx.method === 'OPTIONS') return answerPreflight(ctx, tenant);
    const action = face.routes[`${methodOf(ctx)} ${ctx.path}`];
    if (action) return answer(ctx, next, action, tenant, view);
    answerFailure(ctx, new Refusal(404, 'there is nothing to do here in this way'));
  };
}
