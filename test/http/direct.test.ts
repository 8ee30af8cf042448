/** The direct lane between the sockets and Koa, with an endpoint of the test's own; and pipelined requests on a whole server. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MAX_FORM_BYTES, parseForm } from '../../src/http/body.ts';
import { createDirectLane, type Endpoint } from '../../src/http/direct.ts';
import { listen } from '../../src/http/listen.ts';
import { createLogger } from '../../src/http/log.ts';
import { createReadFacts } from '../../src/http/request-facts.ts';
import { keptStates, type RequestState } from '../../src/http/request-state.ts';
import fc from '../support/properties.ts';
import { basic, OPAQUE_RESOURCE, startServer } from '../support/server.ts';
import { eventually } from './shell.ts';

const FORM = 'application/x-www-form-urlencoded';
const PATH = '/oauth/token';
const HOST = 'id.acme.example';

interface Lane extends AsyncDisposable {
  readonly port: number;
  /** What happened, in order. */
  readonly events: string[];
  /** States that Koa got; undefined of a request that came to it at once. */
  readonly atKoa: (RequestState | undefined)[];
  readonly counted: string[];
  readonly lines: string[];
}

async function startLane(endpoint: Endpoint): Promise<Lane> {
  const [events, lines, counted] = [[], [], []] as [string[], string[], string[]];
  const atKoa: (RequestState | undefined)[] = [];
  const lane = createDirectLane({
    issuer: `https://${HOST}`,
    hosts: [],
    isFacePath: () => false,
    readFacts: createReadFacts({ includes: () => false }),
    endpoints: new Map([
      [
        PATH,
        (request) => {
          events.push('endpoint');
          return endpoint(request);
        },
      ],
    ]),
    pagePaths: [PATH],
    snapshot: { begin: () => void events.push('begin'), end: () => void events.push('end') },
    log: createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } }),
    metrics: {
      countAnswered: ({ method, path, status }) => void counted.push(`${method} ${path} ${status}`),
    },
    koa(request, response) {
      events.push('koa');
      atKoa.push(keptStates.get(request));
      response.writeHead(400, { 'Content-Length': 3, Connection: 'close' }).end('koa');
    },
  });
  const listening = await listen({ host: '127.0.0.1', port: 0, limits: { farewell: 20 } });
  listening.serve(lane);
  return {
    port: listening.port,
    events,
    atKoa,
    counted,
    lines,
    [Symbol.asyncDispose]: async () => void (await listening.stop(1)),
  };
}

function request(
  body: string | Buffer,
  headers: readonly string[] = [],
  line = `POST ${PATH} HTTP/1.1`,
): Buffer {
  const head = [line, ...headers, `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);
}

const USUAL = [`Host: ${HOST}`, `Content-Type: ${FORM}`];
const PLAIN = request('a=1', USUAL);

async function open(port: number): Promise<Socket & { received(): string }> {
  const socket = connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk)).on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return Object.assign(socket, { received: () => Buffer.concat(received).toString('latin1') });
}

/** @returns the answers to all of a message, when as many have come */
async function send(port: number, message: Buffer, answers = 1): Promise<string> {
  const socket = await open(port);
  socket.write(message);
  await eventually(
    () => socket.received().split('HTTP/1.1 ').length > answers && /[\])}a]$/.test(socket.received()),
  );
  socket.destroy();
  return socket.received();
}

test('a plain request is answered without Koa, in one piece, counted and logged', async () => {
  await using lane = await startLane(async ({ form, state }) => ({ form, address: state.address }));
  const answer = await send(lane.port, request('a=1&b=x+y%20%C3%A4', USUAL));
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /\r\nCache-Control: no-store\r\n/);
  assert.match(head, /\r\nVary: Origin\r\n/);
  assert.deepEqual(JSON.parse(Buffer.from(body, 'latin1').toString()), {
    form: { a: '1', b: 'x y ä' },
    address: '127.0.0.1',
  });
  assert.deepEqual(lane.events, ['begin', 'endpoint', 'end']);
  assert.deepEqual(lane.counted, [`POST ${PATH} 200`]);
  const { method, path, status, requestId } = JSON.parse(lane.lines[0] ?? '');
  assert.deepEqual([method, path, status], ['POST', PATH, 200]);
  assert.match(head, new RegExp(`\\r\\nX-Request-Id: ${requestId}\\r\\n`));
});

const UNUSUAL: Readonly<Record<string, Buffer>> = {
  'another method': request('a=1', USUAL, `PUT ${PATH} HTTP/1.1`),
  'a path of its own': request('a=1', USUAL, 'POST /oauth/authorize HTTP/1.1'),
  'a query': request('a=1', USUAL, `POST ${PATH}? HTTP/1.1`),
  'an absolute URL': request('a=1', USUAL, `POST https://${HOST}${PATH} HTTP/1.1`),
  'HTTP/1.0': request('a=1', USUAL, `POST ${PATH} HTTP/1.0`),
  'another host': request('a=1', ['Host: evil.example', `Content-Type: ${FORM}`]),
  'no type': request('a=1', [`Host: ${HOST}`]),
  'a type that is not the form': request('a=1', [`Host: ${HOST}`, 'Content-Type: application/json']),
  'two types': request('a=1', [...USUAL, `Content-Type: ${FORM}`]),
  'two hosts': request('a=1', [...USUAL, `Host: ${HOST}`]),
  'two credentials': request('a=1', [...USUAL, 'Authorization: Basic YTpi', 'Authorization: Basic YTpi']),
  'an origin': request('a=1', [...USUAL, 'Origin: https://app.acme.example']),
  'a compressed body': request('a=1', [...USUAL, 'Content-Encoding: gzip']),
  'a proof of a key': request('a=1', [...USUAL, 'DPoP: x']),
  'a question before the body': request('a=1', [...USUAL, 'Expect: 100-continue']),
  'a chunked body': Buffer.from(
    `POST ${PATH} HTTP/1.1\r\n${USUAL.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n`,
  ),
  'no body': request('', USUAL),
  'a body over the limit': request('x'.repeat(MAX_FORM_BYTES + 1), USUAL),
};

for (const [name, message] of Object.entries(UNUSUAL)) {
  test(`${name} reaches Koa untouched, and never the endpoint`, async () => {
    await using lane = await startLane(async () => ({}));
    assert.match(await send(lane.port, message), /koa$/);
    assert.deepEqual(lane.events, ['koa']);
    assert.deepEqual([lane.atKoa, lane.counted, lane.lines], [[undefined], [], []]);
  });
}

const UNREADABLE: Readonly<Record<string, Buffer>> = {
  'broken UTF-8': Buffer.from([0x61, 0x3d, 0xc3, 0x28]),
  'a NUL': Buffer.from('a=1\0'),
  'too many fields': Buffer.from('a=1&'.repeat(1_001)),
};

for (const [name, body] of Object.entries(UNREADABLE)) {
  test(`a body with ${name} reaches Koa with its bytes, and never the endpoint`, async () => {
    await using lane = await startLane(async () => ({}));
    assert.match(await send(lane.port, request(body, USUAL)), /koa$/);
    assert.deepEqual(lane.events, ['koa']);
    assert.deepEqual(lane.atKoa[0]?.body, body);
    assert.equal(lane.atKoa[0]?.thrown, undefined);
  });
}

test('an error of an endpoint reaches Koa once, with all that the lane knows', async () => {
  const error = new Error('no');
  await using lane = await startLane(async ({ state }) => {
    state.clientId = 'machine';
    throw error;
  });
  assert.match(await send(lane.port, PLAIN), /koa$/);
  assert.deepEqual(lane.events, ['begin', 'endpoint', 'koa', 'end']);
  const [state] = lane.atKoa;
  assert.equal(state?.thrown?.error, error);
  assert.deepEqual([state?.clientId, { ...state?.form }], ['machine', { a: '1' }]);
  assert.deepEqual([lane.counted, lane.lines], [[], []]);
});

test('an answer that JSON does not have reaches Koa as an error', async () => {
  await using lane = await startLane(async () => ({ a: 1n }));
  assert.match(await send(lane.port, PLAIN), /koa$/);
  assert.ok(lane.atKoa[0]?.thrown?.error instanceof TypeError);
});

/**
 * A batch is exact because every byte of its requests was read before its snapshot was taken.
 */
test('all requests that have arrived share one snapshot, taken after they were read', async () => {
  await using lane = await startLane(async () => {
    for (let hops = 0; hops < 50; hops += 1) await undefined;
    lane.events.push('done');
    return {};
  });
  const sockets = await Promise.all(Array.from({ length: 8 }, () => open(lane.port)));
  // Node accepts one connection in a turn; after that, what is written at once is read at once.
  for (const round of [1, 2]) {
    lane.events.length = 0;
    for (const socket of sockets) socket.write(PLAIN);
    await eventually(() => sockets.every((socket) => socket.received().split('{}').length > round));
  }
  for (const socket of sockets) socket.destroy();
  const batches = lane.events
    .join(' ')
    .split(/\bend\b/)
    .filter(Boolean);
  for (const batch of batches) {
    assert.match(batch.trim(), /^begin( endpoint)+( done)+$/, 'nothing is left open when the snapshot ends');
    assert.equal(batch.split('endpoint').length, batch.split('done').length);
  }
  assert.ok(batches.length < sockets.length, lane.events.join(' '));
});

test('an endpoint that waits for the system goes on after the snapshot has ended', async () => {
  await using lane = await startLane(async () => {
    await turn();
    lane.events.push('done');
    return {};
  });
  await send(lane.port, PLAIN);
  assert.deepEqual(lane.events, ['begin', 'endpoint', 'end', 'done']);
});

test('requests sent at once on one connection are handled one after the other', async () => {
  let running = 0;
  await using lane = await startLane(async ({ form }) => {
    running += 1;
    assert.equal(running, 1);
    await turn();
    running -= 1;
    return form.a;
  });
  const bodies = ['a=first', 'a=second', 'a=third', 'a=gamma'];
  const answer = await send(lane.port, Buffer.concat(bodies.map((body) => request(body, USUAL))), 4);
  assert.deepEqual(answer.match(/first|second|third|gamma/g), ['first', 'second', 'third', 'gamma']);
  assert.equal(lane.events.filter((event) => event === 'begin').length, 4);
});

test('a body that comes in pieces is handled when it is whole', async () => {
  await using lane = await startLane(async ({ form }) => form);
  const socket = await open(lane.port);
  const message = request('a=1&b=22222', USUAL);
  for (const byte of message) {
    assert.deepEqual(lane.events, []);
    socket.write(Buffer.from([byte]));
    await turn();
  }
  await eventually(() => socket.received().endsWith('{"a":"1","b":"22222"}'));
  socket.write(PLAIN);
  await eventually(() => socket.received().endsWith('{"a":"1"}'));
  socket.destroy();
});

test('a client that hangs up in its body never reaches the endpoint', async () => {
  await using lane = await startLane(async () => ({}));
  const socket = await open(lane.port);
  socket.write(PLAIN.subarray(0, -1));
  await turn();
  socket.destroy();
  await eventually(() => lane.events.length > 0);
  assert.deepEqual(lane.events, ['koa']);
  assert.match(String(lane.atKoa[0]?.thrown?.error), /The client went away|the client went away/);
});

test('a request that arrived whole is handled, also of a client that hung up at once', async () => {
  await using lane = await startLane(async () => ({}));
  const socket = await open(lane.port);
  socket.write(PLAIN, () => socket.destroy());
  await eventually(() => lane.lines.length > 0);
  assert.deepEqual(lane.events, ['begin', 'endpoint', 'end']);
});

test('a client that hangs up while it is answered breaks nothing', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using lane = await startLane(async () => {
    await released;
    return {};
  });
  const socket = await open(lane.port);
  socket.write(Buffer.concat([PLAIN, PLAIN]));
  await eventually(() => lane.events.includes('endpoint'));
  socket.destroy();
  await turn();
  release();
  await eventually(() => lane.lines.length === 1);
  assert.equal(lane.events.filter((event) => event === 'endpoint').length, 1, 'the second is not handled');
  assert.match(await send(lane.port, PLAIN), /\{\}$/);
});

test('a stop lets a request of the lane finish and tells that the connection ends', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const lane = await startLane(async () => {
    await released;
    return {};
  });
  const socket = await open(lane.port);
  socket.write(PLAIN);
  await eventually(() => lane.events.includes('endpoint'));
  const stopped = lane[Symbol.asyncDispose]();
  release();
  await stopped;
  assert.match(
    socket.received(),
    /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*Connection: close\r\n(?:.*\r\n)*\r\n\{\}$/,
  );
});

test('a plain form is read as URLSearchParams reads it', () => {
  const text = fc.string({
    unit: fc.constantFrom(...'ab=&+%?;\uFEFF', '%20', '%C3%A4', '%zz', '%C3', 'ä', '__proto__', '%3D'),
    minLength: 1,
  });
  fc.assert(
    fc.property(text, (written) => {
      const expected: Record<string, unknown> = {};
      const search = new URLSearchParams(`&${written}`);
      for (const name of new Set(search.keys())) {
        const all = search.getAll(name);
        Object.defineProperty(expected, name, { value: all.length > 1 ? all : all[0], enumerable: true });
      }
      assert.deepEqual(Object.entries(parseForm(Buffer.from(written))), Object.entries(expected));
    }),
    { numRuns: 2_000 },
  );
});

test('a revocation is seen by the introspection behind it in the same packet', async () => {
  await using server = await startServer();
  const { json } = await server.token('machine', { resource: OPAQUE_RESOURCE });
  const { host, port } = new URL(server.issuer);
  const ask = (path: string, client: string): Buffer =>
    request(
      `token=${json.access_token}`,
      [`Host: ${host}`, `Content-Type: ${FORM}`, `Authorization: ${basic(client, server.secretOf(client))}`],
      `POST ${path} HTTP/1.1`,
    );
  const order = [
    ask('/oauth/introspect', 'shop-api'),
    ask('/oauth/revoke', 'machine'),
    ask('/oauth/introspect', 'shop-api'),
  ];
  const answer = await send(Number(port), Buffer.concat(order), 3);
  assert.deepEqual(answer.match(/"active":\w+/g), ['"active":true', '"active":false']);
});
