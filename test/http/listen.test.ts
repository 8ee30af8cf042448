import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { Middleware } from 'koa';
import { readBody } from '../../src/http/body.ts';
import { CannotListen, listen } from '../../src/http/listen.ts';
import { until } from '../support/until.ts';
import { eventually, HOST, startShell } from './shell.ts';

/** Seconds: a stop that waits for its limit does not end with the test. */
const NEVER = 86_400;
const LONG = process.env.GRANTABLE_TEST_LONG !== undefined;
const FIGURES = process.env.GRANTABLE_TEST_FIGURES !== undefined;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;

interface Watched {
  readonly socket: Socket;
  received(): string;
  isClosed(): boolean;
}

function watch(socket: Socket): Watched {
  let received = '';
  let isClosed = false;
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    isClosed = true;
  });
  return { socket, received: () => received, isClosed: () => isClosed };
}

test('DO-07 a head that comes too slowly ends the connection, with a 408', async (t) => {
  await using shell = await startShell({ limits: { head: 120, request: 400 } });
  const slow = async (what: string, first: string, drip: string, expected: RegExp): Promise<void> => {
    await t.test(what, async () => {
      const client = watch(await shell.connect());
      client.socket.write(first);
      const timer = setInterval(() => client.socket.write(drip), 20);
      try {
        await eventually(client.isClosed);
      } finally {
        clearInterval(timer);
      }
      assert.match(client.received(), expected);
    });
  };
  await slow('nothing at all', '', '', /^(?:HTTP\/1\.1 408 |$)/);
  await slow('a request line, byte by byte', 'G', 'E', /^HTTP\/1\.1 40[08] /);
  await slow('header after header', `GET / HTTP/1.1\r\nHost: ${HOST}\r\n`, 'X-A: b\r\n', /^HTTP\/1\.1 408 /);
  await slow(
    'a body, byte by byte',
    `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\n`,
    'a',
    /^HTTP\/1\.1 408 /,
  );
  assert.equal((await shell.ask('/healthz')).status, 200);
});

test('DO-07 a second request on a connection has no more time than the first', async () => {
  await using shell = await startShell({ limits: { head: 1_000, request: 1_000, keepAlive: 60_000 } });
  const client = watch(await shell.connect());
  client.socket.write(get('/healthz'));
  await eventually(() => client.received().includes('"ok"'));
  client.socket.write('GET / HTTP/1.1\r\n');
  await eventually(client.isClosed);
});

test('DO-07 a client that does not read its answer is cut off', async () => {
  const large: Middleware = (ctx) => {
    ctx.body = Buffer.alloc(30_000_000, 'x');
  };
  await using shell = await startShell({ routes: [large], limits: { stall: 150 } });
  const socket = await shell.connect();
  socket.pause();
  socket.on('error', () => {});
  socket.write(get('/large'));
  const { server } = shell.listening;
  const count = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_error, connections) => resolve(connections)));
  await until('it is connected', async () => (await count()) === 1);
  await until('it is cut off', async () => (await count()) === 0);
  socket.destroy();
});

test(`DO-07 a flood of idle connections cannot keep others out`, async () => {
  const flood = FIGURES ? 10_000 : 300;
  const connections = FIGURES ? 2_000 : 100;
  await using shell = await startShell({ limits: { connections } });
  const held: Watched[] = [];
  for (let made = 0; made < flood; made += 1) held.push(watch(await shell.connect()));
  assert.equal((await shell.ask('/healthz')).status, 200);
  const open = await new Promise<number>((resolve) => {
    shell.listening.server.getConnections((_error, count) => resolve(count));
  });
  assert.ok(open <= connections, `${open} open`);
  assert.ok(held[0]?.isClosed(), 'the oldest gave way');
  for (const { socket } of held) socket.destroy();
});

test('DO-07 requests sent at once are answered in turn, up to a number', async () => {
  const released = Promise.withResolvers<void>();
  const slow: Middleware = async (ctx) => {
    await released.promise;
    ctx.body = 'done';
  };
  await using shell = await startShell({ routes: [slow] });
  const some = watch(await shell.connect());
  some.socket.write(get('/some').repeat(33));
  const many = watch(await shell.connect());
  many.socket.write(get('/many').repeat(34));
  await eventually(() => many.isClosed());
  released.resolve();
  await eventually(() => some.received().split('done').length === 34);
  assert.equal(some.isClosed(), false);
  some.socket.destroy();
});

/** A head that promises a body which does not come. */
const SLOW_BODY = `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n`;

const reading: Middleware = async (ctx) => {
  ctx.body = await readBody(ctx, 1_000);
};

test('DO-07 connections of one address whose bodies do not come give way to others', async () => {
  const flood = FIGURES ? 10_000 : 400;
  const connections = FIGURES ? 10_000 : 300;
  const limits = { connections, connectionsPerAddress: connections / 10 };
  await using shell = await startShell({ routes: [reading], limits });
  const held: Watched[] = [];
  for (let made = 0; made < flood; made += 1) {
    const one = watch(await shell.connect('127.0.0.2'));
    one.socket.write(SLOW_BODY);
    held.push(one);
    if (made % (flood / 10) === 0) assert.equal((await shell.ask('/healthz')).status, 200);
  }
  await eventually(() => held.filter((one) => !one.isClosed()).length <= connections / 10);
  assert.equal((await shell.ask('/healthz')).status, 200);
  for (const { socket } of held) socket.destroy();
});

test('DO-07 bodies that come from one network keep no other client out', async () => {
  await using shell = await startShell({ routes: [reading], limits: { connections: 20 } });
  const held: Watched[] = [];
  for (let made = 0; made < 60; made += 1) {
    const one = watch(await shell.connect(`127.0.1.${made + 1}`));
    one.socket.write(SLOW_BODY);
    held.push(one);
  }
  assert.equal((await shell.ask('/healthz')).status, 200);
  assert.ok(held[0]?.isClosed(), 'the one that has waited longest gave way');
  for (const { socket } of held) socket.destroy();
});

test('the connections of a trusted proxy are not bounded like those of one client', async () => {
  const limits = { connections: 100, connectionsPerAddress: 5 };
  await using shell = await startShell({ trustedProxies: ['127.0.0.3'], limits });
  const open = async (from: string) => {
    const held = await Promise.all(Array.from({ length: 20 }, async () => watch(await shell.connect(from))));
    await eventually(() => from === '127.0.0.3' || held.filter((one) => one.isClosed()).length >= 15);
    assert.equal((await shell.ask('/healthz')).status, 200);
    const left = held.filter((one) => !one.isClosed()).length;
    for (const { socket } of held) socket.destroy();
    return left;
  };
  assert.equal(await open('127.0.0.3'), 20);
  assert.equal(await open('127.0.0.2'), 5);
});

test('DO-07 a connection with a request under way does not give way to new ones', async () => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow: Middleware = async (ctx) => {
    await released;
    ctx.body = 'done';
  };
  await using shell = await startShell({ routes: [slow], limits: { connections: 3 } });
  const working = watch(await shell.connect());
  const begun = once(shell.listening.server, 'request');
  working.socket.write(get('/slow'));
  await begun;
  const others: Watched[] = [];
  for (let made = 0; made < 10; made += 1) others.push(watch(await shell.connect()));
  await eventually(() => others.filter((other) => other.isClosed()).length === 8);
  assert.equal(working.isClosed(), false);
  release();
  await eventually(() => working.received().endsWith('done'));
  for (const { socket } of [...others, working]) socket.destroy();
});

test('DO-07 nor does one that sent several requests at once, after the first answer', async () => {
  const released = Promise.withResolvers<void>();
  const slow: Middleware = async (ctx) => {
    if (ctx.path === '/slow') await released.promise;
    ctx.body = 'done';
  };
  await using shell = await startShell({ routes: [slow], limits: { connections: 3 } });
  const working = watch(await shell.connect());
  working.socket.write(get('/quick') + get('/slow'));
  await eventually(() => working.received().includes('done'));
  const others: Watched[] = [];
  for (let made = 0; made < 10; made += 1) others.push(watch(await shell.connect()));
  await eventually(() => others.filter((other) => other.isClosed()).length === 8);
  assert.equal(working.isClosed(), false);
  released.resolve();
  await eventually(() => working.received().split('done').length === 3);
});

test('DO-07 connections whose answers are not read give way to others', async () => {
  const large: Middleware = (ctx) => {
    ctx.body = ctx.path === '/large' ? Buffer.alloc(20_000_000) : 'done';
  };
  await using shell = await startShell({ routes: [large], limits: { connections: 3 } });
  const held = await Promise.all(Array.from({ length: 3 }, () => shell.connect()));
  let begun = 0;
  shell.listening.server.on('request', () => {
    begun += 1;
  });
  for (const socket of held)
    socket
      .on('error', () => {})
      .pause()
      .write(get('/large'));
  await eventually(() => begun === 3);
  assert.equal((await shell.ask('/other')).status, 200);
  for (const socket of held) socket.destroy();
});

test('a head that is too large gets 431', async () => {
  await using shell = await startShell();
  assert.match(
    await shell.raw(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`),
    / 431 /,
  );
  assert.match(await shell.raw(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`), / 431 /);
  assert.match(
    await shell.raw(
      `GET / HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Basic ${'A'.repeat(1_000_000)}\r\n\r\n`,
    ),
    / 431 |^$/,
  );
});

test('before the server is ready, requests are told to retry', async () => {
  const listening = await listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${listening.port}/oauth/token`;
  const early = await fetch(url, { method: 'POST', body: 'x' });
  assert.equal(early.status, 503);
  assert.equal(early.headers.get('retry-after'), '1');
  assert.equal(((await early.json()) as { error: string }).error, 'temporarily_unavailable');
  listening.serve((_request, response) => void response.end('here'));
  assert.equal(await (await fetch(url)).text(), 'here');
  await listening.stop(0);
});

test('a port in use, a foreign address and a forbidden port are one sentence each', async () => {
  const occupant = createServer();
  await new Promise<void>((resolve) => occupant.listen(0, '127.0.0.1', resolve));
  const { port } = occupant.address() as { port: number };
  const refusal = async (host: string, wanted: number): Promise<string> => {
    try {
      await (await listen({ host, port: wanted })).stop(0);
      return 'listened';
    } catch (error) {
      assert.ok(error instanceof CannotListen);
      return error.message;
    }
  };
  assert.equal(
    await refusal('127.0.0.1', port),
    `Cannot listen on 127.0.0.1, port ${port}: the port is in use.`,
  );
  assert.equal(
    await refusal('192.0.2.1', 0),
    'Cannot listen on 192.0.2.1, port 0: this machine has no such address.',
  );
  occupant.close();
});

test('E16 a graceful stop under load cuts no answer', async () => {
  let begun = 0;
  const work: Middleware = async (ctx) => {
    begun += 1;
    for (let turns = Math.random() * 50; turns > 0; turns -= 1) await new Promise(setImmediate);
    ctx.body = { done: true, padding: 'x'.repeat(5_000) };
  };
  const rounds = LONG ? 20 : 3;
  for (let round = 0; round < rounds; round += 1) {
    begun = 0;
    let whole = 0;
    const cut: string[] = [];
    const shell = await startShell({ routes: [work], limits: { farewell: 100 } });
    const agent = new Agent({ keepAlive: true, maxSockets: 20 });
    const askOnce = (): Promise<boolean> =>
      new Promise((resolve) => {
        const asked = request(
          { agent, host: '127.0.0.1', port: shell.port, path: '/work', headers: { Host: HOST } },
          (response) => {
            let text = '';
            response.on('data', (chunk) => {
              text += chunk;
            });
            response.on('error', (error) => {
              cut.push(error.message);
              resolve(false);
            });
            response.on('end', () => {
              if (text.endsWith('x"}')) whole += 1;
              else cut.push('short');
              resolve(true);
            });
          },
        );
        // Refused connections and reset ones that were never answered: the request was not begun, see the count.
        asked.on('error', () => resolve(false));
        asked.end();
      });
    const clients = Array.from({ length: 20 }, async () => {
      while (await askOnce());
    });
    await eventually(() => whole > 20);
    await shell.listening.stop(NEVER);
    await Promise.all(clients);
    agent.destroy();
    assert.deepEqual(cut, []);
    assert.ok(whole > 20, `${whole} answers`);
    assert.equal(whole, begun);
  }
});

test('E16 while stopping, /readyz turns first and connections end with their answer', async () => {
  let stopping = false;
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow: Middleware = async (ctx) => {
    await released;
    ctx.body = 'done';
  };
  const shell = await startShell({
    routes: [slow],
    health: { isStopping: () => stopping },
    limits: { farewell: 1_000 },
  });
  const [working, idle, late] = [
    watch(await shell.connect()),
    watch(await shell.connect()),
    watch(await shell.connect()),
  ];
  working.socket.write(get('/slow'));
  for (const { socket } of [idle, late]) socket.write(get('/healthz'));
  await eventually(() => idle.received().includes('"ok"') && late.received().includes('"ok"'));
  assert.match(idle.received(), /^Connection: keep-alive/im);

  stopping = true;
  const stopped = shell.listening.stop(NEVER);
  assert.equal(shell.listening.stop(NEVER), stopped, 'a second call waits for the first');
  // What is asked meanwhile on an open connection is answered, and told that this was the last.
  late.socket.write(get('/readyz'));
  await eventually(late.isClosed);
  const [, last = ''] = late.received().split(/(?=HTTP\/1\.1 )/);
  assert.match(last, /^HTTP\/1\.1 503 /);
  assert.match(last, /^Connection: close\r$/im);
  assert.match(last, /"the server is stopping"/);

  await eventually(idle.isClosed);
  await assert.rejects(shell.connect(), { code: 'ECONNREFUSED' });
  assert.equal(working.isClosed(), false);
  release();
  await stopped;
  await eventually(working.isClosed);
  assert.match(working.received(), /^HTTP\/1\.1 200 /);
  assert.match(working.received(), /^Connection: close\r$/im);
  assert.match(working.received(), /done$/);
});

test('E16 a request that does not finish in time is cut', async () => {
  const shell = await startShell({ routes: [() => new Promise(() => {})] });
  const stuck = watch(await shell.connect());
  const begun = once(shell.listening.server, 'request');
  stuck.socket.write(get('/stuck'));
  await begun;
  await shell.listening.stop(0.2);
  await eventually(stuck.isClosed);
  assert.equal(stuck.received(), '');
});

test('E16 a connection that says nothing does not hold up the stop', async () => {
  const shell = await startShell();
  const [silent, halting] = [watch(await shell.connect()), watch(await shell.connect())];
  halting.socket.write('GET / HT');
  await shell.ask('/healthz');
  await shell.listening.stop(NEVER);
  await eventually(() => silent.isClosed() && halting.isClosed());
});
