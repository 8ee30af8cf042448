/** The endpoints of the server: a form goes there, JSON comes back. */
import type { Form } from './ask.ts';
import { GrantableError } from './errors.ts';

const TIMEOUT_MS = 30_000;
/** Milliseconds: so short that the second try is there while the server still forgives it. */
const FIRST_TIMEOUT_MS = 4_000;

export interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
  /** Milliseconds, on the clock of the client. */
  readonly askedAt: number;
}

interface EndpointOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds. */
  readonly now: () => number;
}

/** RFC 6749 appendix B; so it is ASCII, which is all that `btoa` takes. */
const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

/** As `URL` spells a host that is this machine (RFC 8252 section 7.3). */
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** RFC 8414 section 2. @throws TypeError */
export function requireIssuer(issuer: string): string {
  const { protocol, hostname, username, password } = new URL(issuer);
  // Of an empty query or fragment `URL` says nothing, and what follows it would be no path.
  if (!/^https?:$/.test(protocol) || /[?#]/.test(issuer) || username + password !== '') {
    throw new TypeError('issuer must be an http or https URL without query, fragment and credentials.');
  }
  if (protocol === 'http:' && !LOOPBACK.test(hostname)) {
    throw new TypeError('issuer must be https: over http everybody on the way reads passwords and tokens.');
  }
  return issuer.replace(/(?<!\/)\/+$/, '');
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds (RFC 9110 section 10.2.3). A page sees the header only if the server exposes it. */
export function retryAfterOf({ headers }: Response, now: number): number | undefined {
  const text = headers.get('retry-after') ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

/** RFC 6749 section 5.2. */
function toError(response: Response, json: Record<string, unknown> | undefined, now: number): GrantableError {
  const { status } = response;
  const { error, error_description: description } = json ?? {};
  const isOAuth = typeof error === 'string' && error !== '';
  return new GrantableError(isOAuth ? error : 'unexpected_answer', {
    status,
    description:
      isOAuth && typeof description === 'string' ? description : `The server answered with ${status}.`,
    retryAfter: retryAfterOf(response, now),
  });
}

/** Whether the server may have done it without our knowing, and did not ask us to wait. */
function isLost(error: unknown): boolean {
  if (!(error instanceof GrantableError) || error.retryAfter !== undefined) return false;
  return error.status === 0 || error.status >= 500;
}

export function createEndpoint({ clientId, clientSecret, fetch, now, ...options }: EndpointOptions) {
  const issuer = requireIssuer(options.issuer);
  const headers = {
    accept: 'application/json',
    ...(clientSecret !== undefined && {
      // RFC 6749 section 2.3.1.
      authorization: `Basic ${btoa(`${formEncode(clientId)}:${formEncode(clientSecret)}`)}`,
    }),
  };

  async function send(path: string, form: Form, patience: number): Promise<Answer> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(form)) if (value !== undefined) body.set(name, value);
    if (clientSecret === undefined) body.set('client_id', clientId);
    const askedAt = now();
    let response: Response;
    let text: string;
    try {
      response = await fetch(issuer + path, {
        method: 'POST',
        headers,
        body,
        // A redirect would carry the password to wherever it leads.
        redirect: 'error',
        credentials: 'omit',
        signal: AbortSignal.timeout(patience),
      });
      text = await response.text();
    } catch (cause) {
      throw new GrantableError('network_error', {
        description: 'The server gave no answer, or half of one.',
        cause,
      });
    }
    const json = parseObject(text);
    if (!response.ok) throw toError(response, json, now());
    return { status: response.status, json: json ?? {}, askedAt };
  }

  return {
    /** @throws GrantableError */
    post: (path: string, form: Form): Promise<Answer> => send(path, form, TIMEOUT_MS),
    /**
     * The same for what may be said twice. An answer that is lost may have used a refresh token up; its owner gets the
     * successor only by coming back within five seconds, so that is not left to the next caller.
     * @throws GrantableError
     */
    async postTwice(path: string, form: Form): Promise<Answer> {
      try {
        return await send(path, form, FIRST_TIMEOUT_MS);
      } catch (error) {
        if (!isLost(error)) throw error;
        return send(path, form, TIMEOUT_MS);
      }
    },
  };
}
