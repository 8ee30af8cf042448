/** A publisher of documents: a real https server on this machine, under names that only a test resolves. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../support/tls.ts';

export const NAMES = ['agent.example', 'keys.example', 'localhost'];

export interface Publisher extends AsyncDisposable {
  readonly port: number;
  /** PEM of the authority that its clients trust. */
  readonly ca: string;
  readonly requests: IncomingMessage[];
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** Each of its names with its port. */
  readonly hosts: readonly string[];
  urlOf(path: string, name?: string): string;
}

async function makeFiles(): Promise<{ key: Buffer; cert: Buffer; pem: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'grantable-publisher-'));
  const names = [...NAMES.map((name) => `DNS:${name}`), 'IP:127.0.0.1'];
  const { keyFile, certFile, pem } = await makeCertificate(folder, names);
  const [key, cert] = await Promise.all([readFile(keyFile), readFile(certFile)]);
  await rm(folder, { recursive: true });
  return { key, cert, pem };
}

/** One certificate for all publishers of a process: making it takes longer than the tests. */
const files = makeFiles();

export function answerJson(json: unknown, headers: Readonly<Record<string, string>> = {}) {
  return (_: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json));
  };
}

export async function startPublisher(): Promise<Publisher> {
  const { key, cert, pem } = await files;
  const server = createServer({ key, cert }, (request, response) => {
    publisher.requests.push(request);
    publisher.answer(request, response);
  });
  // Clients that go away are a part of the tests.
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const publisher: Publisher = {
    port,
    ca: pem,
    requests: [],
    answer: answerJson({}),
    hosts: NAMES.map((name) => `${name}:${port}`),
    urlOf: (path, name = 'agent.example') => `https://${name}:${port}${path}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return publisher;
}
