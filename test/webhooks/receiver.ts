/** A receiver of webhooks: a real HTTP server, which a test can make slow, stop and start again. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly type: string;
  readonly data: Readonly<Record<string, any>>;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** Host and port. */
  readonly host: string;
  readonly received: Received[];
  /** What the answers are; 204 at first. Without an answer the sender waits. */
  answer: (got: Received, response: ServerResponse) => void;
  stop(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  let server: Server | undefined;
  let port = 0;
  const receiver: Receiver = {
    get url() {
      return `http://localhost:${port}/in`;
    },
    get host() {
      return `localhost:${port}`;
    },
    received: [],
    answer: (_, response) => void response.writeHead(204).end(),
    async stop() {
      server?.closeAllConnections();
      const closed = server && once(server, 'close');
      server?.close();
      await closed;
      server = undefined;
    },
    async start() {
      server = createServer(async (request, response) => {
        const text = (await request.toArray()).join('');
        const { headers } = request;
        const got = { ...JSON.parse(text), id: headers['webhook-id'], headers, text };
        receiver.received.push(got);
        receiver.answer(got, response);
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    },
    async [Symbol.asyncDispose]() {
      if (server) await receiver.stop();
    },
  };
  await receiver.start();
  return receiver;
}

/** Answers with a status, and headers. */
export const answering =
  (status: number, headers: Record<string, string> = {}, body = ''): Receiver['answer'] =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);
