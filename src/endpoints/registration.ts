/**
 * Dynamic client registration (RFC 7591) at `POST /oauth/register`, and its management (RFC 7592) at
 * `/oauth/register/<client_id>`. Every page may call both: what they answer depends on tokens, never on cookies.
 */
import type { Context, Middleware } from 'koa';
import { AGENT_GRANT_TYPES } from '../agents/document.ts';
import type { Registered, Registrations } from '../agents/registration.ts';
import { describeChallenge, readBearer } from '../clients/bearer.ts';
import type { Directory } from '../directory/directory.ts';
import { TokenRejected } from '../errors/domain.ts';
import { readBody } from '../http/body.ts';
import { Refusal } from '../http/refusal.ts';
import type { JsonObject } from '../permissions/json.ts';
import { REGISTERED_PREFIX } from '../provider/paths.ts';
import { defined } from '../storage/defined.ts';
import { PREFLIGHT_HEADERS } from './client-origins.ts';
import { parseObjectBody, requireJsonType } from './json-body.ts';
import type { Requests } from './requests.ts';

export interface RegistrationEndpointDeps {
  readonly issuer: string;
  readonly directory: Pick<Directory, 'viewFor'>;
  readonly requests: Pick<Requests, 'recordingRefusals'>;
  readonly registrations: Registrations;
}

const MAX_BODY_BYTES = 16 * 1024;
const METHODS = ['GET', 'PUT', 'DELETE'];

/** What a client is told of its registration: nothing that is kept of a secret. */
function toAnswer({ application, token, secret }: Registered, issuer: string): Record<string, unknown> {
  const { clientId, createdAt, displayName, redirectUris, grants, authMethod, scopes } = application;
  const { native, homepage, jwks } = application;
  return defined({
    client_id: clientId,
    client_id_issued_at: Math.floor(createdAt / 1000),
    client_secret: secret,
    // It does not expire by itself.
    client_secret_expires_at: secret === undefined ? undefined : 0,
    registration_access_token: token,
    registration_client_uri: issuer + REGISTERED_PREFIX + clientId,
    client_name: displayName,
    redirect_uris: redirectUris,
    token_endpoint_auth_method: authMethod,
    grant_types: AGENT_GRANT_TYPES.flatMap(([type, grant]) => (grants.includes(grant) ? [type] : [])),
    response_types: ['code'],
    application_type: native ? 'native' : 'web',
    scope: scopes.length === 0 ? undefined : scopes.join(' '),
    client_uri: homepage,
    jwks,
  });
}

async function readMetadata(ctx: Context): Promise<JsonObject> {
  requireJsonType(ctx);
  return parseObjectBody(await readBody(ctx, MAX_BODY_BYTES));
}

/** @returns undefined without a header @throws TokenRejected */
function readToken(ctx: Context): string | undefined {
  const header = ctx.get('Authorization');
  if (header === '') return undefined;
  const token = readBearer(header);
  if (token !== undefined) return token;
  throw new TokenRejected({ description: 'The Authorization header is not Bearer and a token.' });
}

export function createRegistrationEndpoints(deps: RegistrationEndpointDeps) {
  const { issuer, directory, registrations, requests } = deps;

  /** Around what answers, so that a page can read a refusal too. */
  const forStrangers = (handle: (ctx: Context) => Promise<void>): ((ctx: Context) => Promise<void>) => {
    const recording = requests.recordingRefusals(handle);
    return async (ctx) => {
      ctx.state.readers = '*';
      try {
        await recording(ctx);
      } catch (error) {
        if (error instanceof TokenRejected) {
          const isMissing = ctx.get('Authorization') === '';
          ctx.set('WWW-Authenticate', describeChallenge(issuer, isMissing ? undefined : error));
        }
        throw error;
      }
    };
  };

  async function register(ctx: Context): Promise<void> {
    const { state } = ctx;
    const { view } = await directory.viewFor(state);
    const { host = '', address, requestId } = state;
    const token = readToken(ctx);
    const request = { host, address, requestId, token, metadata: () => readMetadata(ctx) };
    const registered = await registrations.register(view, request);
    state.clientId = registered.application.clientId;
    ctx.status = 201;
    ctx.body = toAnswer(registered, issuer);
  }

  async function answer(ctx: Context): Promise<void> {
    const { state, method } = ctx;
    const { view } = await directory.viewFor(state);
    const clientId = ctx.path.slice(REGISTERED_PREFIX.length);
    const found = await registrations.find(view, clientId, readToken(ctx), state);
    state.clientId = clientId;
    if (method === 'DELETE') {
      await registrations.remove(found, state);
      ctx.status = 204;
      return;
    }
    const registered =
      method === 'PUT' ? await registrations.replace(view, found, await readMetadata(ctx), state) : found;
    ctx.body = toAnswer(registered, issuer);
  }

  const answering = forStrangers(answer);
  const manage: Middleware = async (ctx, next) => {
    if (!ctx.path.startsWith(REGISTERED_PREFIX)) return next();
    if (METHODS.includes(ctx.method)) return answering(ctx);
    ctx.state.readers = '*';
    const methods = [...METHODS, 'OPTIONS'].join(', ');
    if (ctx.method !== 'OPTIONS')
      throw new Refusal(405, `This method is not allowed here. Use ${methods}.`, {
        headers: { Allow: methods },
      });
    ctx.status = 204;
    ctx.state.preflight = { methods: METHODS, headers: PREFLIGHT_HEADERS };
  };

  return { register: forStrangers(register), manage };
}
