import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Middleware } from 'koa';
import { StoreUnavailable } from '../../src/storage/contract.ts';
import { startServer } from '../support/server.ts';
import { eventually, startShell } from './shell.ts';

const PATH = '/.well-known/openid-configuration';

/** As the engine does it: made anew for each request, with the origin echoed. */
function engine(): { route: Middleware; made: () => number; next: (body: unknown) => void } {
  let made = 0;
  let body: unknown = { keys: [1] };
  return {
    route: (ctx, next) => {
      if (ctx.path !== PATH || ctx.method !== 'GET') return next();
      made += 1;
      ctx.vary('Origin');
      ctx.set('Access-Control-Allow-Origin', ctx.get('Origin') || '*');
      ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate');
      ctx.body = body;
      ctx.type = 'application/jwk-set+json';
    },
    made: () => made,
    next: (changed) => {
      body = changed;
    },
  };
}

test('HD-02 no request can poison the documents that all others get', async () => {
  const { route, made } = engine();
  await using shell = await startShell({ routes: [route], documents: { paths: [PATH] } });
  const replies = [
    await shell.ask(PATH, {
      headers: { Origin: 'https://evil.example', 'X-Forwarded-Host': 'evil.example', 'User-Agent': 'evil' },
    }),
    await shell.ask(`${PATH}?evil=1`),
    await shell.ask(PATH, { headers: { Origin: 'null' } }),
    await shell.ask(PATH),
  ];
  assert.equal(made(), 1);
  for (const { status, headers, text } of replies) {
    assert.equal(status, 200);
    assert.equal(text, '{"keys":[1]}');
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers['access-control-expose-headers'], undefined);
    assert.equal(headers.vary, undefined);
    assert.equal(headers['cache-control'], 'public, max-age=300');
    assert.equal(headers['content-type'], 'application/jwk-set+json');
    assert.match(String(headers.etag), /^"[\w-]{22}"$/);
    assert.doesNotMatch(JSON.stringify(headers), /evil/);
  }
  const foreign = await shell.ask(PATH, { headers: { Host: 'evil.example' } });
  assert.equal(foreign.status, 421);
  assert.equal(foreign.headers['cache-control'], 'no-store');
});

test('HD-02 a document is made anew when its version changes', async () => {
  let version = 1;
  const { route, made, next } = engine();
  let pause: Promise<void> | undefined;
  const slow: Middleware = async (ctx, go) => {
    await go();
    await pause;
    return void ctx;
  };
  await using shell = await startShell({
    routes: [slow, route],
    documents: { paths: [PATH], version: async () => String(version) },
  });
  let release = (): void => {};
  pause = new Promise((resolve) => {
    release = resolve;
  });
  const outdated = shell.ask(PATH);
  await eventually(() => made() > 0);
  next({ keys: [2] });
  version = 2;
  release();
  pause = undefined;
  assert.deepEqual((await outdated).json, { keys: [1] });
  const first = await shell.ask(PATH);
  assert.deepEqual(first.json, { keys: [2] });
  const unchanged = await shell.ask(PATH, { headers: { 'If-None-Match': String(first.headers.etag) } });
  assert.equal(unchanged.status, 304);
  assert.equal(unchanged.headers.etag, first.headers.etag);
  assert.equal(unchanged.headers['cache-control'], 'public, max-age=300');
  assert.equal(made(), 2);
});

test('HEAD is answered like GET, other methods are left to others', async () => {
  const { route } = engine();
  await using shell = await startShell({ routes: [route], documents: { paths: [PATH] } });
  const head = await shell.ask(PATH, { method: 'HEAD' });
  const get = await shell.ask(PATH);
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  for (const name of ['content-length', 'content-type', 'etag', 'cache-control']) {
    assert.equal(head.headers[name], get.headers[name], name);
  }
  const post = await shell.ask(PATH, { method: 'POST' });
  assert.equal(post.status, 405);
  assert.equal(post.headers.allow, 'GET, HEAD, OPTIONS');
});

test('failures are not kept, and the last document outlives a store that is away', async () => {
  let isAway = true;
  const { route } = engine();
  await using shell = await startShell({
    routes: [route],
    documents: {
      paths: [PATH],
      version: async () => {
        if (isAway) throw new StoreUnavailable('no answer');
        return '1';
      },
    },
  });
  const refused = await shell.ask(PATH);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers['cache-control'], 'no-store');
  isAway = false;
  assert.equal((await shell.ask(PATH)).status, 200);
  isAway = true;
  assert.equal((await shell.ask(PATH)).status, 200);
});

test('HD-02 the real metadata and keys are the same for every origin', async () => {
  await using server = await startServer();
  for (const path of [PATH, '/.well-known/oauth-authorization-server', '/oauth/jwks']) {
    const answers = [];
    for (const origin of ['https://evil.example', 'https://app.acme.example', undefined]) {
      const response = await fetch(server.issuer + path, { headers: origin ? { origin } : {} });
      const { status, headers } = response;
      answers.push({
        status,
        etag: headers.get('etag'),
        vary: headers.get('vary'),
        cors: headers.get('access-control-allow-origin'),
        cache: headers.get('cache-control'),
        text: await response.text(),
      });
    }
    assert.deepEqual(answers[1], answers[0], path);
    assert.deepEqual(answers[2], answers[0], path);
    assert.equal(answers[0]?.vary, null);
    assert.equal(answers[0]?.cors, '*');
    assert.equal(answers[0]?.cache, 'public, max-age=300');
  }
});
