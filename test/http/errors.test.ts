import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Middleware } from 'koa';
import { errors } from 'oidc-provider';
import {
  GrantNotAllowed,
  MalformedRequest,
  PermissionsNotAllowed,
  ProofRejected,
  ScopeNotAllowed,
  TooManyAttempts,
  Unavailable,
  UnknownResource,
} from '../../src/errors/domain.ts';
import { Refusal } from '../../src/http/refusal.ts';
import { StoreUnavailable } from '../../src/storage/contract.ts';
import { type Shell, startShell } from './shell.ts';

const INSIDE = 'select * from users at /srv/grantable/src/x.ts on db.internal via node:sqlite';
const LEAK = /select|\/srv|db\.internal|sqlite|\bat .*:\d+:\d+|node_modules|oidc-provider|koa/i;

function throwing(error: unknown): Middleware {
  return () => {
    throw error;
  };
}

/** As `ctx.throw` makes them. */
function exposed(status: number): Error {
  return Object.assign(new Error(INSIDE), { status, statusCode: status, expose: true });
}

async function answerTo(error: unknown, headers = {}) {
  await using shell = await startShell({ routes: [throwing(error)] });
  return { ...(await shell.ask('/x', { headers })), line: (shell as Shell).log.at(-1) ?? {} };
}

test('each error of ours has its status, code and text', async (t) => {
  const reason = INSIDE;
  const cases: readonly (readonly [Error, number, string, string])[] = [
    [new MalformedRequest({ description: 'no a', reason }), 400, 'invalid_request', 'no a'],
    [new ProofRejected({ reason }), 400, 'invalid_grant', 'The password, code or token is not valid.'],
    [new GrantNotAllowed({ description: 'no b', reason }), 400, 'unauthorized_client', 'no b'],
    [new ScopeNotAllowed({ description: 'no c', reason }), 400, 'invalid_scope', 'no c'],
    [
      new PermissionsNotAllowed({ description: 'no d', reason }),
      400,
      'invalid_authorization_details',
      'no d',
    ],
    [new UnknownResource({ description: 'no e', reason }), 400, 'invalid_target', 'no e'],
    [new TooManyAttempts(7, { reason }), 429, 'invalid_request', 'Too many attempts. Try again later.'],
    [
      new Unavailable(0.2, { reason }),
      503,
      'temporarily_unavailable',
      'The server cannot do this yet. Try again later.',
    ],
    [new StoreUnavailable(INSIDE), 503, 'temporarily_unavailable', 'The store is away. Try again later.'],
    [
      new Error(INSIDE, { cause: new StoreUnavailable(INSIDE) }),
      503,
      'temporarily_unavailable',
      'The store is away. Try again later.',
    ],
    [new Refusal(403, 'not yours', { error: 'access_denied', reason }), 403, 'access_denied', 'not yours'],
    [exposed(409), 409, 'invalid_request', 'The server refused the request: Conflict.'],
    [
      new errors.InvalidRequest(INSIDE),
      400,
      'invalid_request',
      'The server refused the request: Bad Request.',
    ],
    [new URIError(INSIDE), 400, 'invalid_request', 'The path is not encoded properly.'],
  ];
  for (const [error, status, code, description] of cases) {
    await t.test(`${error.constructor.name} is ${status} ${code}`, async () => {
      const { json, line, ...reply } = await answerTo(error);
      assert.equal(reply.status, status);
      assert.equal(json.error, code);
      assert.equal(json.error_description, description);
      assert.doesNotMatch(reply.text + JSON.stringify(reply.headers), LEAK);
      assert.equal('request_id' in json, status >= 500);
      assert.equal(line.status, status);
      assert.equal(line.requestId, reply.headers['x-request-id']);
      assert.ok(line.reason, 'the log says why');
    });
  }
  assert.equal((await answerTo(new TooManyAttempts(7))).headers['retry-after'], '7');
  assert.equal((await answerTo(new Unavailable(0.2))).headers['retry-after'], '1');
  assert.equal((await answerTo(new StoreUnavailable('away'))).headers['retry-after'], '2');
});

test('TE-12 an unforeseen error is a 500 that only the log explains', async (t) => {
  const unforeseen: readonly (readonly [string, unknown])[] = [
    ['an Error', new Error(INSIDE)],
    ['a TypeError', new TypeError(INSIDE)],
    ['an error with a foreign status', Object.assign(new Error(INSIDE), { status: 200, expose: true })],
    ['an error that is not meant for the client', Object.assign(new Error(INSIDE), { status: 404 })],
    ['an exposed 500', exposed(500)],
    ['a string', INSIDE],
    ['an object', { message: INSIDE, expose: true, status: 400 }],
    ['undefined', undefined],
    ['null', null],
  ];
  for (const [what, error] of unforeseen) {
    await t.test(what, async () => {
      const { status, json, text, headers, line } = await answerTo(error);
      assert.equal(status, 500);
      assert.deepEqual(Object.keys(json), ['error', 'error_description', 'request_id']);
      assert.equal(json.error, 'server_error');
      assert.equal(json.request_id, headers['x-request-id']);
      assert.doesNotMatch(text + JSON.stringify(headers), LEAK);
      assert.equal(line.level, 'error');
      assert.equal(line.requestId, json.request_id);
      assert.ok(line.err);
      if (error instanceof Error) assert.match(line.err.stack, /errors\.test\.ts/);
    });
  }
});

test('TE-12 people get a page, without the inside and without markup of others', async () => {
  const asBrowser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const broken = await answerTo(new Error(INSIDE), asBrowser);
  assert.equal(broken.status, 500);
  assert.match(String(broken.headers['content-type']), /^text\/html/);
  assert.match(broken.text, new RegExp(`<code>${broken.headers['x-request-id']}</code>`));
  assert.doesNotMatch(broken.text, LEAK);

  const refused = await answerTo(
    new MalformedRequest({ description: '<script>alert(1)</script>' }),
    asBrowser,
  );
  assert.equal(refused.status, 400);
  assert.match(refused.text, /&lt;script&gt;/);
  assert.doesNotMatch(refused.text, /<script|X-Request-Id|Request:/);
  assert.equal(refused.headers.vary, 'Accept');
});

test('an error takes back what was said of the answer that is not sent', async () => {
  await using shell = await startShell({
    routes: [
      (ctx) => {
        ctx.body = Buffer.from('half');
        ctx.set({
          'Content-Encoding': 'gzip',
          ETag: '"x"',
          'Cache-Control': 'public',
          'Content-Length': '4',
        });
        throw new MalformedRequest({ description: 'no' });
      },
    ],
  });
  const { status, headers, json } = await shell.ask('/x');
  assert.equal(status, 400);
  assert.equal(json.error_description, 'no');
  for (const name of ['content-encoding', 'etag']) assert.equal(headers[name], undefined, name);
  assert.equal(headers['cache-control'], 'no-store');
});

test('an engine’s own error answer stays, but its 500 is answered anew', async () => {
  const failure =
    (status: number, error: unknown): Middleware =>
    (ctx) => {
      ctx.state.failure = error;
      ctx.status = status;
      ctx.body = { error: 'server_error', error_description: 'oops! something went wrong' };
    };
  await using broken = await startShell({ routes: [failure(500, new Error(INSIDE))] });
  const answer = await broken.ask('/oauth/token', { method: 'POST' });
  assert.equal(answer.status, 500);
  assert.equal(answer.json.error_description, 'Something went wrong. Search the log for the request id.');
  assert.equal(answer.json.request_id, answer.headers['x-request-id']);
  assert.match(broken.log.at(-1)?.err.message, /select/);

  await using refused = await startShell({ routes: [failure(400, new errors.InvalidGrant('x'))] });
  assert.equal((await refused.ask('/x')).json.error_description, 'oops! something went wrong');
  assert.equal(refused.log.at(-1)?.err, undefined);

  await using away = await startShell({ routes: [failure(503, new StoreUnavailable('x'))] });
  const unavailable = await away.ask('/x');
  assert.equal(unavailable.json.request_id, unavailable.headers['x-request-id']);
  assert.equal(away.log.at(-1)?.level, 'warn');
});

test('an unforeseen error that became a redirect is in the log all the same', async () => {
  await using shell = await startShell({
    routes: [
      (ctx) => {
        ctx.state.failure = new Error(INSIDE);
        ctx.redirect('https://app.acme.example/callback?error=server_error');
      },
    ],
  });
  assert.equal((await shell.ask('/x')).status, 302);
  assert.equal(shell.log.at(-1)?.level, 'error');
  assert.match(shell.log.at(-1)?.err.message, /select/);
});

test('unknown paths are 404, wrong methods 405 with what is allowed', async () => {
  await using shell = await startShell();
  const missing = await shell.ask('/nowhere');
  assert.equal(missing.status, 404);
  assert.deepEqual(missing.json, { error: 'not_found', error_description: 'There is nothing at this path.' });
  const page = await shell.ask('/nowhere', { headers: { Accept: 'text/html' } });
  assert.equal(page.status, 404);
  assert.match(page.text, /^<!doctype html>/);
  for (const [method, path, allow] of [
    ['GET', '/oauth/token', 'POST, OPTIONS'],
    ['PUT', '/oauth/introspect', 'POST, OPTIONS'],
    ['DELETE', '/oauth/userinfo', 'GET, POST, OPTIONS'],
    ['PUT', '/oauth/authorize', 'GET, POST'],
  ] as const) {
    const { status, headers } = await shell.ask(path, { method });
    assert.equal(status, 405, path);
    assert.equal(headers.allow, allow, path);
  }
});

test('TE-01 credentials in the query of the token endpoint are refused', async () => {
  const { startServer } = await import('../support/server.ts');
  await using server = await startServer();
  const secret = server.secretOf('machine');
  const response = await fetch(
    `${server.issuer}/oauth/token?grant_type=client_credentials&client_id=machine&client_secret=${secret}`,
  );
  assert.equal(response.status, 405);
  const posted = await fetch(`${server.issuer}/oauth/token?client_id=machine&client_secret=${secret}`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  assert.equal(posted.status, 401);
  assert.doesNotMatch((await posted.text()) + (await response.text()), new RegExp(secret));
});

test('request targets that no browser sends do not break anything', async (t) => {
  await using shell = await startShell();
  for (const target of [
    '//evil.example/x',
    '/%',
    '/%00',
    '/\x80\xff',
    '/..%2f..%2fetc/passwd',
    '/a\\b',
    '/?%',
    '/#x',
  ]) {
    await t.test(JSON.stringify(target), async () => {
      const answer = await shell.raw(
        Buffer.from(`GET ${target} HTTP/1.1\r\nHost: id.acme.example\r\nConnection: close\r\n\r\n`, 'latin1'),
      );
      assert.match(answer, /^HTTP\/1\.1 (?:400|404) /);
    });
  }
  assert.ok(shell.log.every(({ level }) => level === 'info'));
});
