/** Handlers of Fetch behind requests of `node:http`, also those whose body Express has read. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

export type FetchHandler = (
  request: Request,
  options?: {
    /** A JSON body that a framework has read already. */
    readonly parsedBody?: unknown;
  },
) => Promise<Response>;

/** What frameworks add to a request. */
interface RoutedRequest extends IncomingMessage {
  /** With the path at which a router is mounted. */
  readonly originalUrl?: string;
  readonly body?: unknown;
}

/** A handler that fails is answered with 500, and its error goes to the console. */
export function toListener(handle: FetchHandler): (request: RoutedRequest, response: ServerResponse) => void {
  return (request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const asked = toRequest(request, gone.signal);
    if (!asked) {
      response.writeHead(400).end();
      return;
    }
    const { body: parsedBody } = request;
    handle(asked, parsedBody === undefined ? {} : { parsedBody }).then(
      (answer) => send(answer, response),
      (error) => {
        console.error(error);
        response.writeHead(500).end();
      },
    );
  };
}

async function send({ status, headers, body }: Response, response: ServerResponse): Promise<void> {
  response.writeHead(status, [...headers].flat());
  // The client of a stream waits for the headers.
  response.flushHeaders();
  if (!body) response.end();
  // A client that leaves, or a body that breaks, ends both.
  else await pipeline(Readable.fromWeb(body as ReadableStream), response).catch(() => undefined);
}

/** @returns undefined for a target or a host that no URL has */
function toRequest(request: RoutedRequest, signal: AbortSignal): Request | undefined {
  const { method = 'GET', rawHeaders, originalUrl, url = '/', body } = request;
  const address = URL.parse(originalUrl ?? url, `http://${request.headers.host ?? 'localhost'}`);
  if (!address) return undefined;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    // HTTP/2 has the method and the path among its headers.
    if (!name.startsWith(':')) headers.append(name, value);
  }
  const hasBody = method !== 'GET' && method !== 'HEAD' && body === undefined;
  const content = hasBody ? { body: Readable.toWeb(request) as ReadableStream, duplex: 'half' as const } : {};
  return new Request(address, { method, headers, signal, ...content });
}
