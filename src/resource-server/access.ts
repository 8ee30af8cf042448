/**
 * Who may call a route, in terms of no framework: rules, the token of a request, and the answer to who may not. Every
 * route is private unless it says `access.public()`.
 */
import type { Action } from '../permissions/actions.ts';
import { quoteName } from '../permissions/errors.ts';
import { defined } from '../storage/defined.ts';
import { AccessError, insufficient } from './errors.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** What a route demands, or that it demands nothing. */
export class Rule {
  readonly isPublic: boolean;
  /** @throws AccessError insufficient_scope */
  readonly check: (token: VerifiedToken) => void;

  constructor(check: (token: VerifiedToken) => void, isPublic = false) {
    this.check = check;
    this.isPublic = isPublic;
  }
}

/** Every client may call the route, also without a token. */
function isPublic(): Rule {
  return new Rule(() => undefined, true);
}

/**
 * For handlers that know only later what they do to which table, as bulk calls do. A right that is limited to some rows or
 * columns is not enough.
 * @throws AccessError insufficient_scope
 */
export function demand({ permissions, access }: VerifiedToken, table: string, action: Action): void {
  if (permissions.allows(table, action)) return;
  const rows = access.limits(table, action).length > 0 ? 'all rows and columns' : 'rows';
  throw insufficient(table, action, `The token does not allow to ${action} ${rows} of ${quoteName(table)}.`);
}

/** The same for handlers that apply the limits of the right themselves, with `token.access`. */
export function demandAny({ access }: VerifiedToken, table: string, action: Action): void {
  if (access.limits(table, action).length > 0) return;
  throw insufficient(table, action, `The token does not allow to ${action} rows of ${quoteName(table)}.`);
}

/** The token must allow the action on all rows and columns of the table. */
function requireTable(table: string, action: Action): Rule {
  return new Rule((token) => demand(token, table, action));
}

/** The token must allow the action on some rows and columns at least: the handler applies the limits, with `token.access`. */
function requireAny(table: string, action: Action): Rule {
  return new Rule((token) => demandAny(token, table, action));
}

/** The token must have the scope. */
function requireScope(scope: string): Rule {
  return new Rule(({ scopes }) => {
    if (!scopes.has(scope)) {
      throw new AccessError('insufficient_scope', `The token does not have the scope ${scope}.`, { scope });
    }
  });
}

/** What a route may say of itself. */
export const access = { public: isPublic, require: requireTable, requireAny, requireScope } as const;

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'all'] as const;

/** The methods of a router, each taking rules beside handlers. */
export type ProtectedRoutes<Handler> = {
  readonly [M in (typeof METHODS)[number]]: (path: string, ...rulesAndHandlers: (Rule | Handler)[]) => void;
};

/** @param guard makes the handler that comes before those of a route */
export function protectRoutes<Handler>(
  router: object,
  guard: (...rules: Rule[]) => Handler,
): ProtectedRoutes<Handler> {
  const registrars = router as Record<string, (path: string, ...handlers: Handler[]) => unknown>;
  const register =
    (method: string) =>
    (path: string, ...given: (Rule | Handler)[]): void => {
      const rules = given.filter((each) => each instanceof Rule);
      const handlers = given.filter((each): each is Handler => !(each instanceof Rule));
      registrars[method]?.(path, guard(...rules), ...handlers);
    };
  return Object.fromEntries(METHODS.map((method) => [method, register(method)])) as ProtectedRoutes<Handler>;
}

/** What is looked at of a request. */
export interface TokenRequest {
  /** As Node gives it: repeated ones are joined or an array. */
  readonly authorization: string | readonly string[] | undefined;
  readonly query: Readonly<Record<string, unknown>>;
}

/** The token of a request. Node drops a second such header, so this reads the raw headers. */
export function authorizationOf(
  rawHeaders: readonly string[],
  headers: Readonly<Record<string, string | string[] | undefined>>,
): TokenRequest['authorization'] {
  const sent = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization');
  return sent.length > 1 ? sent : headers.authorization;
}

/** RFC 6750 section 2.1, and no other way to bring one. @throws AccessError missing_token, invalid_request, invalid_token */
export function readToken({ authorization, query }: TokenRequest): string {
  if (query.access_token !== undefined) {
    throw new AccessError('invalid_request', 'Send the token in the Authorization header, not in the query.');
  }
  if (authorization === undefined || authorization === '') {
    throw new AccessError('missing_token', 'The request has no token. Send it as Authorization: Bearer.');
  }
  if (typeof authorization !== 'string')
    throw new AccessError('invalid_request', 'The request has two tokens. Send one.');
  const [, scheme = '', token = ''] = /^(\S+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() !== 'bearer')
    throw new AccessError(
      'missing_token',
      'The request has no Bearer token. Send it as Authorization: Bearer.',
    );
  return token;
}

/**
 * @returns the token; undefined where the route is public and none was brought
 * @throws AccessError
 */
export async function authorize(
  verifier: Verifier,
  rules: readonly Rule[],
  request: TokenRequest,
): Promise<VerifiedToken | undefined> {
  const isOpen = rules.length > 0 && rules.every((rule) => rule.isPublic);
  if (isOpen && request.authorization === undefined && request.query.access_token === undefined)
    return undefined;
  const token = await verifier.verify(readToken(request));
  for (const { check } of rules) check(token);
  return token;
}

/**
 * RFC 9728 section 3.1: the well-known part goes between host and path.
 * @returns undefined for an identifier that is not a URL, such as `urn:example:orders`: there is no place for metadata
 */
export function metadataUrl(resource: string): URL | undefined {
  const url = URL.parse(resource);
  if (!url || !/^https?:$/.test(url.protocol)) return undefined;
  const path = url.pathname === '/' ? '' : url.pathname;
  url.pathname = `/.well-known/oauth-protected-resource${path}`;
  return url;
}

/** Pages of every origin may read it. */
export const METADATA_HEADERS = { 'access-control-allow-origin': '*' } as const;

/** Whether a request asks for the metadata of the resource. */
export function asksForMetadata(
  { resource }: Verifier,
  { path, method }: { readonly path: string; readonly method: string },
): boolean {
  return path === metadataUrl(resource)?.pathname && (method === 'GET' || method === 'HEAD');
}

/** Protected resource metadata (RFC 9728 section 2). */
export function metadataOf(
  { issuer, resource }: Verifier,
  scopes?: readonly string[],
): Record<string, unknown> {
  return defined({
    resource,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: scopes,
  });
}

export interface AccessAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, string>>;
}

/** Quoted strings may hold neither a quote nor a backslash (RFC 6750 section 3). */
const quote = (text: string): string => `"${text.replaceAll(/["\\]|[^ -~]/g, "'")}"`;

/** RFC 6750 section 3; RFC 9728 section 5.1. */
export function answerTo(error: AccessError, { resource }: Verifier): AccessAnswer {
  const { code, status, message, scope } = error;
  const url = metadataUrl(resource);
  const metadata = url ? [['resource_metadata', url.href]] : [];
  // Without credentials there is nothing to say of them.
  const said =
    code === 'missing_token'
      ? []
      : [
          ['error', code],
          ['error_description', message],
        ];
  const wanted = scope === undefined ? [] : [['scope', scope]];
  const parameters = [...said, ...wanted, ...metadata].map(
    ([name, value]) => `${name}=${quote(value ?? '')}`,
  );
  return {
    status,
    headers: {
      'cache-control': 'no-store',
      ...(code === 'unavailable'
        ? { 'retry-after': '1' }
        : { 'www-authenticate': ['Bearer', parameters.join(', ')].join(' ').trim() }),
    },
    body: { error: code, error_description: message },
  };
}
