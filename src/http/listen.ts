/** The socket: time-outs against slow clients, a clear sentence when it cannot be had, a graceful stop. */
import { createServer, type RequestListener, type Server } from 'node:http';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
/** Above what load balancers commonly keep, so that we are not the side that closes first. */
const KEEP_ALIVE_MS = 65_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 10_000;

/** The address cannot be listened on. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

export interface Timeouts {
  /** Milliseconds until the headers of a request must be there. */
  readonly headers: number;
  /** Milliseconds until a whole request must be there. */
  readonly request: number;
}

export interface Listening {
  readonly port: number;
  /**
   * Stops accepting, lets requests under way finish, closes idle connections.
   * @param seconds after which what is left is cut
   */
  stop(seconds: number): Promise<void>;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'the port may not be used by this user',
  EADDRNOTAVAIL: 'this machine has no such address',
};

function open(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = REASONS[error.code ?? ''] ?? error.message;
      reject(new CannotListen(`Cannot listen on ${host}:${port}: ${reason}.`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}

/** @throws CannotListen */
export async function listen(
  listener: RequestListener,
  { host, port, timeouts }: { host: string; port: number; timeouts?: Timeouts },
): Promise<Listening> {
  const server = createServer(
    {
      headersTimeout: timeouts?.headers ?? HEADERS_TIMEOUT_MS,
      requestTimeout: timeouts?.request ?? REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: Math.min(1_000, timeouts?.headers ?? HEADERS_TIMEOUT_MS),
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    listener,
  );
  server.maxConnections = MAX_CONNECTIONS;
  let stopping = false;
  server.prependListener('request', (_request, response) => {
    if (stopping) response.setHeader('Connection', 'close');
  });
  await open(server, host, port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    async stop(seconds) {
      stopping = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), seconds * 1000);
      await closed;
      clearTimeout(cut);
    },
  };
}
