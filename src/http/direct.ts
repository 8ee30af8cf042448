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

/** A request whose head has arrived. */
interface Begun extends Head {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly endpoint: Endpoint;
  readonly state: RequestState;
  /** If it did not come with the head. */
  body?: Buffer;
}

/** A request with its whole body. */
type Arrived = Begun & EndpointRequest;

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

/** @returns undefined if the body ended early */
function readBytes({ request, length }: Pick<Begun, 'request' | 'length'>): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      chunks.push(chunk);
      if (received === length) resolve(Buffer.concat(chunks, length));
    });
    request.on('close', () => resolve(undefined));
    if (request.destroyed) resolve(undefined);
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
        ...securityHeadersFor(deps.issuer, path),
        ...(deps.pagePaths.includes(path) && { Vary: 'Origin' }),
        'Content-Type': 'application/json; charset=utf-8',
      };
      return [path, Object.entries(headers).flat()];
    }),
  );
  let begun: Begun[] = [];
  let ending: NodeJS.Immediate | undefined;

  function giveToKoa({ request, response, state }: Begun, more: Pick<RequestState, 'body' | 'thrown'>): void {
    keptStates.set(request, Object.assign(state, more));
    koa(request, response);
  }

  const breakOff =
    ({ response, state }: Begun) =>
    (error: unknown): void => {
      response.destroy();
      log.error({ err: error, requestId: state.requestId }, 'an answer broke off');
    };

  function answer({ response, path, state }: Begun, json: string): void {
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
      giveToKoa(one, { thrown: { error } });
      return;
    }
    answer(one, json);
  }

  async function awaitBody(one: Begun): Promise<void> {
    const body = await readBytes(one);
    if (body) begin(Object.assign(one, { body }));
    else giveToKoa(one, { thrown: { error: endedEarly() } });
  }

  /** Most bodies come in one piece with their heads. @returns undefined if it is not here, or not for the lane */
  function takeArrived(one: Begun): Arrived | undefined {
    const { request, state } = one;
    const body: Buffer | undefined = one.body ?? (request.complete ? request.read() : undefined);
    const form = body && findForm(body);
    if (form) {
      state.form = form;
      return Object.assign(one, { form });
    }
    if (body) giveToKoa(one, { body });
    else awaitBody(one).catch(breakOff(one));
    return undefined;
  }

  /**
   * A batch is exact because every byte of its requests was read before its snapshot was taken. It is taken after the
   * sockets were read, and ends in the same phase of the loop, before they are read again: no request sees a moment
   * before its own arrival, in the lane or at Koa.
   */
  function handleArrived(): void {
    const all = begun;
    begun = [];
    const batch = all.map(takeArrived).filter((one) => one !== undefined);
    if (batch.length === 0) {
      clearImmediate(ending);
      return;
    }
    const turn: Turn = {};
    try {
      snapshot?.begin();
    } catch (error) {
      for (const one of batch) giveToKoa(one, { thrown: { error } });
      return;
    }
    for (const one of batch) {
      one.state.turn = turn;
      handle(one).catch(breakOff(one));
    }
  }

  function endSnapshot(): void {
    try {
      snapshot?.end();
    } catch (error) {
      log.error({ err: error }, 'a snapshot of the store could not be ended');
    }
  }

  function begin(one: Begun): void {
    if (begun.push(one) > 1) return;
    // Two callbacks of one phase: all that a handler does without waiting for the system comes between them.
    setImmediate(handleArrived);
    if (snapshot) ending = setImmediate(endSnapshot);
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
    begin({ ...head, request, response, path, endpoint, state });
  };
}
