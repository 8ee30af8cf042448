import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import type { Resolve } from '../../src/outgoing/resolve-in-dns.ts';
import { createTargets } from '../../src/outgoing/targets.ts';
import { createPost, parseRetryAfter } from '../../src/webhooks/post.ts';
import { startReceiver } from './receiver.ts';

const NOW = Date.UTC(2026, 0, 1);

function createSender(listed: readonly string[], resolve?: Resolve) {
  const targets = createTargets({ listed, option: 'GRANTABLE_WEBHOOK_HOSTS', ...(resolve && { resolve }) });
  return createPost({ targets, timeoutMs: 2_000, now: () => NOW });
}

/** Counts its answers: each time the name is asked for it has the next address. */
function rebinding(...addresses: readonly string[]): Resolve & { asked: number } {
  const resolve = Object.assign(
    ((_hostname, _options, callback) => {
      const address = addresses[Math.min(resolve.asked, addresses.length - 1)] as string;
      resolve.asked += 1;
      callback(null, [{ address, family: 4 }]);
    }) as Resolve,
    { asked: 0 },
  );
  return resolve;
}

test('a connection goes to the address that was checked, asked for once', async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver[Symbol.asyncDispose]());
  const { port } = new URL(receiver.url);
  const resolve = rebinding('127.0.0.1', '192.0.2.1');
  const post = createSender([`hooks.internal:${port}`], resolve);
  assert.deepEqual(await post(new URL(`http://hooks.internal:${port}/in`), {}, '{}'), { status: 204 });
  assert.equal(receiver.received[0]?.headers.host, `hooks.internal:${port}`);
  assert.equal(resolve.asked, 1);
});

test('a name that is bound to this machine is refused before a connection', async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver[Symbol.asyncDispose]());
  const { port } = new URL(receiver.url);
  for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::ffff:127.0.0.1']) {
    const post = createSender([], rebinding(address));
    const { status, reason } = await post(new URL(`https://hooks.example:${port}/in`), {}, '{}');
    assert.deepEqual([status, /not at a public address/.test(reason ?? '')], [undefined, true], reason);
  }
  assert.deepEqual(receiver.received, []);
});

test('an address in a URL is checked without a look-up', async () => {
  const post = createSender([]);
  for (const host of ['127.0.0.1', '[::1]', '2130706433', '[::ffff:7f00:1]'])
    assert.match(
      (await post(new URL(`https://${host}:1/`), {}, '{}')).reason ?? '',
      /not at a public address/,
    );
});

test('DO-10 of a long answer a part is read, and a shorter part kept', async (t) => {
  const receiver = await startReceiver();
  t.after(() => receiver[Symbol.asyncDispose]());
  receiver.answer = (_, response) => {
    response.writeHead(500);
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  };
  const { reason = '' } = await createSender([receiver.host])(new URL(receiver.url), {}, '{}');
  assert.equal(reason.length, 200);
});

test('an answer that changes the protocol ends the attempt', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n');
    });
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const post = createSender([`127.0.0.1:${port}`]);
  const { reason = '' } = await post(new URL(`http://127.0.0.1:${port}/`), {}, '{}');
  assert.match(reason, /^The receiver cannot be reached: /);
});

test('DO-10 a receiver that sends interim answers only is given up at once', async (t) => {
  const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    const more = (): void => {
      while (!socket.destroyed && socket.write(interim));
    };
    socket.on('drain', more).once('data', more);
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const post = createSender([`127.0.0.1:${port}`]);
  const { reason } = await post(new URL(`http://127.0.0.1:${port}/`), {}, '{}');
  assert.equal(reason, 'The receiver cannot be reached: the server sends interim answers only');
});

test('Retry-After is read as seconds and as a date', () => {
  assert.equal(parseRetryAfter('120', NOW), 120_000);
  assert.equal(parseRetryAfter(new Date(NOW + 60_000).toUTCString(), NOW), 60_000);
  assert.equal(parseRetryAfter(new Date(NOW - 60_000).toUTCString(), NOW), 0);
  for (const text of [undefined, 'soon', '-1', '1e9'])
    assert.equal(parseRetryAfter(text, NOW), undefined, text);
});
