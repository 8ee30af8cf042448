/**
 * Under which names the server answers. Every URL that it makes comes from the issuer, never from a header; a request
 * for another host is refused before a route sees it (RFC 9110 section 15.5.20).
 */
import type { IncomingMessage } from 'node:http';
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import { quote } from '../errors/texts.ts';
import { ENDPOINTS } from '../provider/paths.ts';
import { Refusal } from './refusal.ts';

/** What servers call, never what people see. */
const BACK_CHANNEL: ReadonlySet<string> = new Set(
  ENDPOINTS.filter(({ furtherHosts }) => furtherHosts).map(({ path }) => path),
);
const WELL_KNOWN = '/.well-known/';
const PORT = /:\d{1,5}$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': ':443', 'http:': ':80' };

/**
 * The scheme that Koa and the engine make URLs and mark cookies by is the issuer's, not the socket's; the address is
 * the one that `request-facts` found. The host follows in `createHosts`.
 */
export function pinOrigin(app: Koa, issuer: string): void {
  const { protocol } = new URL(issuer);
  Object.defineProperties(app.request, {
    protocol: { value: protocol.slice(0, -1) },
    ip: {
      get(this: Koa.Request) {
        return this.ctx.state.address;
      },
    },
  });
}

/** The form of a request line that names a host (RFC 9112 section 3.2.2). */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/is;

/** If the request line names the same host as the Host header, only its path remains, as in other requests. */
function takeAbsoluteForm(ctx: Context): void {
  const { req } = ctx;
  const [, authority, rest = ''] = ABSOLUTE_FORM.exec(req.url ?? '') ?? [];
  if (authority === undefined || authority.toLowerCase() !== req.headers.host?.toLowerCase()) return;
  req.url = rest.startsWith('/') ? rest : `/${rest}`;
  ctx.originalUrl = req.url;
}

/** All values of a header; Node keeps one of them. */
function valuesOf({ rawHeaders }: IncomingMessage, header: string): string[] {
  const name = header.toLowerCase();
  const isIt = (given = ''): boolean => given.length === name.length && given.toLowerCase() === name;
  return rawHeaders.filter((_, at) => at % 2 === 1 && isIt(rawHeaders[at - 1]));
}

/** A second Host header, or a request line that names another host, is an attempt to reach a different host. */
function namesOneHost({ req }: Context): boolean {
  return valuesOf(req, 'Host').length === 1 && req.url?.startsWith('/') === true;
}

/** Headers with one value (RFC 9110 section 5.3), of which Node reads the first. A proxy may have read another one. */
const SINGULAR = ['Authorization', 'Content-Type'];

export interface HostsDeps {
  readonly issuer: string;
  /** In lower case; one without a port is meant with any. */
  readonly hosts: readonly string[];
  /** Whether an older token API is answered at a path: which host was asked may pick the organization there. */
  readonly isFacePath: (path: string) => boolean;
}

/** @returns whether the server answers under a host, in lower case, at a path */
export function createIsServed({ issuer, hosts, isFacePath }: HostsDeps) {
  const { host: authority, protocol } = new URL(issuer);
  // A client may spell out the port that the scheme implies (RFC 9110 section 4.2.3).
  const own = new Set([authority]);
  if (!PORT.test(authority)) own.add(authority + DEFAULT_PORTS[protocol]);
  const further = new Set(hosts);
  const isFurther = (host: string): boolean => further.has(host) || further.has(host.replace(PORT, ''));
  const isBackChannel = (path: string): boolean =>
    BACK_CHANNEL.has(path) || path.startsWith(WELL_KNOWN) || isFacePath(path);
  return (host: string, path: string): boolean => own.has(host) || (isBackChannel(path) && isFurther(host));
}

/**
 * Leaves the host that was asked in `ctx.state.host`.
 * @throws Refusal 421 for another host, 400 for a request that names several or does not name one, or that has two values
 *   for a header of one
 */
export function createHosts(deps: HostsDeps): Middleware {
  const { host: authority } = new URL(deps.issuer);
  const isServed = createIsServed(deps);

  return function hostCheck(ctx, next) {
    takeAbsoluteForm(ctx);
    if (!namesOneHost(ctx)) {
      throw new Refusal(400, 'Name exactly one host, in the Host header.', {
        reason: 'several hosts or none',
      });
    }
    const ambiguous = SINGULAR.find((header) => new Set(valuesOf(ctx.req, header)).size > 1);
    if (ambiguous !== undefined) throw new Refusal(400, `Send one ${ambiguous} header.`);
    const host = (ctx.req.headers.host ?? '').toLowerCase();
    if (!isServed(host, ctx.path)) {
      const reason = `host ${quote(host)}`;
      const description = 'This server does not answer under that host. Call it by the URL of its issuer.';
      throw new Refusal(421, description, { error: 'misdirected_request', reason });
    }
    ctx.state.host = host;
    // All code after this finds the issuer's.
    ctx.req.headers.host = authority;
    return next();
  };
}
