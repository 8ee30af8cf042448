/** What a token is asked to allow. Nothing asked for: all that application and user may. */

/** Of a request; undefined: it is left out. */
export type Form = Readonly<Record<string, string | undefined>>;

export type Action = 'create' | 'read' | 'update' | 'delete';

/** A missing flag is false, a missing table no access. `isAdmin`: everything with all tables of the resource. */
export interface AskedPermissions {
  readonly isAdmin?: boolean;
  /** By table id. */
  readonly tables?: Readonly<Record<string, Readonly<Partial<Record<Action, boolean>>>>>;
}

/**
 * RFC 9396 section 2. Of type `table_access`: `identifier` (a table id) and `actions`, or `privileges: ['admin']` for
 * all tables of the resource.
 */
export interface AuthorizationDetail {
  readonly type: string;
  /** Identifiers of resources. */
  readonly locations?: readonly string[];
  readonly identifier?: string;
  /** Of the type `table_access_set`, with `columns` and `rows`: absent ones mean no limit. */
  readonly tables?: readonly string[];
  readonly columns?: readonly string[];
  /** The values that a row may have, by column. */
  readonly rows?: Readonly<Record<string, readonly string[]>>;
  readonly actions?: readonly string[];
  readonly privileges?: readonly string[];
  readonly [member: string]: unknown;
}

/**
 * Narrows a token. Permissions are spelled in one way: `permissions`, `authorizationDetails`, or table scopes such as
 * `orders:read`; two of them are `invalid_request`. Asking for more than is allowed is refused, never cut down.
 */
export interface Ask {
  /** RFC 6749 section 3.3: several are an array, or separated by a space. */
  readonly scope?: string | readonly string[] | undefined;
  readonly permissions?: AskedPermissions | undefined;
  readonly authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  /** Identifier of the resource that it is for (RFC 8707), if not the client's own. */
  readonly resource?: string | undefined;
}

/** @throws TypeError for an empty scope, which a server takes for none given: a token that may everything */
export function toForm(ask: Ask, resource: string | undefined): Form {
  const { scope, permissions, authorizationDetails } = ask;
  const scopes = typeof scope === 'object' ? scope.join(' ') : scope;
  if (scopes?.trim() === '') throw new TypeError('scope is empty: leave it out, or name at least one.');
  return {
    scope: scopes,
    permissions: permissions && JSON.stringify(permissions),
    authorization_details: authorizationDetails && JSON.stringify(authorizationDetails),
    resource: ask.resource ?? resource,
  };
}
