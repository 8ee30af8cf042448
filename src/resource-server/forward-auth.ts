/**
 * For reverse proxies that ask whether a request may pass: `auth_request` of nginx, and `ext_authz` of Envoy as an HTTP
 * service. The rules are those of the bindings, with the path that they are about.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Action } from '../permissions/actions.ts';
import { type AccessAnswer, createGate, type ProtectionOptions, UNCACHED } from './access.ts';
import { AccessError } from './errors.ts';
import { tokenRequestOf as tokenRequestOfFetch, toResponse } from './fetch.ts';
import { pathOf, tokenRequestOf } from './node-request.ts';
import { findRules, type PathRule, parsePattern } from './path-rules.ts';
import { foldName, METHOD_OVERRIDES, readRequestPath } from './request-target.ts';
import { access, Rule } from './rules.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

/** What requests of one method to one path need. */
export type ForwardRule = {
  /** In capitals. `GET` is about `HEAD` too. */
  readonly method: string;
  /** `/orders`, `/orders/:id` (one segment), `/files/*` (`/files` and all below). The most specific rule counts. */
  readonly path: string;
} & (
  | { readonly table: string; readonly action: Action }
  /** For other rules, several, or none: then each valid token will do. */
  | { readonly access: Rule | readonly Rule[] }
);

export interface NginxOptions extends ProtectionOptions {
  readonly proxy?: 'nginx';
}

export interface EnvoyOptions extends ProtectionOptions {
  readonly proxy: 'envoy';
  /** `path_prefix` of the configuration of Envoy, such as `/authz`. */
  readonly prefix: string;
}

/** Answers 200 to what may pass, with headers for the upstream, and otherwise as the bindings do. */
export interface ForwardAuth {
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface NginxAuth extends ForwardAuth {
  readonly handle: (request: Request) => Promise<Response>;
}

/** Bytes: what nginx and Node take as headers, with room for others. */
const MAX_LIMITS = 8_000;

/** Headers from which an upstream takes another method or path than those of the request. */
const OVERRIDES: readonly string[] = [...METHOD_OVERRIDES, 'x-original-url', 'x-rewrite-url'].map(foldName);

/** The request that the proxy asks about. */
interface Asked {
  readonly method: string | undefined;
  /** As the client sent it. */
  readonly target: string | undefined;
  readonly authorization: string | readonly string[] | undefined;
  readonly headerNames: readonly string[];
}

/**
 * nginx says the method and the target of the request in `X-Original-Method` and `X-Original-URI`. Envoy sends the request
 * itself, with the prefix before its path: there is no handler of Fetch for it, because `Request` cleans the path.
 * @throws TypeError for a path or a method that no request has
 */
export function createForwardAuth(
  verifier: Verifier,
  rules: readonly ForwardRule[],
  options?: NginxOptions,
): NginxAuth;
export function createForwardAuth(
  verifier: Verifier,
  rules: readonly ForwardRule[],
  options: EnvoyOptions,
): ForwardAuth;
export function createForwardAuth(
  verifier: Verifier,
  rules: readonly ForwardRule[],
  options: NginxOptions | EnvoyOptions = {},
): NginxAuth | ForwardAuth {
  const gate = createGate(verifier, options);
  const known = rules.map(toPathRule);

  async function decide(asked: Asked): Promise<AccessAnswer> {
    const { method, target, authorization, headerNames } = asked;
    try {
      if (method === undefined || target === undefined) return NOT_CONFIGURED;
      const path = readRequestPath(target);
      refuseOverrides(headerNames);
      const found = findRules(known, method, path).flat();
      const token = await gate.authorize(found, { authorization, url: target }, asked);
      if (found.length === 0) throw new AccessError('insufficient_scope', 'No rule allows this request.');
      return { status: 200, headers: { ...UNCACHED, ...identify(token, found) }, body: {} };
    } catch (error) {
      const refusal = gate.refusal(error, asked);
      if (!refusal) throw error;
      return options.proxy === 'envoy' ? refusal : forNginx(refusal);
    }
  }

  /** @param own method and path of the request of the proxy */
  const answer = async (own: { method: string; path: string }, asked: Asked): Promise<AccessAnswer> =>
    gate.metadata(own) ?? decide(asked);

  const listener: ForwardAuth['listener'] = (request, response) => {
    const { method = '', headers, rawHeaders, url = '' } = request;
    const send = ({ status, headers: said, body }: AccessAnswer): void => {
      response.writeHead(status, said).end(JSON.stringify(body));
    };
    const asked = {
      ...(options.proxy === 'envoy'
        ? { method, target: withoutPrefix(url, options.prefix) }
        : {
            method: headers['x-original-method']?.toString(),
            target: headers['x-original-uri']?.toString(),
          }),
      authorization: tokenRequestOf(request).authorization,
      headerNames: rawHeaders.filter((_, index) => index % 2 === 0),
    };
    answer({ method, path: pathOf(url) }, asked).then(send, () => send(BROKEN));
  };
  if (options.proxy === 'envoy') return { listener };

  return {
    listener,
    async handle(request) {
      const { method, headers, url } = request;
      const asked = {
        method: headers.get('x-original-method') ?? undefined,
        target: headers.get('x-original-uri') ?? undefined,
        authorization: tokenRequestOfFetch(request).authorization,
        headerNames: [...headers.keys()],
      };
      return toResponse(await answer({ method, path: new URL(url).pathname }, asked), request);
    },
  };
}

const failure = (message: string): AccessAnswer => ({
  status: 500,
  headers: UNCACHED,
  body: { error: 'server_error', error_description: message },
});
const BROKEN = failure('The request could not be checked.');
const NOT_CONFIGURED = failure(
  'The proxy did not say which request it asks about. Set X-Original-Method and X-Original-URI, or the prefix.',
);

/** A rule that only asks for a token. */
const PRIVATE = new Rule({ isPublic: false, findProblem: () => undefined });

function toPathRule(rule: ForwardRule): PathRule<readonly Rule[]> {
  const { method, path } = rule;
  if (!/^[A-Z-]+$/.test(method)) {
    throw new TypeError(`Wrong method ${JSON.stringify(method)} of a rule. Write it in capitals, like GET.`);
  }
  const given = 'access' in rule ? [rule.access].flat() : [access.require(rule.table, rule.action)];
  return { method, pattern: parsePattern(path), value: given.length > 0 ? given : [PRIVATE] };
}

/** @throws AccessError invalid_request */
function refuseOverrides(names: readonly string[]): void {
  if (!names.some((name) => OVERRIDES.includes(foldName(name)))) return;
  throw new AccessError('invalid_request', 'The request has a header that overrides its method or its path.');
}

/**
 * All of them, so that they replace those that the client sent; empty without a token.
 * @throws AccessError insufficient_scope
 */
function identify(token: VerifiedToken | undefined, rules: readonly Rule[]): Record<string, string> {
  const limits = token ? limitsOf(token, rules) : '';
  if (limits.length > MAX_LIMITS) {
    throw new AccessError('insufficient_scope', 'The limits of the token are too long for a header.');
  }
  return {
    'x-grantable-subject': escaped(token?.subject ?? ''),
    'x-grantable-client': escaped(token?.clientId ?? ''),
    'x-grantable-limits': limits,
  };
}

/** By table and action, of those that the rules name: `{"orders":{"read":[{"rows":{"customer_id":["42"]}}]}}`. */
function limitsOf({ access: allowed }: VerifiedToken, rules: readonly Rule[]): string {
  const limits: Record<string, Record<string, unknown>> = Object.create(null);
  for (const { table, action } of rules.flatMap(({ right }) => right ?? [])) {
    limits[table] = { ...limits[table], [action]: allowed.limits(table, action) };
  }
  return ascii(limits);
}

/** JSON that a header can carry. */
function ascii(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Percent-encoded, where a header could not carry it. */
function escaped(text: string): string {
  return text.replaceAll(/[^!-$&-~]+/gu, encodeURIComponent);
}

/** nginx passes on 401 and 403 only, and no body: it takes the body from a header. */
function forNginx({ status, headers, body }: AccessAnswer): AccessAnswer {
  return {
    status: status === 400 ? 403 : status,
    headers: { ...headers, 'x-grantable-error': ascii(body) },
    body,
  };
}

function withoutPrefix(url: string, prefix: string): string | undefined {
  return url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : undefined;
}
