/**
 * Who may call a route, for all bindings: the token of a request, the answer to a caller who may not, and the metadata of
 * the resource. Every route is private unless it says `access.public()`.
 */
import { scopesOf } from '../permissions/table-scopes.ts';
import { defined } from '../storage/defined.ts';
import { AccessError } from './errors.ts';
import { demandAll, type Rule, scopesOfRules } from './rules.ts';
import { requireBasicScopes } from './scopes.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** What a handler behind these rules is given: a public route may be called without a token. */
export type TokenUnder<Rules extends readonly Rule[]> = [Rules[number]['isPublic']] extends [false]
  ? VerifiedToken
  : VerifiedToken | undefined;

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
export function readToken({ authorization, url }: TokenRequest): string {
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

/** An answer that a binding sends as it is, without the body to HEAD. */
export interface AccessAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** To be sent as JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' } as const;
export const UNCACHED = { ...JSON_TYPE, 'cache-control': 'no-store' } as const;

/** Quoted strings of a challenge may hold neither a quote nor a backslash (RFC 6750 section 3). */
export const toQuotable = (text: string): string => text.replaceAll(/["\\]|[^ -~]/g, "'");

/**
 * RFC 6750 section 3; RFC 9728 section 5.1.
 * @param scopes that the operation needs
 */
function answerTo(
  { code, status, message }: AccessError,
  { resource }: Verifier,
  scopes: readonly string[],
): AccessAnswer {
  // Without credentials there is nothing to say of them.
  const said = code === 'missing_token' ? {} : { error: code, error_description: message };
  const isAboutRights = status === 401 || status === 403;
  const scope = isAboutRights && scopes.length > 0 ? scopes.join(' ') : undefined;
  const parameters = defined({ ...said, scope, resource_metadata: metadataUrl(resource)?.href });
  const challenge = Object.entries(parameters).map(([name, value]) => `${name}="${toQuotable(value)}"`);
  return {
    status,
    headers: {
      ...UNCACHED,
      ...(code === 'unavailable'
        ? { 'retry-after': '1' }
        : { 'www-authenticate': `Bearer ${challenge.join(', ')}`.trim() }),
    },
    body: { error: code, error_description: message },
  };
}

export interface ProtectionOptions {
  /**
   * What the metadata says in `scopes_supported`: the scopes that basic use of the resource needs, such as `orders:read`.
   * Clients ask for these first, and for more when a challenge names it. Without it clients name no scopes at first.
   */
  readonly scopes?: readonly string[];
}

/**
 * What the bindings have in common: they read requests and send answers, and the gate decides.
 * @throws TypeError for scopes that the metadata must not name
 */
export function createGate(verifier: Verifier, { scopes }: ProtectionOptions = {}) {
  const basic = scopes && requireBasicScopes(scopes);
  const rulesOf = new WeakMap<object, readonly Rule[]>();
  return {
    /**
     * @param call what the framework has for the request: a refusal of it names the scopes of all rules that it was under
     * @returns the token; undefined where the route is public and none was brought
     * @throws AccessError
     */
    async authorize(
      rules: readonly Rule[],
      request: TokenRequest,
      call: object,
    ): Promise<VerifiedToken | undefined> {
      // Guards stand one behind the other.
      rulesOf.set(call, [...(rulesOf.get(call) ?? []), ...rules]);
      const isOpen = rules.length > 0 && rules.every((rule) => rule.isPublic);
      if (isOpen && request.authorization === undefined && !hasQueryToken(request.url)) return undefined;
      const token = await verifier.verify(readToken(request));
      demandAll(token, ...rules);
      return token;
    },
    /** @returns undefined for errors of other kinds */
    refusal(error: unknown, call: object): AccessAnswer | undefined {
      if (!(error instanceof AccessError)) return undefined;
      const needed = [...scopesOfRules(rulesOf.get(call) ?? []), ...scopesOf(error.scope)];
      return answerTo(error, verifier, [...new Set(needed)]);
    },
    /** @returns undefined for requests that do not ask for the metadata of the resource (RFC 9728 section 2) */
    metadata({ method, path }: { readonly method: string; readonly path: string }): AccessAnswer | undefined {
      const isRead = method === 'GET' || method === 'HEAD';
      if (!isRead || path !== metadataUrl(verifier.resource)?.pathname) return undefined;
      return {
        status: 200,
        // Pages of every origin may read it.
        headers: { ...JSON_TYPE, 'access-control-allow-origin': '*' },
        body: defined({
          resource: verifier.resource,
          authorization_servers: [verifier.issuer],
          bearer_methods_supported: ['header'],
          scopes_supported: basic,
        }),
      };
    },
  };
}
