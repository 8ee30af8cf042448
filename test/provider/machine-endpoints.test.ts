/** What programs are answered, whichever headers their libraries send by default. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { basic, startServer, type TestServer } from '../support/server.ts';

/** What Java's HttpURLConnection sends unless its caller says otherwise. */
const JAVA = { accept: 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', 'user-agent': 'Java/17.0.9' };
const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('programs that send the Accept header of Java', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server[Symbol.asyncDispose]());

  const ask = (path: string, method = 'GET', body?: URLSearchParams | string, headers = {}) =>
    fetch(server.issuer + path, {
      method,
      headers: { ...JAVA, ...headers },
      redirect: 'manual',
      ...(body !== undefined && { body }),
    });
  const form = (fields: Record<string, string>) => new URLSearchParams(fields);
  const wrongSecret = { authorization: basic('machine', 'wrong') };

  const failures: readonly (readonly [string, number, () => Promise<Response>])[] = [
    ['token: no client', 401, () => ask('/oauth/token', 'POST', form({ grant_type: 'client_credentials' }))],
    ['token: a wrong secret', 401, () => ask('/oauth/token', 'POST', form({ grant_type: 'x' }), wrongSecret)],
    [
      'token: an unknown client',
      401,
      () => ask('/oauth/token', 'POST', form({ client_id: 'x', client_secret: 'y', grant_type: 'z' })),
    ],
    ['token: JSON', 400, () => ask('/oauth/token', 'POST', '{}', { 'content-type': 'application/json' })],
    ['token: too large', 413, () => ask('/oauth/token', 'POST', form({ a: 'x'.repeat(60_000) }))],
    [
      'token: compressed',
      415,
      () => ask('/oauth/token', 'POST', form({ a: 'b' }), { 'content-encoding': 'gzip' }),
    ],
    ['token: GET', 405, () => ask('/oauth/token')],
    [
      'introspect: a wrong secret',
      401,
      () => ask('/oauth/introspect', 'POST', form({ token: 'x' }), wrongSecret),
    ],
    ['revoke: a wrong secret', 401, () => ask('/oauth/revoke', 'POST', form({ token: 'x' }), wrongSecret)],
    ['userinfo: no token', 401, () => ask('/oauth/userinfo')],
    [
      'userinfo: a bad token',
      401,
      () => ask('/oauth/userinfo', 'GET', undefined, { authorization: 'Bearer x' }),
    ],
    ['revocations: a wrong secret', 401, () => ask('/oauth/revocations', 'GET', undefined, wrongSecret)],
    ['revocations: PUT', 405, () => ask('/oauth/revocations', 'PUT')],
    ['revocations: an unknown parameter', 400, () => ask('/oauth/revocations?x=1')],
    ['an unknown path below /oauth', 404, () => ask('/oauth/nothing')],
    ['a slash too many', 404, () => ask('/oauth/token/', 'POST')],
    ['authorize: DELETE', 405, () => ask('/oauth/authorize', 'DELETE')],
    ['logout: too large', 413, () => ask('/oauth/logout/confirm', 'POST', form({ a: 'x'.repeat(60_000) }))],
    ['keys: POST', 405, () => ask('/oauth/jwks', 'POST')],
    ['an unknown document', 404, () => ask('/.well-known/nothing')],
    ['a switched off face', 404, () => ask('/api/auth/subscribe', 'POST', '{}')],
  ];
  for (const [name, status, send] of failures) {
    test(`read JSON where they fail: ${name}`, async () => {
      const answer = await send();
      assert.equal(answer.status, status);
      assert.match(String(answer.headers.get('content-type')), /^application\/json\b/);
      assert.equal(typeof ((await answer.json()) as { error: unknown }).error, 'string');
    });
  }

  test('a browser that was led to a bad login still gets a page', async () => {
    for (const path of ['/oauth/authorize?client_id=nobody', '/oauth/logout?id_token_hint=x', '/nothing']) {
      const answer = await ask(path, 'GET', undefined, BROWSER);
      assert.match(String(answer.headers.get('content-type')), /^text\/html/, path);
    }
  });

  test('a revocation is answered with JSON, also of an unknown token', async () => {
    const { access_token: token } = (await server.token('machine')).json;
    const authorization = basic('machine', server.secretOf('machine'));
    for (const value of [token, token, 'unknown']) {
      const answer = await ask('/oauth/revoke', 'POST', form({ token: value }), { authorization });
      assert.equal(answer.status, 200);
      assert.match(String(answer.headers.get('content-type')), /^application\/json\b/);
      assert.deepEqual(await answer.json(), {});
    }
    assert.deepEqual(await server.introspect(token), { active: false });
  });
});
