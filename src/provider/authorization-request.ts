/**
 * What an authorization request asks for, brought into the one spelling that the engine carries through login and
 * consent (RFC 9396), and refused before anybody logs in if no login could give it.
 */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Directory } from '../directory/directory.ts';
import { findRegistrant } from '../directory/registrants.ts';
import { findRights } from '../directory/rights.ts';
import type { Users } from '../directory/users.ts';
import {
  MalformedRequest,
  PermissionsNotAllowed,
  ScopeNotAllowed,
  UnknownResource,
} from '../errors/domain.ts';
import { toOAuthError } from '../errors/oauth.ts';
import { knownScopes, OPENID_SCOPES, refuseUnknownTables } from '../grants/cut-down.ts';
import { parseAsked } from '../grants/request.ts';
import { parseAuthorizationDetails, toAuthorizationDetails } from '../permissions/authorization-details.ts';
import { namesNoAction } from '../permissions/device-access.ts';
import {
  contains,
  describeDifference,
  difference,
  NOTHING,
  type Permissions,
} from '../permissions/permissions.ts';
import type { User } from '../storage/nouns.ts';

export interface AuthorizationRequestDeps {
  readonly directory: Directory;
  readonly users: Users;
}

function refuseBeyond(asked: Permissions, allowed: Permissions): void {
  if (contains(allowed, asked)) return;
  const beyond = describeDifference(difference(asked, allowed));
  throw new PermissionsNotAllowed({ description: beyond });
}

/** The rights that this client, and this user through it, has of the resource. */
async function requireRights(
  { directory }: AuthorizationRequestDeps,
  clientId: string,
  resource: string,
  user?: User,
) {
  const view = await directory.view();
  const [client, found] = await Promise.all([view.findApplication(clientId), view.findResource(resource)]);
  const rights = client && found && (await findRights(view, client.application, found, user));
  if (!found || !rights) {
    throw new UnknownResource({ description: 'unknown resource, or not one of this application' });
  }
  return { ...rights, resource: found };
}

/** @throws UnknownResource if there are several */
export function singleResource(resource: unknown): string | undefined {
  if (!Array.isArray(resource)) return typeof resource === 'string' ? resource : undefined;
  if (resource.length > 1) throw new UnknownResource({ description: 'one resource at a time' });
  return resource[0];
}

/** The engine has dropped repetitions from its parameters by now; every other endpoint refuses them. */
function refuseRepeatedScopes({ query }: KoaContextWithOIDC): void {
  const sent = typeof query.scope === 'string' ? query.scope.split(' ') : [];
  if (new Set(sent).size !== sent.length) {
    throw new ScopeNotAllowed({ description: 'scope holds repeated values' });
  }
}

/**
 * The engine has dropped `offline_access` unless `prompt` holds `consent`. The consent page says what it means, and
 * shows it again when it is asked for anew, so any `prompt` will do.
 */
function restoreOfflineAccess({ oidc, query }: KoaContextWithOIDC): void {
  const { params, client, body } = oidc;
  const sent = body?.scope ?? query.scope;
  if (!params || typeof sent !== 'string' || !client?.grantTypeAllowed('refresh_token')) return;
  if (!sent.split(' ').includes('offline_access')) return;
  const scopes = typeof params.scope === 'string' ? params.scope.split(' ') : [];
  params.scope = [...new Set([...scopes, 'offline_access'])].join(' ');
}

/** The engine forgets an empty list; forgotten, it would ask for every table. */
function refuseEmptyDetails({ query }: KoaContextWithOIDC): void {
  if (
    typeof query.authorization_details === 'string' &&
    /^\s*\[\s*\]\s*$/.test(query.authorization_details)
  ) {
    throw new PermissionsNotAllowed({ description: 'authorization_details must not be empty' });
  }
}

/** A fragment would hand the code to every script of the page that it lands on (AZ-09). */
function refuseFragments(params: Record<string, unknown>): void {
  const mode = params.response_mode;
  if (mode === undefined || mode === 'query' || mode === 'form_post') return;
  throw new MalformedRequest({ description: 'response_mode must be query or form_post' });
}

async function normalize(ctx: KoaContextWithOIDC, deps: AuthorizationRequestDeps): Promise<void> {
  const { params, client } = ctx.oidc;
  if (!params || !client) return;
  refuseRepeatedScopes(ctx);
  refuseEmptyDetails(ctx);
  refuseFragments(params);
  restoreOfflineAccess(ctx);
  const active = await (await deps.directory.view()).findApplication(client.clientId);
  // Nobody is asked for a password, or for a consent, that nothing comes of.
  if (!active || !(await findRegistrant(active.application, deps.users))) {
    throw new UnknownResource({ description: 'the application is disabled' });
  }
  const view = await deps.directory.view();
  const resource = singleResource(params.resource);
  const asked = parseAsked({ ...params, resource }, await knownScopes(view, active.application));
  const rights = resource === undefined ? undefined : await requireRights(deps, client.clientId, resource);

  const allowed = new Set<string>([...OPENID_SCOPES, ...(rights?.scopes ?? [])]);
  const beyond = asked.scopes?.find((scope) => !allowed.has(scope));
  if (beyond !== undefined)
    throw new ScopeNotAllowed({ description: `scope is not allowed: ${beyond.slice(0, 100)}` });
  if (asked.devices && !namesNoAction(asked.devices))
    throw new PermissionsNotAllowed({ description: 'devices cannot be asked for here' });
  if (asked.permissions && !rights)
    throw new PermissionsNotAllowed({ description: 'permissions need a resource' });
  if (asked.permissions && contains(NOTHING, asked.permissions))
    throw new PermissionsNotAllowed({ description: 'ask for something of some table, or leave tables out' });
  if (asked.permissions && rights) {
    refuseUnknownTables(asked.permissions, rights.resource);
    refuseBeyond(asked.permissions, rights.permissions);
  }

  params.permissions = undefined;
  params.scope = (asked.scopes ?? [...(rights?.scopes ?? [])]).join(' ') || undefined;
  params.authorization_details =
    asked.permissions && resource !== undefined
      ? JSON.stringify(toAuthorizationDetails(asked.permissions, resource))
      : undefined;
  if (params.scope === undefined && params.authorization_details === undefined) {
    throw new ScopeNotAllowed({ description: 'ask for a scope or for authorization_details' });
  }
}

/** For the engine's `extraParams`: called for every authorization request, after its own checks of the parameters. */
export function createRequestNormalizer(deps: AuthorizationRequestDeps) {
  return async function normalizeAuthorizationRequest(ctx: KoaContextWithOIDC): Promise<void> {
    try {
      await normalize(ctx, deps);
    } catch (error) {
      ctx.state.failure = error;
      throw toOAuthError(error);
    }
  };
}

/**
 * What goes into the code, once it is known who logged in: all that was asked for, or an error. Somebody with fewer
 * rights gets no code, instead of one that says less than the client thinks.
 */
export function createGrantSourceDetails(deps: AuthorizationRequestDeps) {
  return async function authorizationDetailsForGrantSource(ctx: KoaContextWithOIDC) {
    const { params, client, session } = ctx.oidc;
    if (params?.authorization_details === undefined || !client) return undefined;
    const details = JSON.parse(String(params.authorization_details));
    const resource = singleResource(params.resource);
    const user = session?.accountId ? await deps.users.findBySubject(session.accountId) : undefined;
    if (resource === undefined || !user) throw new errors.AccessDenied('nobody is logged in');
    try {
      const rights = await requireRights(deps, client.clientId, resource, user);
      refuseBeyond(parseAuthorizationDetails(details, resource).permissions, rights.permissions);
    } catch (error) {
      ctx.state.failure = error;
      throw toOAuthError(error);
    }
    return details;
  };
}
