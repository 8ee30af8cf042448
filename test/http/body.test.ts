import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readBody } from '../../src/http/body.ts';
import { startServer } from '../support/server.ts';
import { hostileForms } from './hostile-forms.ts';
import { eventually, HOST, startShell } from './shell.ts';

const FORM = 'application/x-www-form-urlencoded';
const LIMIT = 56 * 1024;

/** Says what the engine would find. */
async function startReader() {
  let served = 0;
  const shell = await startShell({
    // A client that is slow to send the rest still reads the answer.
    limits: { lateBody: 30_000 },
    routes: [
      async (ctx) => {
        served += 1;
        if (ctx.path === '/read') ctx.body = { read: await readBody(ctx, 100) };
        else ctx.body = { handed: (ctx.req as any).body ?? null, form: ctx.state.form ?? null };
      },
    ],
  });
  const post = (body: string | Buffer, headers: Record<string, string> = {}, path = '/oauth/token') =>
    shell.ask(path, { method: 'POST', headers: { 'Content-Type': FORM, ...headers }, body });
  return { shell, post, served: () => served };
}

test('a form is handed on as text and can be read as fields', async () => {
  const { shell, post } = await startReader();
  await using _ = shell;
  const { json } = await post('a=1&b=%C3%A4&b=+2&__proto__=x&toString=y');
  assert.equal(json.handed, 'a=1&b=%C3%A4&b=+2&__proto__=x&toString=y');
  assert.deepEqual(json.form, JSON.parse('{"a":"1","b":["ä"," 2"],"__proto__":"x","toString":"y"}'));

  await using prototype = await startShell({
    routes: [
      (ctx) => {
        const form = ctx.state.form;
        ctx.body = { hasNone: form !== undefined && Object.getPrototypeOf(form) === null };
      },
    ],
  });
  const init = { method: 'POST', headers: { 'Content-Type': FORM }, body: 'a=1' };
  assert.deepEqual((await prototype.ask('/', init)).json, { hasNone: true });
});

test('an empty form, a chunked one and one in many pieces are read whole', async () => {
  const { shell, post } = await startReader();
  await using _ = shell;
  assert.equal((await post('')).json.handed, '');
  const chunked = await shell.raw(
    `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM}\r\nTransfer-Encoding: chunked\r\n` +
      'Connection: close\r\n\r\n2\r\na=\r\n3\r\n%C3\r\n3\r\n%A4\r\n0\r\n\r\n',
  );
  assert.match(chunked, /"handed":"a=%C3%A4"/);
  const exact = `a=${'x'.repeat(LIMIT - 2)}`;
  assert.equal((await post(exact)).json.handed, exact);
});

test('TE-02 JSON is left unread, so that the engine refuses it', async () => {
  const { shell, post } = await startReader();
  await using _ = shell;
  const json = JSON.stringify({ grant_type: 'client_credentials' });
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
    const reply = await post(json, { 'Content-Type': type });
    assert.equal(reply.json.handed, null, type);
    assert.equal(reply.json.form, null, type);
  }
  await using server = await startServer();
  const response = await fetch(`${server.issuer}/oauth/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${btoa(`machine:${server.secretOf('machine')}`)}`,
    },
    body: json,
  });
  assert.equal(response.status, 400);
  assert.equal(((await response.json()) as any).error, 'invalid_request');
});

test('DO-06 a body above the limit gets 413 at once, whether it says its length or not', async (t) => {
  const { shell, post, served } = await startReader();
  await using _ = shell;
  await t.test('with a Content-Length, before any of it was sent', async () => {
    const socket = await shell.connect();
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.write(
      `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM}\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`,
    );
    await eventually(() => answer.includes('\r\n\r\n{'));
    assert.match(answer, /^HTTP\/1\.1 413 /);
    assert.match(
      answer,
      /"error":"invalid_request","error_description":"The body is larger than 57344 bytes."/,
    );
    socket.destroy();
  });
  await t.test('without a length', async () => {
    const socket = await shell.connect();
    socket.on('error', () => {});
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.write(
      `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const chunk = `4000\r\n${'a'.repeat(0x4000)}\r\n`;
    for (let sent = 0; sent < 4; sent += 1) socket.write(chunk);
    await eventually(() => answer.includes('\r\n\r\n{'));
    assert.match(answer, /^HTTP\/1\.1 413 /);
    socket.destroy();
  });
  await t.test('a client that sends it all reads the answer, and may go on', async () => {
    const { status } = await post('a'.repeat(3_000_000));
    assert.equal(status, 413);
    const both = await shell.raw(
      `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM}\r\nContent-Length: 60000\r\n\r\n${'a'.repeat(60_000)}` +
        `GET /next HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`,
    );
    assert.deepEqual(both.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 413', 'HTTP/1.1 200']);
  });
  assert.equal(served(), 1);
});

test('DO-06 a body that does not end after its refusal ends the connection', async () => {
  await using shell = await startShell({ limits: { lateBody: 60 } });
  for (const path of ['/oauth/token', '/nowhere']) {
    const socket = await shell.connect();
    socket.on('error', () => {});
    socket.resume();
    let isClosed = false;
    socket.once('close', () => {
      isClosed = true;
    });
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${path === '/nowhere' ? 'text/plain' : FORM}\r\n` +
        'Content-Length: 9999999999\r\n\r\n',
    );
    const drip = setInterval(() => socket.write('a'.repeat(1_000)), 5);
    try {
      await eventually(() => isClosed);
    } finally {
      clearInterval(drip);
    }
  }
});

test('DO-06 a form of more fields than the parser reads is refused, not cut', async () => {
  const { shell, post } = await startReader();
  await using _ = shell;
  const fields = (count: number): string => Array.from({ length: count }, (_n, at) => `f${at}=`).join('&');
  assert.equal(Object.keys((await post(fields(1_000))).json.form).length, 1_000);
  const refused = await post(`${fields(1_000)}&grant_type=x`);
  assert.equal(refused.status, 400);
  assert.equal(refused.json.error_description, 'The form has more than 1000 fields.');
  assert.equal((await post('&'.repeat(50_000))).status, 400);
});

test('DO-06 hostile forms of the largest size are read', async () => {
  const { shell, post } = await startReader();
  await using _ = shell;
  for (const body of hostileForms(LIMIT)) {
    assert.equal((await post(body)).status, 200, body.slice(0, 10));
  }
});

test('DO-06 compressed bodies and other bytes than UTF-8 are refused, not guessed', async (t) => {
  const { shell, post, served } = await startReader();
  await using _ = shell;
  const bomb = gzipSync('a'.repeat(10_000_000));
  const refused: readonly (readonly [string, string | Buffer, Record<string, string>, number])[] = [
    ['gzip', bomb, { 'Content-Encoding': 'gzip' }, 415],
    ['an unknown encoding', 'a=1', { 'Content-Encoding': 'x, gzip' }, 415],
    ['UTF-16', Buffer.from('a=1', 'utf16le'), { 'Content-Type': `${FORM}; charset=utf-16` }, 400],
    ['Latin-1', Buffer.from('a=é', 'latin1'), { 'Content-Type': `${FORM}; charset=iso-8859-1` }, 400],
    ['broken UTF-8', Buffer.from([0x61, 0x3d, 0xc3, 0x28]), {}, 400],
    ['a NUL', Buffer.from('a=1\0b=2'), {}, 400],
  ];
  for (const [what, body, headers, status] of refused) {
    await t.test(what, async () => {
      const reply = await post(body, headers);
      assert.equal(reply.status, status);
      assert.equal(reply.json.error, 'invalid_request');
      if (what === 'gzip') assert.equal(reply.headers['accept-encoding'], 'identity');
    });
  }
  assert.equal(served(), 0);
  const charsets = ['UTF-8', '"utf8"', 'us-ascii', 'ISO-8859-1', 'windows-1252', 'utf-16', ''];
  for (const charset of charsets) {
    const type = `${FORM}; charset=${charset}`;
    assert.equal((await post('a=1', { 'Content-Type': type })).json.handed, 'a=1', type);
  }
  assert.equal((await post('a=1', { 'Content-Encoding': 'identity' })).json.handed, 'a=1');
});

test('a length that contradicts the body does not start a second request', async (t) => {
  const { shell, served } = await startReader();
  await using _ = shell;
  const messages: readonly (readonly [string, string])[] = [
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 30\r\n\r\na=1'],
    [
      'length and chunks',
      'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n',
    ],
    ['chunks under another name', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['a negative length', 'Content-Length: -1\r\n\r\n'],
  ];
  for (const [what, rest] of messages) {
    await t.test(what, async () => {
      const answer = await shell.raw(`POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM}\r\n${rest}`);
      assert.match(answer, /^HTTP\/1\.1 400 /);
      assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
    });
  }
  assert.equal(served(), 0);
});

test('a client that goes away in the middle leaves one line in the log and no error', async () => {
  const { shell, served } = await startReader();
  await using _ = shell;
  const socket = await shell.connect();
  const begun = once(shell.listening.server, 'request');
  socket.write(
    `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM}\r\nContent-Length: 30\r\n\r\na=1`,
  );
  await begun;
  socket.destroy();
  await eventually(() => shell.log.length > 0);
  assert.equal(served(), 0);
  assert.equal(shell.log.length, 1);
  assert.equal(shell.log[0]?.level, 'info');
  assert.equal(shell.log[0]?.reason, 'the client went away');
});

test('the server sends 100 Continue only when a handler reads the body', async () => {
  const { shell } = await startReader();
  await using _ = shell;
  const ask = async (length: number, type: string): Promise<string> => {
    const socket = await shell.connect();
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.write(
      `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`,
    );
    await eventually(() => answer.includes('\r\n\r\n'));
    if (answer.startsWith('HTTP/1.1 100 ')) {
      socket.write('a'.repeat(length));
      await eventually(() => answer.includes('\r\n\r\n{'));
    }
    socket.destroy();
    return answer;
  };
  assert.match(await ask(3, FORM), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  assert.match(await ask(LIMIT + 1, FORM), /^HTTP\/1\.1 413 /);
  assert.match(await ask(3, 'text/plain'), /^HTTP\/1\.1 200 /);
});

test('a handler can read a body with a limit of its own', async () => {
  const { shell, post } = await startReader();
  await using _ = shell;
  const json = { 'Content-Type': 'application/json' };
  assert.equal((await post('{"a":1}', json, '/read')).json.read, '{"a":1}');
  const refused = await post('x'.repeat(101), json, '/read');
  assert.equal(refused.status, 413);
  assert.equal(refused.json.error_description, 'The body is larger than 100 bytes.');
  assert.equal((await post('a=1', {}, '/read')).status, 500, 'a form has been read by then');
});
