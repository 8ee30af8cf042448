/**
 * A short way for the requests that machines send most: `client_credentials`, `refresh_token`, token exchange and
 * introspection, by a client that authenticates with HTTP Basic. It skips the engine's chain and nothing else: client, limits, grant, registry and
 * answer are the same parts. Whatever is unusual (other authentication, a repeated or further parameter, an Origin, a
 * wrong secret, any refusal) goes the long way from the start, so errors and their counting exist once.
 *
 * `GRANTABLE_FAST_LANE=0` switches it off; `test/provider/fast-lane.test.ts` holds both ways to the same answers.
 */
import type { Context, Middleware } from 'koa';
import { usesSecret } from '../directory/applications.ts';
import { isClientSecret, type SecretKeys } from '../directory/client-secrets.ts';
import type { Directory } from '../directory/directory.ts';
import { DomainError } from '../errors/domain.ts';
import type { Grant } from '../grants/contract.ts';
import { type GrantDeps, runGrant } from '../grants/grant.ts';
import { COMMON_PARAMETERS } from '../grants/request.ts';
import type { Application } from '../storage/nouns.ts';
import type { SecretLimits } from './clients.ts';
import { PATHS } from './configuration.ts';
import type { InspectionDeps } from './inspection.ts';

export interface FastLaneDeps {
  readonly directory: Directory;
  readonly clientSecrets: SecretKeys;
  readonly secretLimits: SecretLimits;
  /** All that are live. */
  readonly grants: readonly Grant[];
  readonly grantDeps: GrantDeps;
  readonly inspection: InspectionDeps;
}

type Fields = Readonly<Record<string, string>>;

/** Headers that change what the engine would do. */
const UNUSUAL_HEADERS = ['origin', 'dpop', 'oauth-client-attestation', 'oauth-client-attestation-pop'];
const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/;
/** Only what is the same before and after percent-decoding (RFC 6749 section 2.3.1). */
const PLAIN_CREDENTIALS = /^([A-Za-z0-9._~-]+):([A-Za-z0-9._~-]+)$/;

const GRANTS = new Set(['client_credentials', 'refresh_token', 'token_exchange']);
const INTROSPECTION_FIELDS = new Set(['token', 'token_type_hint']);

/** The fields, if there are no others than these and none is repeated or empty. */
function findFields(ctx: Context, known: ReadonlySet<string>, { form }: InspectionDeps): Fields | undefined {
  const fields = form.read(ctx);
  if (!fields) return undefined;
  for (const name in fields) {
    const value = fields[name];
    if (!known.has(name) || typeof value !== 'string' || value === '') return undefined;
  }
  return fields as Fields;
}

function findCredentials(ctx: Context): { clientId: string; secret: string } | undefined {
  const { headers } = ctx.req;
  if (UNUSUAL_HEADERS.some((name) => headers[name] !== undefined)) return undefined;
  const encoded = BASIC.exec(headers.authorization ?? '')?.[1];
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined;
  const [, clientId, secret] =
    PLAIN_CREDENTIALS.exec(Buffer.from(encoded, 'base64').toString('latin1')) ?? [];
  return clientId !== undefined && secret !== undefined ? { clientId, secret } : undefined;
}

/** The client, if its secret is right and nothing speaks against it. Wrong ones are counted on the long way. */
async function authenticate(ctx: Context, deps: FastLaneDeps): Promise<Application | undefined> {
  const credentials = findCredentials(ctx);
  if (!credentials) return undefined;
  const { view } = await deps.directory.viewFor(ctx.req);
  const application = (await view.findApplication(credentials.clientId))?.application;
  if (!application || !usesSecret(application)) return undefined;
  const { authMethod } = application;
  if (authMethod !== 'client_secret_basic')
    ctx.state.clientAuth = { used: 'client_secret_basic', registered: authMethod };
  deps.secretLimits.requireClientNotBlocked(application.clientId, String(ctx.state.address));
  return isClientSecret(deps.clientSecrets, credentials.secret, application.secretHash)
    ? application
    : undefined;
}

interface GrantLane {
  readonly grant: Grant;
  readonly fields: ReadonlySet<string>;
}

function createGrantLanes(grants: readonly Grant[]): ReadonlyMap<unknown, GrantLane> {
  return new Map(
    grants
      .filter(({ name }) => GRANTS.has(name))
      .map((grant) => [
        grant.type,
        { grant, fields: new Set(['grant_type', ...COMMON_PARAMETERS, ...grant.parameters]) },
      ]),
  );
}

/** @returns the answer; undefined to go the long way */
async function findTokenAnswer(
  ctx: Context,
  lanes: ReadonlyMap<unknown, GrantLane>,
  deps: FastLaneDeps,
): Promise<unknown> {
  const lane = lanes.get(deps.inspection.form.read(ctx)?.grant_type);
  const fields = lane && findFields(ctx, lane.fields, deps.inspection);
  const application = fields && (await authenticate(ctx, deps));
  if (!fields || !application?.grants.includes(lane.grant.name)) return undefined;
  // The engine holds details against the resource that it would give, whatever they name.
  const namesResource = ['resource', 'refresh_token', 'subject_token'].some(
    (name) => fields[name] !== undefined,
  );
  if (fields.authorization_details !== undefined && !namesResource) return undefined;
  const { address, requestId } = ctx.state;
  const { clientId } = application;
  const viewing = await deps.directory.viewFor(ctx.req);
  const request = { ...viewing, clientId, parameters: fields, address, requestId };
  const answer = await runGrant(lane.grant, request, deps.grantDeps);
  Object.assign(ctx.state, { clientId, issuedGrant: lane.grant.name });
  return answer;
}

/** @returns the answer; undefined to go the long way */
async function findIntrospectionAnswer(ctx: Context, deps: FastLaneDeps): Promise<unknown> {
  const fields = findFields(ctx, INTROSPECTION_FIELDS, deps.inspection);
  if (fields?.token === undefined) return undefined;
  const application = await authenticate(ctx, deps);
  if (!application) return undefined;
  ctx.state.clientId = application.clientId;
  const { view } = await deps.directory.viewFor(ctx.req);
  return deps.inspection.introspect(fields.token, { client: application, view });
}

export function createFastLane(deps: FastLaneDeps): Middleware {
  const grantLanes = createGrantLanes(deps.grants);
  const lanes: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
    [PATHS.token]: (ctx) => findTokenAnswer(ctx, grantLanes, deps),
    [PATHS.introspection]: (ctx) => findIntrospectionAnswer(ctx, deps),
  };
  return function fastLane(ctx, next) {
    const findAnswer = ctx.method === 'POST' ? lanes[ctx.path] : undefined;
    if (!findAnswer) return next();
    return findAnswer(ctx).then(
      (answer) => {
        if (answer === undefined) return next();
        ctx.set('Vary', 'Origin');
        ctx.body = answer;
      },
      (error: unknown) => {
        // Refusals come before anything is made, so the long way finds the same.
        if (error instanceof DomainError) return next();
        throw error;
      },
    );
  };
}
