/** Sends a request, again where that is safe and helps, and reads the answer. */
import { requireIssuer, retryAfterOf } from '../client/endpoint.ts';
import type { AdminOptions } from './contract.ts';
import { AdminError, type FieldError } from './errors.ts';
import type { Request } from './requests.ts';

const API_PATH = '/admin/api/v1';
const TIMEOUT_MS = 30_000;
const MOST_TRIES = 4;
/** Seconds: who is told to wait for longer is told by the error. */
const MOST_WAITED = 60;
/** Milliseconds before the first retry after no answer; doubled each time. */
const FIRST_PAUSE_MS = 250;

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** @returns undefined for a text that is not JSON */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface ProblemJson {
  readonly code?: unknown;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly request_id?: string;
}

async function toError(response: Response): Promise<AdminError> {
  const { status } = response;
  const retryAfter = retryAfterOf(response, Date.now());
  const json = parse(await response.text()) as ProblemJson | null | undefined;
  if (typeof json?.code !== 'string') {
    return new AdminError('unexpected_answer', status, {
      detail: `The server answered with ${status}, and not with problem details.`,
      retryAfter,
    });
  }
  const { code, detail, errors, request_id: requestId } = json;
  return new AdminError(code, status, { detail, errors, requestId, retryAfter });
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === '') return undefined;
  const json = parse(text);
  if (json === undefined) {
    throw new AdminError('unexpected_answer', response.status, { detail: 'The answer is not JSON.' });
  }
  return json;
}

async function* readPieces({ body }: Response): AsyncGenerator<string, void> {
  if (!body) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      yield decoder.decode(piece.value, { stream: true });
    }
    yield decoder.decode();
  } catch (cause) {
    throw new AdminError('network_error', 0, { detail: 'The answer broke off.', cause });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Milliseconds until the request is sent again; undefined: never. */
function pauseAfter(error: unknown, { isRepeatable, method }: Request, tries: number): number | undefined {
  if (!(error instanceof AdminError) || tries >= MOST_TRIES) return undefined;
  const { status, retryAfter = 1 } = error;
  if (status === 0) return isRepeatable ? FIRST_PAUSE_MS * 2 ** (tries - 1) : undefined;
  // Whether what answered 503 had already happened is not known.
  const isSafe = status === 429 || (status === 503 && (isRepeatable || method !== 'POST'));
  return isSafe && retryAfter <= MOST_WAITED ? retryAfter * 1000 : undefined;
}

export type Send = (request: Request, signal: AbortSignal | undefined) => Promise<unknown>;

/** @throws TypeError for an issuer that is not a URL, or not https */
export function createSend(options: AdminOptions): Send {
  const { token, wait = pause } = options;
  const base = requireIssuer(options.issuer) + API_PATH;
  const fetch: typeof globalThis.fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));

  async function sendOnce(request: Request, signal: AbortSignal | undefined): Promise<unknown> {
    const { path, method, headers, body, isStream } = request;
    const bearer = typeof token === 'string' ? token : await token();
    const signals = [...(signal ? [signal] : []), ...(isStream ? [] : [AbortSignal.timeout(TIMEOUT_MS)])];
    try {
      const response = await fetch(base + path, {
        method,
        headers: { ...headers, authorization: `Bearer ${bearer}` },
        ...(body !== undefined && { body }),
        // A redirect would carry the token to wherever it leads.
        redirect: 'error',
        credentials: 'omit',
        cache: 'no-store',
        ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
      });
      if (!response.ok) throw await toError(response);
      return isStream ? readPieces(response) : await readJson(response);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof AdminError) throw cause;
      throw new AdminError('network_error', 0, {
        detail: 'The server gave no answer, or half of one.',
        cause,
      });
    }
  }

  return async function send(request, signal) {
    for (let tries = 1; ; tries += 1) {
      signal?.throwIfAborted();
      try {
        return await sendOnce(request, signal);
      } catch (error) {
        const ms = pauseAfter(error, request, tries);
        if (ms === undefined) throw error;
        await wait(ms, signal);
      }
    }
  };
}
