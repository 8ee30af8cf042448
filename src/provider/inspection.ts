/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of both formats. The engine refuses structured tokens and would
 * take siblings down with a token, so its endpoints serve as the authenticated shell only: it gets a placeholder that
 * nothing answers to, authenticates the client, and our answer replaces its own.
 */
import type { Context, Middleware, Next } from 'koa';
import type { Connections } from '../connections/connections.ts';
import type { Author } from '../directory/changes.ts';
import type { Directory, DirectoryView } from '../directory/directory.ts';
import { createEndings } from '../directory/endings.ts';
import { MalformedRequest } from '../errors/domain.ts';
import { type JwtVerifier, looksLikeJwt } from '../keys/verify-jwt.ts';
import { toDetails } from '../permissions/details.ts';
import { fromStoredAccess } from '../permissions/device-access.ts';
import { toPermissionsJson } from '../permissions/seed-shape.ts';
import { fromStored } from '../permissions/stored.ts';
import type { RefreshJwts } from '../registry/refresh-jwt.ts';
import type { Registry } from '../registry/registry.ts';
import { scopeMember } from '../registry/scope.ts';
import { REFRESH_TOKEN, type RefreshTokens } from '../registry/secrets.ts';
import type { AuditLog, LoginRow, LoginStore, TokenRow } from '../storage/contract.ts';
import type { Application, Connection } from '../storage/nouns.ts';
import type { Refusals } from '../storage/refusals.ts';

const PLACEHOLDER = 'looked-up-by-grantable';
const INACTIVE = { active: false };

export interface InspectionDeps {
  readonly issuer: string;
  readonly registry: Registry;
  readonly logins: LoginStore;
  readonly connections: Pick<Connections, 'identify' | 'end'>;
  readonly refreshTokens: RefreshTokens;
  readonly refreshJwts: Pick<RefreshJwts, 'unwrap'>;
  readonly directory: Directory;
  readonly jwtVerifier: JwtVerifier;
  readonly audit: Pick<AuditLog, 'append'>;
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

type Found = { readonly token: TokenRow } | { readonly login: LoginRow };

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
  return client && { value: await deps.refreshJwts.unwrap(value), client };
}

async function find(value: string, deps: InspectionDeps): Promise<Found | undefined> {
  if (value.startsWith(REFRESH_TOKEN)) {
    const id = deps.refreshTokens.loginOf(value);
    const login = id === undefined ? undefined : await deps.registry.findLogin(id);
    return login && { login };
  }
  if (looksLikeJwt(value)) {
    const verified = await deps.jwtVerifier.verify(value);
    const token = verified && (await deps.registry.find('jwt', verified.jti));
    return token && { token };
  }
  const token = await deps.registry.find('opaque', value);
  return token && { token };
}

/** A resource server sees tokens meant for its resource, an application its own; anybody else sees nothing (MT-02). */
function maySee(client: Application, found: Found): boolean {
  const row = 'token' in found ? found.token : found.login;
  if (row.application === client.id) return true;
  if (row.organization !== client.organization || row.resource === undefined) return false;
  return 'token' in found && client.introspects.includes(row.resource);
}

/** A used refresh token still ends its login when revoked, but is not active. */
function isCurrent(found: Found, value: string, { refreshTokens }: InspectionDeps): boolean {
  return 'token' in found || found.login.current.equals(refreshTokens.hash(value));
}

async function describe(
  found: Found,
  view: DirectoryView,
  deps: InspectionDeps,
): Promise<Record<string, unknown>> {
  const row = 'token' in found ? found.token : found.login;
  const [organization, client] = await Promise.all([
    view.findOrganization(row.organization),
    view.findApplicationById(row.application),
  ]);
  if (!organization?.enabled || !client) return INACTIVE;
  const permissions = fromStored(row.permissions);
  return {
    ...('token' in found && found.token.claims),
    active: true,
    iss: deps.issuer,
    sub: row.subject,
    ...(row.resource !== undefined && { aud: row.resource }),
    client_id: row.clientId,
    ...scopeMember(row),
    permissions: toPermissionsJson(permissions),
    authorization_details: toDetails(
      permissions,
      row.devices && fromStoredAccess(row.devices),
      row.resource ?? '',
    ),
    org: organization.name,
    app: client.application.name,
    ...('token' in found ? tokenFacts(found.token) : loginFacts(found.login)),
    ...(row.authTime !== undefined && { auth_time: row.authTime }),
    anc: row.ancestors,
  };
}

function tokenFacts(token: TokenRow): Record<string, unknown> {
  return {
    token_type: 'Bearer',
    jti: token.id,
    iat: token.issuedAt,
    exp: token.expiresAt,
    ...(token.username !== undefined && { username: token.username }),
    ...(token.roles && { roles: token.roles }),
    ...(token.act && { act: token.act }),
  };
}

function loginFacts(login: LoginRow): Record<string, unknown> {
  return { iat: Math.floor(login.createdAt / 1000), exp: Math.floor(login.expiresAt / 1000) };
}

/**
 * The answer to an authenticated client (RFC 7662 section 2.2).
 * @param value the token, not wrapped
 * @param request what stands for the request in `directory.viewFor`
 */
export async function answerIntrospection(
  value: string,
  client: Application,
  request: object,
  deps: InspectionDeps,
): Promise<Record<string, unknown>> {
  const found = await find(value, deps);
  const visible = found && isCurrent(found, value, deps) && maySee(client, found);
  return visible ? describe(found, (await deps.directory.viewFor(request)).view, deps) : INACTIVE;
}

/** Around the engine's introspection endpoint. */
export function createIntrospection(deps: InspectionDeps): Middleware {
  return async function introspect(ctx, next) {
    const request = await authenticated(ctx, next, deps);
    if (request) ctx.body = await answerIntrospection(request.value, request.client, ctx.req, deps);
  };
}

async function endConnection(
  ctx: Context,
  connection: Connection,
  client: Application,
  { connections }: InspectionDeps,
): Promise<void> {
  if (connection.application !== client.id) {
    throw new MalformedRequest({ description: 'the token was issued to another client' });
  }
  await connections.end(connection, authorOf(ctx, client));
}

function authorOf({ state }: Context, { id }: Application): Author {
  return {
    actor: `client:${id}`,
    ...(typeof state.address === 'string' && { address: state.address }),
    ...(typeof state.requestId === 'string' && { requestId: state.requestId }),
  };
}

/** Around the engine's revocation endpoint: ends a token and what hangs below it, a login, or a connection. */
export function createRevocation(deps: InspectionDeps): Middleware {
  const endings = createEndings(deps);
  return async function revoke(ctx, next) {
    const request = await authenticated(ctx, next, deps);
    if (!request) return;
    // The engine says nothing, as text: clients that read JSON only would throw.
    ctx.body = {};
    const connection = await deps.connections.identify(request.value);
    if (connection) return endConnection(ctx, connection, request.client, deps);
    const found = await find(request.value, deps);
    const row = found && ('token' in found ? found.token : found.login);
    // RFC 7009 section 2.2: unknown tokens are answered like revoked ones; those of another client are refused (2.1).
    if (!row) return;
    if (row.application !== request.client.id) {
      throw new MalformedRequest({ description: 'the token was issued to another client' });
    }
    const author = authorOf(ctx, request.client);
    if ('token' in found) await endings.endToken(found.token, author);
    else await endings.endLogin(found.login, author);
  };
}
