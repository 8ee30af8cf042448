/** The socket: limits against slow and idle clients, a clear sentence when it cannot be had, a graceful stop. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { boundConnections } from './connection-limits.ts';
import { OPERATIONS } from './paths.ts';
import { plainAddress, type TrustedPeers } from './request-facts.ts';

/** Times in milliseconds. */
const SOCKET_LIMITS = {
  /** Until the head of a request must be there, from the start of the connection or the end of the answer before. */
  head: 10_000,
  /** Until a whole request must be there. */
  request: 20_000,
  /** Without a byte in either direction, while a request runs: clients that do not read. */
  stall: 60_000,
  /** Between requests: above what load balancers commonly keep, so that we are not the side that closes first. */
  keepAlive: 65_000,
  /** For the rest of a body whose answer was given without it. */
  lateBody: 1_000,
  connections: 10_000,
  /** Limit of one address that is not a trusted proxy. */
  connectionsPerAddress: 1_000,
  /** Before a stop closes idle connections: busy clients learn from their next answer that this one ends. */
  farewell: 100,
  /** Bytes. */
  headBytes: 16_384,
};
export type SocketLimits = Readonly<typeof SOCKET_LIMITS>;

/** The address cannot be listened on. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Instead of `SOCKET_LIMITS`. */
  readonly limits?: Partial<SocketLimits>;
  /** Peers that limit their own clients. */
  readonly trustedProxies?: TrustedPeers;
  /** Told when a connection could not be accepted. */
  readonly onError?: (error: Error) => void;
}

export interface Listening {
  readonly server: Server;
  readonly port: number;
  /** From then on `listener` answers; before that, clients are told to come again. */
  serve(listener: RequestListener): void;
  /**
   * Lets requests under way finish and says on each connection that it ends, stops accepting, closes what is idle.
   *
   * @param seconds after which what is left is cut
   * @returns how many requests were cut
   */
  stop(seconds: number): Promise<number>;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'the port may not be used by this user',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'this machine has no such address',
};

async function open(server: Server, host: string, port: number): Promise<void> {
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const reason = REASONS[code] ?? message;
    throw new CannotListen(`Cannot listen on ${host}, port ${port}: ${reason}.`, { cause: error });
  }
}

/** A program that watches the process must not end it because its store is away. */
const STARTING: Readonly<Record<string, { status: number; body: object }>> = {
  [OPERATIONS.alive]: { status: 200, body: { status: 'ok' } },
  [OPERATIONS.ready]: { status: 503, body: { status: 'not ready', missing: ['the store'] } },
};

const notReady: RequestListener = (request, response) => {
  const { status, body } = STARTING[request.url ?? ''] ?? {
    status: 503,
    body: { error: 'temporarily_unavailable', error_description: 'The server is starting. Try again later.' },
  };
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    ...(status === 503 && { 'Retry-After': '1' }),
  });
  response.end(JSON.stringify(body));
};

function createLimitedServer(limits: SocketLimits): Server {
  const server = createServer({
    headersTimeout: limits.head,
    requestTimeout: limits.request,
    // Node looks every 30 s unless told otherwise.
    connectionsCheckingInterval: Math.max(20, Math.min(1_000, limits.head / 4)),
    keepAliveTimeout: limits.keepAlive,
    maxHeaderSize: limits.headBytes,
  });
  server.timeout = limits.stall;
  // A client that asks first whether to send a body is told by the code that reads it, or gets the answer without it.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  return server;
}

/** Requests that may wait on one connection. Node reads on while answers are not there, and each takes kilobytes. */
const MOST_WAITING = 32;

/** The requests of one connection. */
interface Line {
  last: ServerResponse;
  waiting: number;
}

/**
 * Requests that a client sends on one connection without waiting for answers (RFC 9112 section 9.3.2): each is handled when
 * the one before it is answered, so it sees what that one did. Those left when the client hangs up are not handled. A client
 * that sends very many is cut off.
 */
function oneAfterAnother(listener: RequestListener): RequestListener {
  const lines = new WeakMap<Socket, Line>();
  return (request, response) => {
    const { socket } = request;
    const line = lines.get(socket) ?? { last: response, waiting: 0 };
    lines.set(socket, line);
    const before = line.last;
    line.last = response;
    // Node gives an answer the socket when those before it are sent.
    if (response.socket !== null) return listener(request, response);
    // What was read in one piece with the one too many still comes.
    if (socket.destroyed) return;
    if (line.waiting === MOST_WAITING) {
      socket.destroy();
      return;
    }
    line.waiting += 1;
    before.once('close', () => {
      line.waiting -= 1;
      if (!request.destroyed) listener(request, response);
    });
  };
}

/**
 * Takes the address before there is anything to serve: a process that cannot have it has changed nothing.
 * @throws CannotListen
 */
export async function listen({
  host,
  port,
  limits: given,
  trustedProxies,
  onError,
}: ListenOptions): Promise<Listening> {
  const limits = { ...SOCKET_LIMITS, ...given };
  const server = createLimitedServer(limits);
  const connections = boundConnections(
    server,
    limits,
    (address) => trustedProxies?.includes(plainAddress(address)) === true,
  );
  let stopping = false;
  server.prependListener('request', (_request, response) => {
    if (stopping) response.setHeader('Connection', 'close');
  });
  server.on('request', notReady);
  await open(server, host, port);
  server.on('error', (error) => onError?.(error));

  async function close(seconds: number): Promise<number> {
    let left = 0;
    stopping = true;
    for (const response of connections.running()) {
      if (!response.headersSent) response.setHeader('Connection', 'close');
    }
    const cut = setTimeout(() => {
      left = connections.running().length;
      server.closeAllConnections();
    }, seconds * 1000);
    if (connections.open() > 0) await wait(Math.min(limits.farewell, seconds * 1000));
    const closed = once(server.close(), 'close');
    connections.closeIdle();
    await closed;
    clearTimeout(cut);
    return left;
  }

  let stopped: Promise<number> | undefined;
  const address = server.address();
  return {
    server,
    port: typeof address === 'object' && address ? address.port : port,
    serve(listener) {
      server.off('request', notReady);
      server.on('request', oneAfterAnother(listener));
    },
    stop(seconds) {
      stopped ??= close(seconds);
      return stopped;
    },
  };
}
