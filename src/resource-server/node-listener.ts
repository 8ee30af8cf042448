/** Handlers of Fetch behind requests of `node:http`, also those whose body Express has read. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadableStream } from 'node:stream/web';

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
  return async (request, response) => {
    const asked = toRequest(request, response);
    if (!asked) {
      response.writeHead(400).end();
      return;
    }
    const { body: parsedBody } = request;
    try {
      await send(await handle(asked, parsedBody === undefined ? {} : { parsedBody }), response);
    } catch (error) {
      console.error(error);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    }
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

/** @returns undefined for what Fetch does not have: TRACE, a host with a name of a user, or a target that is not one */
function toRequest(request: RoutedRequest, response: ServerResponse): Request | undefined {
  const { method = 'GET', originalUrl, url = '/', body } = request;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const hasBody = method !== 'GET' && method !== 'HEAD' && body === undefined;
  try {
    return new Request(new URL(originalUrl ?? url, `http://${request.headers.host ?? 'localhost'}`), {
      method,
      headers: headersOf(request),
      signal: gone.signal,
      ...(hasBody && { body: bodyOf(request, response), duplex: 'half' }),
    });
  } catch {
    return undefined;
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    // HTTP/2 has the method and the path among its headers.
    if (!name.startsWith(':')) headers.append(name, value);
  }
  return headers;
}

/** Read as the handler reads it. What it leaves is thrown away, so that the next request of the connection is found. */
function bodyOf(request: IncomingMessage, response: ServerResponse): ReadableStream {
  const chunks = request.iterator({ destroyOnReturn: false });
  const drain = async (): Promise<void> => {
    await chunks.return?.().catch(() => undefined);
    request.resume();
  };
  response.once('finish', drain);
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: drain,
    },
    { highWaterMark: 0 },
  );
}
