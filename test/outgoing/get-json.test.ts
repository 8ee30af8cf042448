import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createGetJson, type FetchedJson, FetchFailed } from '../../src/outgoing/get-json.ts';
import type { Resolve } from '../../src/outgoing/resolve-in-dns.ts';
import { createTargets } from '../../src/outgoing/targets.ts';
import { answerJson, type Publisher, startPublisher } from './publisher.ts';
import { resolving } from './resolving.ts';

const NOW = Date.UTC(2030, 0, 1);
const HERE = { 'agent.example': ['127.0.0.1'], 'keys.example': ['127.0.0.1'], localhost: ['127.0.0.1'] };

interface Get {
  readonly publisher: Publisher;
  /** @param timeoutMs of all of it */
  get(url: string, timeoutMs?: number): Promise<FetchedJson>;
}

async function start(
  t: TestContext,
  { listed, resolve = resolving(HERE) }: { listed?: readonly string[]; resolve?: Resolve } = {},
): Promise<Get> {
  const publisher = await startPublisher();
  t.after(() => publisher[Symbol.asyncDispose]());
  const targets = createTargets({
    listed: listed ?? publisher.hosts,
    option: 'GRANTABLE_AGENT_HOSTS',
    resolve,
  });
  const getJson = createGetJson({ targets, maxBytes: 5_120, ca: publisher.ca, now: () => NOW });
  return { publisher, get: (url, timeoutMs = 10_000) => getJson(url, AbortSignal.timeout(timeoutMs)) };
}

/** @returns the reason for the log */
async function fails(fetched: Promise<unknown>, message: RegExp): Promise<string | undefined> {
  let reason: string | undefined;
  await assert.rejects(fetched, (error) => {
    assert.ok(error instanceof FetchFailed, String(error));
    assert.match(error.message, message);
    reason = error.reason;
    return true;
  });
  return reason;
}

const AT_PUBLIC = /cannot be fetched: an https server at a public address must answer in time\.$/;

test('a document comes over a connection of its own that tells nothing', async (t) => {
  const { publisher, get } = await start(t);
  publisher.answer = answerJson({ a: 1 }, { 'cache-control': 'max-age=120', 'set-cookie': 'a=b' });
  assert.deepEqual(await get(publisher.urlOf('/a?b=c')), { json: { a: 1 }, freshSeconds: 120 });
  await get(publisher.urlOf('/a?b=c'));
  const [first, second] = publisher.requests;
  assert.deepEqual([first?.method, first?.url], ['GET', '/a?b=c']);
  assert.deepEqual(first?.headers, {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'Grantable',
    host: `agent.example:${publisher.port}`,
    connection: 'close',
  });
  assert.deepEqual(second?.headers, first?.headers);
  assert.notEqual(second?.socket, first?.socket);
});

test('CN-01 the address that was checked is the one connected to', async (t) => {
  const resolve: Resolve & { asked?: number } = (_hostname, _options, callback) => {
    resolve.asked = (resolve.asked ?? 0) + 1;
    callback(null, [{ address: resolve.asked === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 }]);
  };
  const { publisher, get } = await start(t, { resolve });
  await get(publisher.urlOf('/a'));
  // The publisher listens at the first address only.
  assert.deepEqual([resolve.asked, publisher.requests.length], [1, 1]);
});

test('CN-01 a name that turns private between two fetches is refused', async (t) => {
  const { publisher, get } = await start(t, { listed: ['agent.example:1'] });
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '10.0.0.1', '169.254.169.254', 'fd00:ec2::254']) {
    const names = { 'agent.example': [address] };
    const { get: other } = await start(t, { listed: [], resolve: resolving(names) });
    const reason = await fails(other(publisher.urlOf('/a')), AT_PUBLIC);
    assert.match(reason ?? '', /not at a public address/, address);
  }
  await fails(get(publisher.urlOf('/a')), AT_PUBLIC);
  assert.deepEqual(publisher.requests, []);
});

test('CN-01 a name with a public and a private address is refused whole', async (t) => {
  const names = { 'agent.example': ['93.184.215.14', '127.0.0.1'] };
  const { publisher, get } = await start(t, { listed: [], resolve: resolving(names) });
  await fails(get(publisher.urlOf('/a')), AT_PUBLIC);
  assert.deepEqual(publisher.requests, []);
});

test('CN-01 each spelling of a private address is refused', async (t) => {
  const resolve = resolving(HERE);
  const { publisher, get } = await start(t, { listed: [], resolve });
  const hosts = [
    ...['127.0.0.1', '127.0.0.1.', '127.1', '127.0.1', '2130706433', '017700000001', '0x7f000001'],
    ...['0x7f.0.0.1', '0177.0.0.1', '0177.0x0.1', '127.255.255.254', '0', '0.0.0.0', '10.0.0.1', '0xa.1'],
    ...['172.16.0.1', '172.31.255.255', '192.168.1.1', '3232235777', '100.64.0.1', '100.100.100.200'],
    ...['169.254.169.254', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '169.254.170.2'],
    ...['168.63.129.16', '192.0.0.192', '192.88.99.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
    ...['１２７.０.０.１', '①②⑦.0.0.1', '127。0。0。1', '%31%32%37.0.0.1'],
    ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::127.0.0.1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
    ...['[::ffff:169.254.169.254]', '[::ffff:0:127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::a00:1]'],
    ...['[2002:7f00:1::]', '[2002:a9fe:a9fe::1]', '[2001:0:7f00:1::]', '[fe80::1]', '[fec0::1]'],
    ...['[fd00:ec2::254]', '[fc00::1]', '[ff02::1]', '[100::1]', '[2001:db8::1]', '[5f00::1]', '[3fff::1]'],
    ...['localhost', 'LOCALHOST', 'localhost.', 'sub.localhost', 'metadata.google.internal', 'metadata'],
  ];
  for (const host of hosts) {
    const url = `https://${host}:${publisher.port}/a`;
    await fails(get(url), /not at a public address|must answer in time|IP address, and must be a name/);
  }
  // These are not URLs.
  for (const host of ['[fe80::1%25eth0]', '[fe80::1%eth0]', '127.0.0.1.1.1.1', '1.2.3.256', '0x100000000'])
    await fails(get(`https://${host}:${publisher.port}/a`), /not an https URL/);
  assert.deepEqual(publisher.requests, []);
});

test('CN-01 an IP address needs to be listed, also a public one', async (t) => {
  const { publisher, get } = await start(t);
  for (const host of ['93.184.215.14', '[2606:2800:21f:cb07::1]'])
    await fails(get(`https://${host}:1/a`), /its host is an IP address, and must be a name/);
  const { publisher: other, get: getListed } = await start(t, { listed: ['127.0.0.1'] });
  await getListed(`https://127.0.0.1:${other.port}/a`);
  assert.equal(other.requests.length, 1);
  assert.deepEqual(publisher.requests, []);
});

test('only https is spoken, also to a listed host', async (t) => {
  const { publisher, get } = await start(t);
  for (const url of [`http://agent.example:${publisher.port}/a`, 'file:///etc/passwd', 'data:,{}', 'a', ''])
    await fails(get(url), /it is not an https URL/);
  assert.deepEqual(publisher.requests, []);
});

test('a certificate must be of the name and of a known authority', async (t) => {
  const { publisher, get } = await start(t, { resolve: resolving({ 'other.example': ['127.0.0.1'] }) });
  const targets = createTargets({
    listed: [`other.example:${publisher.port}`, ...publisher.hosts],
    option: 'GRANTABLE_AGENT_HOSTS',
    resolve: resolving({ ...HERE, 'other.example': ['127.0.0.1'] }),
  });
  const known = createGetJson({ targets, maxBytes: 5_120, ca: publisher.ca, now: () => NOW });
  const unknown = createGetJson({ targets, maxBytes: 5_120, now: () => NOW });
  const signal = AbortSignal.timeout(10_000);
  assert.match(
    (await fails(known(publisher.urlOf('/a', 'other.example'), signal), AT_PUBLIC)) ?? '',
    /altnames/,
  );
  assert.match((await fails(unknown(publisher.urlOf('/a'), signal), AT_PUBLIC)) ?? '', /self-signed/);
  await fails(get(publisher.urlOf('/a')), AT_PUBLIC);
  assert.deepEqual(publisher.requests, []);
});

test('redirects are not followed, and only the status 200 is good', async (t) => {
  const { publisher, get } = await start(t);
  for (const status of [201, 204, 206, 301, 302, 303, 307, 308, 304, 400, 404, 500]) {
    publisher.answer = (_, response) =>
      void response
        .writeHead(status, { location: publisher.urlOf('/b'), 'content-type': 'application/json' })
        .end(status === 204 || status === 304 ? undefined : '{}');
    await fails(get(publisher.urlOf('/a')), new RegExp(`its status is ${status}, and must be 200`));
  }
  assert.deepEqual(new Set(publisher.requests.map(({ url }) => url)), new Set(['/a']));
});

test('only JSON types are read', async (t) => {
  const { publisher, get } = await start(t);
  const good = [
    ...['application/json', 'application/json; charset=utf-8', 'Application/JSON ;charset=UTF-8'],
    ...['application/oauth-client-id+json', 'application/vnd.a.b-c+json; v=1'],
  ];
  const bad = [
    ...['', 'text/json', 'text/html', 'application/jsonx', 'application/x-json', 'text/x+json'],
    ...['application/+json', 'application/javascript', 'text/html, application/json'],
  ];
  for (const type of good) {
    publisher.answer = answerJson([type], { 'content-type': type });
    assert.deepEqual((await get(publisher.urlOf('/a'))).json, [type]);
  }
  for (const type of bad) {
    publisher.answer = answerJson([type], { 'content-type': type });
    await fails(get(publisher.urlOf('/a')), /its content type is ".*", and must be application\/json/);
  }
  publisher.answer = (_, response) => void response.end('{}');
  await fails(get(publisher.urlOf('/a')), /its content type is ""/);
});

test('a body of 5 KB is read, and one byte more is not', async (t) => {
  const { publisher, get } = await start(t);
  const text = (bytes: number) => 'x'.repeat(bytes - 2);
  publisher.answer = answerJson(text(5_120));
  assert.equal((await get(publisher.urlOf('/a'))).json, text(5_120));
  publisher.answer = answerJson(text(5_121), { 'content-length': '5121' });
  await fails(get(publisher.urlOf('/a')), /longer than 5120 bytes/);
  // Without a length.
  publisher.answer = answerJson(text(5_121));
  await fails(get(publisher.urlOf('/a')), /longer than 5120 bytes/);
});

test('a body without end is left after 5 KB', async (t) => {
  const { publisher, get } = await start(t);
  publisher.answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      while (!response.destroyed && response.write(' '.repeat(1_024)));
    };
    response.on('drain', more);
    for (const each of [request.socket, response]) each.on('error', () => undefined);
    more();
  };
  await fails(get(publisher.urlOf('/a')), /longer than 5120 bytes/);
  const socket = publisher.requests[0]?.socket;
  if (!socket?.destroyed) await new Promise((resolve) => socket?.once('close', resolve));
});

test('a compressed body is refused before it is read', async (t) => {
  const { publisher, get } = await start(t);
  const bomb = gzipSync(Buffer.alloc(1_000_000, 32));
  for (const encoding of ['gzip', 'br', 'deflate', 'zstd', 'GZIP', 'identity, gzip', 'x']) {
    publisher.answer = (_, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding })
        .end(bomb);
    await fails(get(publisher.urlOf('/a')), /it is compressed with/);
  }
  publisher.answer = (_, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(bomb);
  await fails(get(publisher.urlOf('/a')), /not JSON in UTF-8/);
});

test('a body that is not JSON in UTF-8 is refused', async (t) => {
  const { publisher, get } = await start(t);
  const send = (body: string | Buffer) => {
    publisher.answer = (_, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    return get(publisher.urlOf('/a'));
  };
  for (const body of ['', '{', '{"a":1}x', "{'a':1}", Buffer.from([0x22, 0xff, 0x22]), '[NaN]'])
    await fails(send(body), /not JSON in UTF-8/);
  assert.deepEqual((await send('\uFEFF{"a":"ä"}')).json, { a: 'ä' });
  await assert.doesNotReject(send('['.repeat(2_500) + ']'.repeat(2_500)));
});

test('slow headers, slow bodies and cut bodies end in time', async (t) => {
  const { publisher, get } = await start(t);
  const late: readonly ((response: ServerResponse) => void)[] = [
    () => undefined,
    (response) => void response.writeProcessing(),
    (response) => void response.socket?.write('HTTP/1.1 200 OK\r\nContent-Type: app'),
  ];
  for (const answer of late) {
    publisher.answer = (_, response) => answer(response);
    await fails(get(publisher.urlOf('/a'), 200), AT_PUBLIC);
  }
  publisher.answer = (_, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).write('{');
  await fails(get(publisher.urlOf('/a'), 200), /it must arrive whole and in time/);
  publisher.answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '10' });
    response.write('{}', () => response.destroy());
  };
  await fails(get(publisher.urlOf('/a')), /it must arrive whole and in time/);
});

test('a name server that does not answer ends in time', async (t) => {
  const { publisher, get } = await start(t, { listed: [], resolve: () => undefined });
  await fails(get(publisher.urlOf('/a'), 200), AT_PUBLIC);
});

test('a server that does not speak TLS or HTTP is left', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('220 mail.example ESMTP\r\n');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { get, publisher } = await start(t, { listed: ['agent.example'] });
  await fails(get(`https://agent.example:${port}/a`), AT_PUBLIC);
  publisher.answer = (_, response) => void response.socket?.end('220 mail.example ESMTP\r\n');
  await fails(get(publisher.urlOf('/a')), AT_PUBLIC);
  publisher.answer = (_, response) =>
    void response.socket?.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    );
  await fails(get(publisher.urlOf('/a')), AT_PUBLIC);
});

test('interim answers without end are left', async (t) => {
  const { publisher, get } = await start(t);
  publisher.answer = (_, response) => {
    for (let count = 0; count < 5; count += 1) response.writeProcessing();
    answerJson({})(_, response);
  };
  assert.deepEqual((await get(publisher.urlOf('/a'))).json, {});
  publisher.answer = (_, response) => {
    response.socket?.on('error', () => undefined);
    for (let count = 0; count < 6; count += 1) response.writeProcessing();
  };
  assert.match((await fails(get(publisher.urlOf('/a')), AT_PUBLIC)) ?? '', /interim answers only/);
});

test('headers without end are left', async (t) => {
  const { publisher, get } = await start(t);
  publisher.answer = (_, response) =>
    void response.writeHead(200, { 'content-type': 'application/json', a: 'x'.repeat(10_000) }).end('{}');
  await fails(get(publisher.urlOf('/a')), AT_PUBLIC);
});
