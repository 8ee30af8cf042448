/**
 * The direct lane: plain POST requests of programs to the endpoints that they call most, answered on Node's own request and
 * response, before Koa. It gives Koa everything else: at once what is unusual, and each refusal together with the error that
 * the endpoint threw, so that only Koa answers errors and nothing is counted twice. It knows nothing of tokens.
 *
 * All requests that have arrived are handled together in one turn of the event loop, over one snapshot of the store.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { DefaultState } from 'koa';
import type { Form } from '../clients/form.ts';
import type { Snapshot } from '../storage/contract.ts';
import { logAnswered } from './access-log.ts';
import { endedEarly, isUsualForm, MAX_FORM_BYTES, parseForm } from './body.ts';
import { createIsServed, type HostsDeps } from './hosts.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { createReadFacts } from './request-facts.ts';
import { keptStates, type RequestState, type Turn } from './request-state.ts';
import { securityHeadersFor } from './security-headers.ts';

/** A request to an endpoint whose answers are JSON, however it came. */
export interface EndpointRequest {
  /** The header. */
  readonly authorization: string | undefined;
  readonly form: Form;
  readonly state: DefaultState;
}

/** @returns the answer, as JSON has it. @throws what the error boundary answers */
export type Endpoint = (request: EndpointRequest) => Promise<unknown>;

export interface DirectLaneDeps extends HostsDeps {
  readonly readFacts: ReturnType<typeof createReadFacts>;
  /** By paths. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Paths whose answers pages of listed origins may read. */
  readonly pagePaths: readonly string[];
  /** Of a store that has one. */
  readonly snapshot: Snapshot | undefined;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'countAnswered'>;
  /** Answers everything else. */
  readonly koa: RequestListener;
}

/** What is read of a plain head. */
interface Head {
  readonly host: string;
  readonly authorization: string | undefined;
  /** Bytes. */
  readonly length: number;
}

/** A request with its whole body. */
interface Arrived extends EndpointRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly endpoint: Endpoint;
}

/** Headers that change what is done with a request. */
const UNUSUAL = new Set([
  'origin',
  'expect',
  'content-encoding',
  'transfer-encoding',
  'trailer',
  'upgrade',
  'dpop',
]);
const LENGTH = /^[1-9]\d{0,6}$/;

/** @returns undefined if anything about it is unusual: Koa reads it in every form that the standards allow */
function readHead({ rawHeaders }: IncomingMessage): Head | undefined {
  let host: string | undefined;
  let authorization: string | undefined;
  let type: string | undefined;
  let length: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    const value = rawHeaders[at + 1] as string;
    if (name === 'host') {
      if (host !== undefined) return undefined;
      host = value;
    } else if (name === 'authorization') {
      if (authorization !== undefined) return undefined;
      authorization = value;
    } else if (name === 'content-type') {
      if (type !== undefined) return undefined;
      type = value;
    } else if (name === 'content-length') {
      if (length !== undefined) return undefined;
      length = value;
    } else if (UNUSUAL.has(name)) return undefined;
  }
  if (host === undefined || type === undefined || length === undefined) return undefined;
  if (!isUsualForm(type) || !LENGTH.test(length) || Number(length) > MAX_FORM_BYTES) return undefined;
  return { host: host.toLowerCase(), authorization, length: Number(length) };
}

/** @param done is called once: with the body, or with undefined if it ended early */
function readBytes(
  request: IncomingMessage,
  length: number,
  done: (bytes: Buffer | undefined) => void,
): void {
  const chunks: Buffer[] = [];
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    chunks.push(chunk);
    if (received === length) done(chunks.length === 1 ? chunk : Buffer.concat(chunks, length));
  });
  request.on('close', () => {
    if (received < length) done(undefined);
  });
}

/** @returns undefined for a form that Koa refuses */
function findForm(bytes: Buffer): Form | undefined {
  try {
    return parseForm(bytes);
  } catch {
    return undefined;
  }
}

export function createDirectLane(deps: DirectLaneDeps): RequestListener {
  const { endpoints, readFacts, snapshot, log, metrics, koa } = deps;
  const isServed = createIsServed(deps);
  const headersOf = new Map(
    [...endpoints.keys()].map((path) => {
      const headers = {
        ...securityHeadersFor(deps.issuer),
        ...(deps.pagePaths.includes(path) && { Vary: 'Origin' }),
        'Content-Type': 'application/json; charset=utf-8',
      };
      return [path, Object.entries(headers).flat()];
    }),
  );
  let arrived: Arrived[] = [];

  function giveToKoa(
    { request, response }: Pick<Arrived, 'request' | 'response'>,
    state: RequestState,
    more: Pick<RequestState, 'body' | 'thrown'>,
  ): void {
    keptStates.set(request, Object.assign(state, more));
    koa(request, response);
  }

  function answer({ response, path, state }: Arrived, json: string): void {
    const own = ['X-Request-Id', state.requestId, 'Content-Length', String(Buffer.byteLength(json))];
    response.writeHead(200, [...(headersOf.get(path) ?? []), ...own]);
    response.end(json);
    const answered = { method: 'POST', path, status: 200, state };
    metrics.countAnswered(answered);
    logAnswered(log, answered);
  }

  /**
   * Koa gets a refusal as the error that the endpoint threw, whatever came before it. To let Koa run the endpoint again
   * would be right only for refusals without an effect, and a wrong secret was counted, a reused refresh token has ended
   * its login.
   */
  async function handle(one: Arrived): Promise<void> {
    let json: string;
    try {
      const value = await one.endpoint(one);
      json = typeof value === 'string' ? value : JSON.stringify(value);
    } catch (error) {
      giveToKoa(one, one.state, { thrown: { error } });
      return;
    }
    answer(one, json);
  }

  /**
   * A batch is exact because every byte of its requests was read before its snapshot was taken. It is taken after the
   * sockets were read, and ends in the same phase of the loop, before they are read again: no request sees a moment
   * before its own arrival, in the lane or at Koa.
   */
  function handleArrived(): void {
    const batch = arrived;
    arrived = [];
    const turn: Turn = {};
    try {
      snapshot?.begin();
    } catch (error) {
      for (const one of batch) giveToKoa(one, one.state, { thrown: { error } });
      return;
    }
    for (const one of batch) {
      one.state.turn = turn;
      handle(one).catch((error: unknown) => {
        one.response.destroy();
        log.error({ err: error, requestId: one.state.requestId }, 'an answer broke off');
      });
    }
  }

  function endSnapshot(): void {
    try {
      snapshot?.end();
    } catch (error) {
      log.error({ err: error }, 'a snapshot of the store could not be ended');
    }
  }

  function arrive(one: Arrived): void {
    if (arrived.push(one) > 1) return;
    // Two callbacks of one phase: all that a handler does without waiting for the system comes between them.
    setImmediate(handleArrived);
    if (snapshot) setImmediate(endSnapshot);
  }

  return (request, response) => {
    const path = request.url ?? '';
    const endpoint = endpoints.get(path);
    const isPlain = endpoint && request.method === 'POST' && request.httpVersion === '1.1';
    const head = isPlain && readHead(request);
    if (!head || !isServed(head.host, path)) {
      koa(request, response);
      return;
    }
    const state = readFacts(request);
    state.host = head.host;
    readBytes(request, head.length, (body) => {
      const form = body && findForm(body);
      const { authorization } = head;
      if (form) {
        state.form = form;
        arrive({ request, response, path, endpoint, authorization, form, state });
      } else {
        giveToKoa({ request, response }, state, body ? { body } : { thrown: { error: endedEarly() } });
      }
    });
  };
}
