/** Handlers of Fetch behind `node:http`: what a client sends must not stop the process or the connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type FetchHandler, toListener } from '../../src/resource-server/node-listener.ts';
import { listen } from './mcp-api.ts';

async function start(handle: FetchHandler) {
  const server = await listen(toListener(handle));
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    async send(
      method: string,
      { body = '', headers = {} }: { body?: string | Buffer; headers?: object } = {},
    ) {
      const sent = request({ host: '127.0.0.1', port, agent, method, headers: { ...headers } });
      sent.end(body);
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      const text = Buffer.concat(await response.toArray()).toString();
      return `${response.statusCode} ${text}`;
    },
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('a body reaches the handler, and one that it does not read stops nothing', async () => {
  await using api = await start(async (asked) =>
    asked.method === 'PUT' ? new Response(await asked.text()) : new Response('unread', { status: 401 }),
  );
  assert.equal(await api.send('PUT', { body: 'é' }), '200 é');
  for (const size of [5_000_000, 10]) {
    assert.equal(await api.send('POST', { body: Buffer.alloc(size) }), '401 unread');
  }
  assert.equal(await api.send('PUT', { body: 'after' }), '200 after');
});

test('a request that Fetch does not have is a 400', async () => {
  await using api = await start(async () => new Response('reached'));
  assert.equal(await api.send('TRACE'), '400 ');
  for (const host of ['user@localhost', 'a b', ':']) {
    assert.equal(await api.send('GET', { headers: { host } }), '400 ', host);
  }
  assert.equal(await api.send('GET'), '200 reached');
});

test('a handler that fails is a 500, and its error goes to the console', async (t) => {
  const logged = t.mock.method(console, 'error', () => undefined);
  await using api = await start(async ({ method }) => {
    if (method === 'GET') throw new Error('Broken.');
    return Response.error();
  });
  assert.equal(await api.send('GET'), '500 ');
  assert.equal(await api.send('POST'), '500 ');
  assert.equal(logged.mock.callCount(), 2);
});

test('a client that leaves a stream ends it', async () => {
  const ended = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using api = await start(async ({ signal }) => {
    signal.addEventListener('abort', () => aborted.resolve());
    return new Response(new ReadableStream({ cancel: () => ended.resolve() }), {
      headers: { 'content-type': 'text/event-stream' },
    });
  });
  const leaving = new AbortController();
  const response = await fetch(api.url, { signal: leaving.signal });
  assert.equal(response.status, 200);
  leaving.abort();
  await Promise.all([ended.promise, aborted.promise]);
});
