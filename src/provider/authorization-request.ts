/**
 * What an authorization request asks for, brought into the one spelling that the engine carries through login and
 * consent (RFC 9396), and refused before the login if no login could give it.
 */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Form } from '../clients/form.ts';
import type { ActiveApplication, DirectoryView } from '../directory/directory.ts';
import { findRegistrant } from '../directory/users.ts';
import {
  MalformedRequest,
  PermissionsNotAllowed,
  ScopeNotAllowed,
  UnknownResource,
} from '../errors/domain.ts';
import { isBuiltIn } from '../nouns/built-in.ts';
import { type Application, catalogueOf, type User } from '../nouns/index.ts';
import { isOpenIdScope } from '../nouns/openid-scopes.ts';
import { withinCatalogue } from '../permissions/catalogue.ts';
import { namesNoAction } from '../permissions/device-access.ts';
import { intersect, isEmpty, NOTHING, type Permissions } from '../permissions/permissions.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import { scopesOf } from '../permissions/table-scopes.ts';
import { findAgentDefault, findRights } from '../rights/rights.ts';
import { withValues } from '../rights/variable-values.ts';
import { defined } from '../storage/defined.ts';
import { requireAskedByName } from '../tokens/administration.ts';
import { type Asked, parseAsked, singleResource } from '../tokens/asked.ts';
import { knownScopes, refuseBeyond } from '../tokens/downscope.ts';
import { type KeptRequest, readKept, writeKept } from '../tokens/kept-request.ts';
import type { ProviderDeps } from './deps.ts';
import { insideEngine } from './failures.ts';
import { keepHintedPerson } from './id-token-hints.ts';
import { type ScopeLimits, type SortedScopes, sortScopes, tablesHeld } from './sort-scopes.ts';
import { applyMaxAge } from './without-openid.ts';

const NO_TABLES = toStored(NOTHING);

type RequestDeps = Pick<ProviderDeps, 'directory' | 'users' | 'agents'>;

/** The rights that this user has of the resource through this client. */
async function requireRights(
  view: DirectoryView,
  client: ActiveApplication | undefined,
  resource: string,
  user: User | 'anyone',
) {
  const found = await view.findResource(resource);
  const rights = client && found && (await findRights(view, client.application, found, user));
  if (!found || !rights) {
    throw new UnknownResource({ description: 'The resource is unknown, or the application may not use it.' });
  }
  return { ...rights, resource: found };
}

/** The same of the stored request of an application. */
async function requireRightsOf(
  { directory, agents }: RequestDeps,
  { clientId }: { readonly clientId: string },
  resource: string,
  user: User,
) {
  const view = await directory.view();
  return requireRights(view, await agents.find(view, { clientId, resource }), resource, user);
}

type Rights = Awaited<ReturnType<typeof requireRights>>;

/**
 * As the client sent it: the engine drops repetitions and `offline_access`, and, without a resource, every scope that
 * it does not know.
 */
function sentScope({ oidc, query }: KoaContextWithOIDC): unknown {
  return oidc.body?.scope ?? query.scope;
}

/** The engine forgets an empty list; forgotten, it would ask for every table. */
function refuseEmptyDetails({ query }: KoaContextWithOIDC): void {
  if (
    typeof query.authorization_details === 'string' &&
    /^\s*\[\s*\]\s*$/.test(query.authorization_details)
  ) {
    throw new PermissionsNotAllowed({ description: 'authorization_details must name at least one table.' });
  }
}

/** A fragment would hand the code to every script of the page that it lands on (AZ-09). */
function refuseFragments(params: Record<string, unknown>): void {
  const mode = params.response_mode;
  if (mode === undefined || mode === 'query' || mode === 'form_post') return;
  throw new MalformedRequest({ description: 'response_mode must be query or form_post.' });
}

/** Bytes. Values that a client sends to be returned or shown are stored until the person has logged in. */
const LONGEST = { state: 4096, nonce: 1024, login_hint: 1024, ui_locales: 1024, acr_values: 1024 };

function refuseLong(params: Record<string, unknown>): void {
  for (const [name, longest] of Object.entries(LONGEST)) {
    const bytes = Buffer.byteLength(String(params[name] ?? ''));
    if (bytes <= longest) continue;
    throw new MalformedRequest({
      description: `The parameter ${name} has ${bytes} bytes. Send at most ${longest}.`,
    });
  }
}

/** The rest of a request, without the scopes that cannot be given. */
interface Remaining {
  readonly scopes: readonly string[];
  readonly leftOut: boolean;
  /** What the request asks of its resource. */
  readonly kept: KeptRequest | undefined;
}

/** The same as parameters, from which the engine makes everything else. */
export interface RemainingParameters {
  readonly scope: string | undefined;
  readonly authorization_details: string | undefined;
  /** Undefined: the rest asks nothing of a resource. */
  readonly resource: string | undefined;
}

/**
 * A request whose scopes were left out never becomes "nothing asked", which would ask for all: it gets only the other
 * scopes that it named.
 * @throws ScopeNotAllowed if nothing is left
 */
function toParameters({ scopes, leftOut, kept }: Remaining): RemainingParameters {
  const tables = leftOut ? (kept?.tables ?? NO_TABLES) : kept?.tables;
  const hasTables = tables !== undefined && (tables.isAdmin || tables.tables.length > 0);
  // `offline_access` alone gives access to nothing.
  const isEmpty = scopes.every((scope) => scope === 'offline_access');
  const namesNone = isEmpty && !(hasTables && kept?.asScopes);
  if (namesNone && (leftOut || !kept?.allScopes)) {
    throw new ScopeNotAllowed({
      description:
        'The application may not have any of these scopes. Ask for openid, or for scopes that it has.',
    });
  }
  const isIdentityOnly = leftOut && !hasTables && !kept?.namesResource && scopes.every(isOpenIdScope);
  const ofResource = kept && !isIdentityOnly && { ...kept, ...defined({ tables }) };
  return {
    scope: scopes.join(' ') || undefined,
    authorization_details: ofResource ? JSON.stringify(writeKept(ofResource)) : undefined,
    resource: ofResource ? ofResource.resource : undefined,
  };
}

function keep({ oidc }: KoaContextWithOIDC, left: RemainingParameters): void {
  const { params, resourceServers = {} } = oidc;
  Object.assign(params ?? {}, left);
  for (const resource of Object.keys(resourceServers)) {
    if (resource !== left.resource) delete resourceServers[resource];
  }
}

/** Details and `permissions` are given in full or refused; scopes that cannot be given were left out before. */
function refuseImpossible({ devices, permissions }: Asked, rights: Rights | undefined): void {
  if (devices && !namesNoAction(devices))
    throw new PermissionsNotAllowed({ description: 'An authorization request cannot ask for devices.' });
  if (!permissions) return;
  if (!rights) throw new PermissionsNotAllowed({ description: 'Permissions need a resource: name one.' });
  refuseBeyond(permissions, rights, rights.resource);
  if (isEmpty(withinCatalogue(permissions, catalogueOf(rights.resource))))
    throw new PermissionsNotAllowed({
      description: 'Ask for an action on at least one table, or leave out the permissions.',
    });
}

/** What is kept names tables and values as the catalogue has them at this moment, and no groups. */
const toKept = (asked: Permissions, { resource }: Rights): StoredPermissions =>
  toStored(withinCatalogue(asked, catalogueOf(resource)));

/** Its variables get their values with the login. */
async function findDefault(
  view: DirectoryView,
  application: Application,
  { permissions, resource }: Rights,
): Promise<StoredPermissions> {
  const given = (await findAgentDefault(view, application, resource.identifier)) ?? NOTHING;
  return toStored(intersect(withinCatalogue(given, catalogueOf(resource)), permissions));
}

/** What a request keeps has variables only where it has the default of an agent. */
function forPerson(tables: StoredPermissions, user: User, { resource }: Rights): StoredPermissions {
  const written = fromStored(tables);
  if (!written.hasVariables) return tables;
  return toStored(withinCatalogue(withValues(written, user), catalogueOf(resource)));
}

/** The application of a request, which a person is asked to log in to. @throws UnknownResource */
async function requireUsable(
  view: DirectoryView,
  clientId: string,
  resource: string | undefined,
  { agents, users }: RequestDeps,
): Promise<ActiveApplication> {
  const active = await agents.find(view, { clientId, resource });
  // A person is not asked for a password or a consent that leads to nothing.
  if (active && (await findRegistrant(active.application, users))) return active;
  throw new UnknownResource({ description: 'The application is disabled.' });
}

/** What a request asks for, after the scopes that cannot be given are left out. */
interface Wanted extends Pick<Remaining, 'scopes' | 'leftOut'> {
  readonly tables: StoredPermissions | undefined;
  readonly asScopes: boolean;
  readonly allScopes: boolean;
}

/** @throws MalformedRequest, PermissionsNotAllowed, ScopeNotAllowed, UnknownResource */
async function readWanted(
  parameters: Form,
  limits: ScopeLimits,
  { application }: ActiveApplication,
  rights: Rights | undefined,
  view: DirectoryView,
): Promise<Wanted> {
  let sorted: SortedScopes | undefined;
  const asked = parseAsked(parameters, (scopes) => {
    sorted = sortScopes(scopes, limits);
    return sorted;
  });
  refuseImpossible(asked, rights);
  const { leftOut = false } = sorted ?? {};
  const named = sorted?.tables ?? (asked.permissions && rights && toKept(asked.permissions, rights));
  const isOfAgent = application.agent !== undefined && rights !== undefined;
  const getsDefault = isOfAgent && !named && !leftOut;
  const tables = getsDefault ? await findDefault(view, application, rights) : named;
  if (rights && isBuiltIn(rights.resource)) requireAskedByName({ permissions: tables });
  const allScopes = asked.scopes === undefined && !leftOut && !isOfAgent;
  const scopes = asked.scopes ?? (allScopes && rights ? [...rights.scopes] : []);
  if (getsDefault && tables?.tables.length === 0 && scopes.every((scope) => scope === 'offline_access')) {
    throw new ScopeNotAllowed({
      description: 'The request names no rights. Name those that the application needs: scope=orders:read.',
    });
  }
  if (scopes.length === 0 && allScopes && !tables) {
    throw new ScopeNotAllowed({
      description: 'The request asks for nothing. Send scope or authorization_details.',
    });
  }
  return { scopes, leftOut, tables, asScopes: asked.asScopes === true || getsDefault, allScopes };
}

async function normalize(ctx: KoaContextWithOIDC, deps: RequestDeps): Promise<void> {
  const { params, client } = ctx.oidc;
  if (!params || !client) return;
  keepHintedPerson(ctx);
  applyMaxAge(ctx);
  refuseEmptyDetails(ctx);
  refuseFragments(params);
  refuseLong(params);
  const view = await deps.directory.view();
  const resource = singleResource(params.resource);
  const active = await requireUsable(view, client.clientId, resource, deps);
  const rights = resource === undefined ? undefined : await requireRights(view, active, resource, 'anyone');
  const limits: ScopeLimits = {
    resource: rights?.resource,
    rights,
    isDeclared: await knownScopes(view, active.application),
    mayRefresh: client.grantTypeAllowed('refresh_token'),
  };
  const parameters = { ...params, resource, scope: sentScope(ctx) };
  const { scopes, leftOut, tables, asScopes, allScopes } = await readWanted(
    parameters,
    limits,
    active,
    rights,
    view,
  );
  const kept: KeptRequest | undefined =
    resource === undefined
      ? undefined
      : {
          resource,
          ...defined({
            tables,
            asScopes: asScopes || undefined,
            allScopes: allScopes || undefined,
            namesResource: ctx.query.resource !== undefined || undefined,
          }),
        };
  // The details of what is kept say it.
  params.permissions = undefined;
  keep(ctx, toParameters({ scopes, leftOut, kept }));
}

/** For the engine's `extraParams`: called for every authorization request, after its own checks of the parameters. */
export function createRequestNormalizer(deps: RequestDeps) {
  return (ctx: KoaContextWithOIDC): Promise<void> => insideEngine(ctx, () => normalize(ctx, deps));
}

function detailsOf(params: Readonly<Record<string, unknown>> | undefined): unknown {
  const details = params?.authorization_details;
  return details === undefined ? undefined : JSON.parse(String(details));
}

/** The kept request of these parameters; undefined if it has no resource. */
export function keptOf(params: Readonly<Record<string, unknown>> | undefined): KeptRequest | undefined {
  return readKept(detailsOf(params));
}

/**
 * The rest of a request for the person of this session; undefined if it has no resource.
 * @throws ScopeNotAllowed if nothing is left; UnknownResource
 */
export type FindRemaining = (ctx: KoaContextWithOIDC) => Promise<RemainingParameters | undefined>;

export function createFindRemaining(deps: RequestDeps): FindRemaining {
  return async ({ oidc: { params, client, account } }) => {
    const kept = keptOf(params);
    const user = kept && account && (await deps.users.findBySubject(account.accountId));
    if (!kept || !client || !user) return undefined;
    const rights = await requireRightsOf(deps, client, kept.resource, user);
    const asked = scopesOf(params?.scope);
    const held = asked.filter((scope) => isOpenIdScope(scope) || rights.scopes.has(scope));
    const wanted = kept.tables && forPerson(kept.tables, user, rights);
    const tables = kept.asScopes && wanted ? tablesHeld(wanted, rights.permissions) : wanted;
    const leftOut = tables !== wanted || (!kept.allScopes && held.length < asked.length);
    const scopes = leftOut && kept.allScopes ? [] : held;
    return toParameters({ scopes, leftOut, kept: { ...kept, ...defined({ tables }) } });
  };
}

/**
 * Leaves out what the person who logged in may not have. The engine's policy calls it each time before it asks for
 * consent.
 */
export function createLeaveOutForPerson(findRemaining: FindRemaining) {
  return (ctx: KoaContextWithOIDC): Promise<void> =>
    insideEngine(ctx, async () => {
      const left = await findRemaining(ctx);
      if (left) keep(ctx, left);
    });
}

/**
 * The content of the code, after the login. Tables that are asked for as details are given in full, or the request
 * fails: the client would not notice that a code gives less.
 */
export function createGrantSourceDetails(deps: RequestDeps) {
  return async function authorizationDetailsForGrantSource(ctx: KoaContextWithOIDC) {
    const { params, client, session } = ctx.oidc;
    const details = detailsOf(params);
    const kept = readKept(details);
    if (!kept || !client) return undefined;
    const user = session?.accountId ? await deps.users.findBySubject(session.accountId) : undefined;
    if (!user) throw new errors.AccessDenied('The person is not logged in.');
    return insideEngine(ctx, async () => {
      const rights = await requireRightsOf(deps, client, kept.resource, user);
      if (kept.tables) refuseBeyond(fromStored(kept.tables), rights, rights.resource);
      return details;
    });
  };
}
