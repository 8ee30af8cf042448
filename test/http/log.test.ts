import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { createLogger, takeOverConsole } from '../../src/http/log.ts';
import { Refusal } from '../../src/http/refusal.ts';
import { startServer } from '../support/server.ts';
import { eventually, HOST, startShell } from './shell.ts';

function capture(level = 'info') {
  const lines: string[] = [];
  return { lines, log: createLogger({ level, destination: { write: (line: string) => lines.push(line) } }) };
}

/** Nothing that a terminal obeys or that ends a line, but for the end of this one. */
function isOneLine(line: string): boolean {
  const codes = [...line.slice(0, -1)].map((sign) => sign.codePointAt(0) as number);
  const isControl = (code: number) =>
    code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029;
  return line.endsWith('\n') && !codes.some(isControl);
}

const HOSTILE = 'ann\r\n{"level":"error","msg":"forged"}\u001b[2J\u009b31m\u2028\u0000"\\\u007f';

test('SE-04 any value makes a log entry of one line of printable text', () => {
  const { lines, log } = capture();
  log.info({ username: HOSTILE, nested: { [HOSTILE]: [HOSTILE] } }, HOSTILE);
  log.error({ err: Object.assign(new Error(HOSTILE), { detail: HOSTILE }) }, HOSTILE);
  assert.equal(lines.length, 2);
  for (const line of lines) {
    assert.ok(isOneLine(line), JSON.stringify(line));
    const { msg } = JSON.parse(line);
    assert.equal(msg, HOSTILE);
  }
  assert.equal(JSON.parse(lines[0] ?? '').username, HOSTILE);
});

test('SE-04 hostile paths and headers make one line with what was sent', async () => {
  await using shell = await startShell({ trustedProxies: ['127.0.0.1'] });
  await shell.raw(
    Buffer.from(
      `GET /x%1b31m${'y'.repeat(3_000)} HTTP/1.1\r\nHost: ${HOST}\r\nUser-Agent: a\x9b2Jb\r\n` +
        'X-Request-Id: a\x9b2J\r\nX-Forwarded-For: \x9b31m\r\nConnection: close\r\n\r\n',
      'latin1',
    ),
  );
  await shell.ask('/a%0d%0aforged');
  assert.equal(shell.lines.length, 2);
  for (const line of shell.lines) assert.ok(isOneLine(line), JSON.stringify(line));
  assert.equal(shell.log[0]?.path.length, 200);
  assert.equal(shell.log[0]?.address, '127.0.0.1');
});

test('SE-03 packets that the HTTP parser cannot read are not logged and are not errors', async () => {
  await using shell = await startShell({ level: 'debug' });
  await shell.raw(
    `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Basic c2VjcmV0\r\n` +
      'Content-Type: application/x-www-form-urlencoded\r\n' +
      'Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nno chunk\r\n\r\n',
  );
  await eventually(() => shell.lines.some((line) => line.includes('HPE_')));
  for (const line of shell.lines) {
    assert.equal(line.includes('"data":['), false, line);
    assert.notEqual(JSON.parse(line).level, 'error', line);
  }
});

test('a reason that quotes 63 KB of a request is cut to 200 characters', async () => {
  await using shell = await startShell({
    routes: [
      () => {
        throw new Refusal(400, 'no', { reason: '-git'.repeat(16_000) });
      },
    ],
  });
  await shell.ask('/oauth/token');
  assert.equal(shell.log[0]?.reason.length, 200);
});

test('ids of waiting logins and passwords in URLs are not logged', async () => {
  await using shell = await startShell({
    routes: [
      () => {
        throw new Refusal(400, 'no', { reason: 'resource "https://user:pass-word@api.example/"' });
      },
    ],
  });
  await shell.ask('/interaction/a-secret-id/login');
  await shell.ask('/oauth/authorize/a-secret-id');
  assert.deepEqual(
    shell.log.map(({ path }) => path),
    ['/interaction/…/login', '/oauth/authorize/…'],
  );
  assert.equal(shell.log[0]?.reason, 'resource "https://user:[redacted]@api.example/"');
});

test('a request leaves one line without its query', async () => {
  await using shell = await startShell({
    routes: [
      (ctx) => {
        ctx.state.clientId = 'shop';
        ctx.state.reason = 'because';
        ctx.status = 400;
        ctx.body = {};
      },
    ],
  });
  const { headers } = await shell.ask('/oauth/token?code=hidden', {
    headers: { Authorization: 'Basic hidden' },
  });
  assert.equal(shell.lines.length, 1);
  const { time, ms, ...line } = shell.log[0] ?? {};
  assert.deepEqual(line, {
    level: 'info',
    requestId: headers['x-request-id'],
    method: 'GET',
    path: '/oauth/token',
    status: 400,
    address: '127.0.0.1',
    clientId: 'shop',
    reason: 'because',
    msg: 'request',
  });
  assert.ok(ms >= 0 && Date.parse(time) > 0);
});

test('health checks are logged at debug level only', async () => {
  await using shell = await startShell();
  await shell.ask('/healthz');
  await shell.ask('/readyz');
  assert.equal(shell.lines.length, 0);
  await using talkative = await startShell({ level: 'debug' });
  await talkative.ask('/healthz');
  assert.equal(talkative.log[0]?.level, 'debug');
});

test('SE-03 secrets are taken out by the names of members, at any depth', () => {
  const { lines, log } = capture();
  const secret = 'S3CRET-VALUE';
  for (const name of [
    'authorization',
    'Authorization',
    'Proxy-Authorization',
    'cookie',
    'set-cookie',
    'password',
    'newPassword',
    'client_secret',
    'clientSecret',
    'token',
    'access_token',
    'refresh_token',
    'id_token',
    'idTokenHint',
    'code',
    'code_verifier',
    'client_assertion',
    'subject_token',
    'metricsToken',
    'masterKey',
    'sealed',
  ]) {
    log.info({ [name]: secret, a: { [name]: [secret] }, b: [{ c: { [name]: { d: secret } } }] });
    log.error({ err: Object.assign(new Error('x'), { [name]: secret }) });
  }
  assert.equal(lines.length, 42);
  assert.doesNotMatch(lines.join(''), /S3CRET/);
  assert.equal(JSON.parse(lines[0] ?? '').authorization, '[redacted]');
});

test('SE-03 a secret that an error quotes is removed from its text', () => {
  const { lines, log } = capture();
  const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
  const cause = new Error(`not valid: gat_${'a'.repeat(43)} and Basic c2hvcDpzM2NyZXQ=`);
  const ownSecrets = `gcs_${'c'.repeat(43)} whsec_${'dd+/'.repeat(11)}`;
  log.error({ err: new Error(`no row for grt_${'b'.repeat(43)} ${jwt} ${ownSecrets}`, { cause }) });
  log.error(new Error(`Bearer ${'c'.repeat(20)}`));
  assert.doesNotMatch(lines.join(''), /aaaa|bbbb|cccc|dd\+|eyJ|c2hvcD/);
  assert.match(lines.join(''), /no row for \[redacted\] \[redacted\]/);
});

test('harmless values stay readable: error codes, counts, permissions, cycles', () => {
  const { lines, log } = capture();
  const cycle: Record<string, unknown> = { name: 'x' };
  cycle.self = cycle;
  log.warn({
    err: Object.assign(new Error('gone'), { code: 'ECONNRESET' }),
    tokens: 3,
    token: undefined,
    password: true,
    permissions: { isAdmin: false },
    cycle,
    at: new Date(0),
  });
  const line = JSON.parse(lines[0] ?? '');
  assert.equal(line.level, 'warn');
  assert.equal(line.err.code, 'ECONNRESET');
  assert.equal(line.err.type, 'Error');
  assert.equal(line.tokens, 3);
  assert.equal(line.password, true);
  assert.equal(line.at, '1970-01-01T00:00:00.000Z');
  assert.deepEqual(line.permissions, { isAdmin: false });
});

test('SE-03 the log of the real server holds no secret of the requests that it served', async () => {
  const lines: string[] = [];
  const { createServer } = await import('../../src/server.ts');
  const { loadConfig } = await import('../../src/config/load.ts');
  await using folder = await startServer();
  const secret = folder.secretOf('machine');
  const { access_token: token } = (await folder.token('machine')).json;
  await folder.server.stop();
  const { port } = new URL(folder.issuer);
  const server = await createServer(
    loadConfig(
      { GRANTABLE_DATA_DIR: folder.dataDir, GRANTABLE_PORT: port, GRANTABLE_BCRYPT_COST: '4' },
      { cwd: folder.dataDir },
    ),
    { log: createLogger({ level: 'trace', destination: { write: (line: string) => lines.push(line) } }) },
  );
  try {
    await folder.token('machine');
    await folder.introspect(token);
    await folder.post('/oauth/token', 'machine', {
      grant_type: 'refresh_token',
      refresh_token: `grt_${token}`,
    });
    await folder.post('/oauth/token', 'machine', {
      grant_type: 'authorization_code',
      code: 'A-CODE-OF-MINE',
    });
    await folder.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: 'PASS-OF-MINE',
    });
    await fetch(`${folder.issuer}/oauth/userinfo?access_token=${token}`, {
      headers: { authorization: `Bearer ${token}`, cookie: 'session=COOKIE-OF-MINE' },
    });
  } finally {
    await server.stop();
  }
  assert.ok(lines.length >= 6);
  for (const value of [secret, token, token.slice(0, 40), 'OF-MINE']) {
    assert.ok(!lines.join('').includes(value), value.slice(0, 12));
  }
});

test('console output of libraries becomes lines of the log', () => {
  const { lines, log } = capture('debug');
  const before = console.warn;
  const giveBack = takeOverConsole(log);
  try {
    console.warn('oidc-provider WARNING: already parsed request body detected, having upstream');
    console.warn('\u001b[33;1moidc-provider WARNING: something\u001b[0m');
    console.error('broken', `gat_${'a'.repeat(43)}`);
    console.info('hello');
  } finally {
    giveBack();
  }
  assert.equal(console.warn, before);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).level),
    ['debug', 'warn', 'error', 'info'],
  );
  assert.doesNotMatch(lines.join(''), /aaaa/);
  assert.ok(lines.every(isOneLine));
});

/** A process that logs to its standard output and then runs `end`. */
async function linesOf(end: string, until: (output: string) => boolean): Promise<string[]> {
  const script = `
    const { createLogger } = await import(${JSON.stringify(new URL('../../src/http/log.ts', import.meta.url).href)});
    const log = createLogger({ level: 'info' });
    log.info('first');
    log.info('last');
    ${end}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) {
    output += chunk;
    if (until(output)) child.kill('SIGKILL');
  }
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).msg);
}

test('lines that wait for company are written soon, and when the process ends', async () => {
  assert.deepEqual(await linesOf('process.exit(0)', () => false), ['first', 'last']);
  assert.deepEqual(
    await linesOf('setTimeout(() => process.abort(), 5_000)', (output) => output.includes('last')),
    ['first', 'last'],
  );
  // A crash right after a warning leaves it behind.
  assert.deepEqual(await linesOf("log.warn('careful'); process.abort()", () => false), [
    'first',
    'last',
    'careful',
  ]);
});
