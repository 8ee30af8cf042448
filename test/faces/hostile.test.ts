import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from '../support/properties.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const PATHS = ['/api/database/connection', '/api/auth/subscribe', '/api/auth/version', '/api/auth/logout'];
const RUNS = process.env.GRANTABLE_TEST_LONG ? 1_000 : 150;

/** As clients of the other older APIs send them. */
const OTHERS: readonly object[] = [
  { login: 'ann', password: PASSWORD },
  { userId: 1, actions: ['*'], networkIds: ['*'], deviceTypeIds: ['*'] },
  { refreshToken: 'x' },
  { authTokenType: 'AM', authTokenInfo: [{ u: 'ann', p: PASSWORD }] },
  { AM: { u: 'ann', p: PASSWORD } },
  { AM_DB: { u: 'ann', p: PASSWORD, instance: 'i', database: 'd', collection: 'c' } },
  { grant_type: 'password', username: 'ann', password: PASSWORD },
  { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'x', ttl: 0 },
  { username: 'ann', password: PASSWORD, scopes: ['authorization'] },
];

describe('LG-01 unknown fields are refused as strictly as at the token endpoint', () => {
  let server: TestServer;
  let token: string;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        fixture.organizations[0].applications.push({
          name: 'sites',
          clientId: 'sites',
          clientSecret: 'secret-of-sites-'.padEnd(40, 'x'),
          grants: ['password', 'token_exchange'],
          permissions: { isAdmin: true },
        });
        fixture.organizations[0].faces = { sunbreak: { application: 'sites', registration: true } };
      },
      env: { GRANTABLE_ADDRESS_LIMIT: '999999/1s' },
    });
    const answer = await send('/api/database/connection', {
      data: [{ email: 'ada@shop.example', password: PASSWORD }],
      context: { domain: 'shop.example', isNewUser: true },
    });
    token = String(answer.json.accessToken);
    assert.match(token, /^gct_/, JSON.stringify(answer));
  });
  after(() => server[Symbol.asyncDispose]());

  async function send(path: string, body: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(server.issuer + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) as Record<string, unknown> };
  }
  const countRows = async (): Promise<number> => {
    let rows = 0;
    for await (const { kind } of server.server.foundations.storage.dump.export()) {
      if (['tokens', 'users', 'resources', 'connections', 'logins'].includes(kind)) rows += 1;
    }
    return rows;
  };

  test('a bad body of the other faces is refused, and nothing is written', async () => {
    const before = await countRows();
    for (const path of ['/api/database/connection', '/api/auth/subscribe', '/api/auth/logout']) {
      for (const body of OTHERS) {
        const { status, json } = await send(path, body, { authorization: `Bearer ${token}` });
        assert.equal(status, 400, `${path} ${JSON.stringify(body)}`);
        assert.deepEqual(Object.keys(json), ['message']);
      }
    }
    assert.equal(await countRows(), before);
  });

  test('a bad body gets a message, whatever its content type', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Bearer ${token}` };
    const subscription = (padding: string) =>
      JSON.stringify({ data: [{ permissions: { isAdmin: true, tables: {} } }], padding });
    assert.equal(
      (await send('/api/auth/subscribe', subscription(''), form)).status,
      200,
      'JSON that says to be a form',
    );
    assert.equal((await send('/api/auth/subscribe', subscription('x'.repeat(100_000)), form)).status, 200);
    for (const [body, expected] of [
      ['x'.repeat(1_000_000), 413],
      [subscription('&'.repeat(2_000)), 200],
      ['{"data":"\0"}', 400],
      ['a=b&c=d', 400],
    ] as const) {
      for (const headers of [form, { authorization: `Bearer ${token}` }]) {
        const { status, json } = await send('/api/auth/subscribe', body, headers);
        assert.equal(status, expected, body.slice(0, 30));
        if (expected !== 200) assert.deepEqual(Object.keys(json), ['message']);
      }
    }
    for (const [method, headers] of [
      ['PUT', {}],
      ['GET', {}],
      ['POST', { 'x-http-method-override': 'GET' }],
    ] as const) {
      const response = await fetch(`${server.issuer}/api/auth/subscribe`, { method, headers });
      assert.equal(response.status, 404);
      assert.deepEqual(Object.keys((await response.json()) as object), ['message']);
    }
  });

  test('DO-09 visitors who are logged out count against the limit of the connection', async () => {
    await using small = await startServer({
      env: { GRANTABLE_EXCHANGE_LIMIT: '20/60s' },
      fixture(fixture) {
        fixture.organizations[0].applications.push({
          name: 'sites',
          grants: ['password', 'token_exchange'],
          permissions: { isAdmin: true },
        });
        fixture.organizations[0].faces = { sunbreak: { application: 'sites', registration: true } };
      },
    });
    const post = async (path: string, body: object, bearer = '') => {
      const response = await fetch(small.issuer + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(bearer && { authorization: `Bearer ${bearer}` }) },
        body: JSON.stringify(body),
      });
      return { status: response.status, json: (await response.json()) as Record<string, string> };
    };
    const { json } = await post('/api/database/connection', {
      data: [{ email: 'ada@shop.example', password: PASSWORD }],
      context: { domain: 'shop.example', isNewUser: true },
    });
    const visitors = (from: number) => ({
      data: Array.from({ length: 15 }, (_, index) => ({ userId: from + index })),
    });
    assert.equal((await post('/api/auth/logout', visitors(0), json.accessToken)).status, 200);
    assert.equal((await post('/api/auth/logout', visitors(100), json.accessToken)).status, 429);
  });

  test('a face that could register nothing that is of use says so and writes nothing', async () => {
    for (const application of [{ name: 'bare', grants: ['password', 'token_exchange'] }, 'shop'] as const) {
      await using other = await startServer({
        fixture(fixture) {
          const [acme] = fixture.organizations;
          if (typeof application === 'object') acme.applications.push(application);
          const name = typeof application === 'object' ? application.name : application;
          acme.faces = { sunbreak: { application: name, registration: true } };
        },
      });
      const { directory } = other.server.foundations.storage;
      const before = (await directory.users.page({ limit: 100 })).items.length;
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const response = await fetch(`${other.issuer}/api/database/connection`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            data: [{ email: 'ada@half.example', password: PASSWORD }],
            context: { domain: 'half.example', isNewUser: true },
          }),
        });
        assert.equal(response.status, 403);
      }
      assert.equal((await directory.users.page({ limit: 100 })).items.length, before);
      const { items } = await directory.resources.page({ limit: 100 });
      assert.ok(items.every(({ channel }) => channel !== 'half_example'));
    }
  });

  test('the token endpoint takes nothing of a face', async () => {
    const subscription = { data: [{ permissions: { isAdmin: true, tables: {} } }], context: {} };
    const { status, json } = await send('/oauth/token', subscription, { authorization: `Bearer ${token}` });
    assert.equal(status, 400);
    assert.equal(json.error, 'invalid_request');
  });

  test('any JSON is answered with a message, never a token or a server error', async () => {
    const before = await countRows();
    const hostile = fc.oneof(
      fc.json(),
      fc.string(),
      fc.record({ data: fc.jsonValue(), context: fc.jsonValue() }).map((value) => JSON.stringify(value)),
      fc
        .record({ data: fc.array(fc.record({ permissions: fc.jsonValue(), userId: fc.jsonValue() })) })
        .map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PATHS.filter((path) => path !== PATHS[2])),
        hostile,
        async (path, body) => {
          const { status, json } = await send(path, body, { authorization: 'Bearer gct_x' });
          // What is nested too deeply is too large.
          assert.ok([400, 401, 413].includes(status), `${status} ${path} ${body}`);
          assert.deepEqual(Object.keys(json), ['message']);
        },
      ),
      { numRuns: RUNS },
    );
    assert.equal(await countRows(), before);
  });
});
