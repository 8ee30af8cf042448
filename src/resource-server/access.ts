/**
 * Who may call a route, for all bindings: rules, the token of a request, the answer to a caller who may not, and the
 * metadata of the resource. Every route is private unless it says `access.public()`.
 */
import type { Action } from '../permissions/actions.ts';
import { quoteName } from '../permissions/errors.ts';
import { defined } from '../storage/defined.ts';
import { AccessError, insufficient } from './errors.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** What a route demands, or that it demands nothing. */
export class Rule<IsPublic extends boolean = boolean> {
  readonly isPublic: IsPublic;
  /** @throws AccessError insufficient_scope */
  readonly check: (token: VerifiedToken) => void;
  /** What it is about, where that is a right to a table. */
  readonly right: { readonly table: string; readonly action: Action } | undefined;

  constructor(check: Rule['check'], isPublic = false as IsPublic, right?: Rule['right']) {
    this.check = check;
    this.isPublic = isPublic;
    this.right = right;
  }
}

/** What a handler behind these rules is given: a public route may be called without a token. */
export type TokenUnder<Rules extends readonly Rule[]> = [Rules[number]['isPublic']] extends [false]
  ? VerifiedToken
  : VerifiedToken | undefined;

/** Every client may call the route, also without a token. */
function isPublic(): Rule<true> {
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
function requireTable(table: string, action: Action): Rule<false> {
  return new Rule((token) => demand(token, table, action), false, { table, action });
}

/** The token must allow the action on some rows and columns at least: the handler applies the limits, with `token.access`. */
function requireAny(table: string, action: Action): Rule<false> {
  return new Rule((token) => demandAny(token, table, action), false, { table, action });
}

/** The token must have the scope. */
function requireScope(scope: string): Rule<false> {
  return new Rule(({ scopes }) => {
    if (!scopes.has(scope)) {
      throw new AccessError('insufficient_scope', `The token does not have the scope ${scope}.`, { scope });
    }
  }, false);
}

/** What a route may say of itself. */
export const access = { public: isPublic, require: requireTable, requireAny, requireScope } as const;

/** What is looked at of a request. */
export interface TokenRequest {
  /** Repeated ones as an array, or joined by commas as Fetch does. */
  readonly authorization: string | readonly string[] | undefined;
  /** Absolute or not, with the query as it was sent. */
  readonly url: string;
}

/** Whether frameworks would find the parameter `access_token` in the query, as a list or an object too. */
function hasQueryToken(url: string): boolean {
  const start = url.indexOf('?');
  if (start < 0) return false;
  const names = [...new URLSearchParams(url.slice(start + 1)).keys()];
  return names.some((name) => name === 'access_token' || name.startsWith('access_token['));
}

/** Fetch joins several headers by a comma, which no bearer token has. */
function isTwoTokens(authorization: string): boolean {
  return authorization.includes(',') && /\bbearer\b/i.test(authorization);
}

/** RFC 6750 section 2.1, and no other way to bring one. @throws AccessError missing_token, invalid_request */
function readToken({ authorization, url }: TokenRequest): string {
  if (hasQueryToken(url)) {
    throw new AccessError('invalid_request', 'Send the token in the Authorization header, not in the query.');
  }
  if (authorization === undefined || authorization === '') {
    throw new AccessError('missing_token', 'The request has no token. Send it as Authorization: Bearer.');
  }
  if (typeof authorization !== 'string' || isTwoTokens(authorization))
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
async function authorize(
  verifier: Verifier,
  rules: readonly Rule[],
  request: TokenRequest,
): Promise<VerifiedToken | undefined> {
  const isOpen = rules.length > 0 && rules.every((rule) => rule.isPublic);
  if (isOpen && request.authorization === undefined && !hasQueryToken(request.url)) return undefined;
  const token = await verifier.verify(readToken(request));
  for (const { check } of rules) check(token);
  return token;
}

/**
 * RFC 9728 section 3.1: the well-known part goes between host and path.
 * @returns undefined for an identifier that is not a URL, such as `urn:example:orders`: there is no place for metadata
 */
function metadataUrl(resource: string): URL | undefined {
  const url = URL.parse(resource);
  if (!url || !/^https?:$/.test(url.protocol)) return undefined;
  const path = url.pathname === '/' ? '' : url.pathname;
  url.pathname = `/.well-known/oauth-protected-resource${path}`;
  return url;
}

/** Protected resource metadata (RFC 9728 section 2). */
function metadataOf({ issuer, resource }: Verifier, scopes?: readonly string[]): Record<string, unknown> {
  return defined({
    resource,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: scopes,
  });
}

/** An answer that a binding sends as it is, without the body to HEAD. */
export interface AccessAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** To be sent as JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

export const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' } as const;

/** Quoted strings may hold neither a quote nor a backslash (RFC 6750 section 3). */
const quote = (text: string): string => `"${text.replaceAll(/["\\]|[^ -~]/g, "'")}"`;

/** RFC 6750 section 3; RFC 9728 section 5.1. */
function answerTo({ code, status, message, scope }: AccessError, { resource }: Verifier): AccessAnswer {
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
      ...JSON_TYPE,
      'cache-control': 'no-store',
      ...(code === 'unavailable'
        ? { 'retry-after': '1' }
        : { 'www-authenticate': ['Bearer', parameters.join(', ')].join(' ').trim() }),
    },
    body: { error: code, error_description: message },
  };
}

export interface ProtectionOptions {
  /** What the metadata says in `scopes_supported`. */
  readonly scopes?: readonly string[];
}

/** What the bindings have in common: they read requests and send answers, and the gate decides. */
export interface Gate {
  /**
   * @returns the token; undefined where the route is public and none was brought
   * @throws AccessError
   */
  authorize(rules: readonly Rule[], request: TokenRequest): Promise<VerifiedToken | undefined>;
  /** @returns undefined for errors of other kinds */
  refusal(error: unknown): AccessAnswer | undefined;
  /** @returns undefined for requests that do not ask for the metadata of the resource (RFC 9728) */
  metadata(request: { readonly method: string; readonly path: string }): AccessAnswer | undefined;
}

export function createGate(verifier: Verifier, { scopes }: ProtectionOptions = {}): Gate {
  return {
    authorize: (rules, request) => authorize(verifier, rules, request),
    refusal: (error) => (error instanceof AccessError ? answerTo(error, verifier) : undefined),
    metadata({ method, path }) {
      const isRead = method === 'GET' || method === 'HEAD';
      if (!isRead || path !== metadataUrl(verifier.resource)?.pathname) return undefined;
      return {
        status: 200,
        // Pages of every origin may read it.
        headers: { ...JSON_TYPE, 'access-control-allow-origin': '*' },
        body: metadataOf(verifier, scopes),
      };
    },
  };
}
