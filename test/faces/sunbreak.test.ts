import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { type Answer, basic, PASSWORD, startServer, type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';

const TABLE = 'c0a45736-6225-4fd0-bd3c-70e956b3e9d6';
const DAY = 86_400;
const run = promisify(execFile);

/** As the seed document sends them. */
const cells = { create: true, read: true, update: true, delete: false };
const permissions = { isAdmin: false, tables: { [TABLE]: cells } };
/** The same as a JWT says it: what is true. */
const inToken = { tables: { [TABLE]: { create: true, read: true, update: true } } };

function addSites(fixture: any): void {
  const [acme, other] = fixture.organizations;
  acme.applications.push({
    name: 'sites',
    clientId: 'sites',
    clientSecret: 'secret-of-sites-'.padEnd(40, 'x'),
    grants: ['password', 'token_exchange'],
    allowedOrigins: ['https://shop.example.org'],
    permissions: { isAdmin: true, tables: {} },
  });
  acme.faces = { sunbreak: { application: 'sites', registration: true } };
  other.applications.push({
    name: 'sites',
    clientId: 'other-sites',
    clientSecret: 'secret-of-other-sites-'.padEnd(40, 'x'),
    grants: ['password', 'token_exchange'],
    permissions: { isAdmin: false, tables: { posts: { read: true } } },
  });
}

describe('Sunbreak', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({ fixture: addSites, env: { GRANTABLE_REGISTRATION_LIMIT: '1000/1h' } });
  });
  after(() => server[Symbol.asyncDispose]());

  let sites = 0;
  const newDomain = (): string => {
    sites += 1;
    return `shop${sites}.example.org`;
  };

  async function call(
    path: string,
    body: unknown,
    { token, method = 'POST', headers = {} }: { token?: string; method?: string; headers?: object } = {},
  ): Promise<Answer> {
    const response = await fetch(server.issuer + path, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let json: Record<string, any> = {};
    try {
      json = JSON.parse(text);
    } catch {
      // Not every answer is JSON.
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  const connectBody = (domain: string, data: object = {}, context: object = {}) => ({
    data: [{ email: `ada@${domain}`, password: PASSWORD, name: 'Ada', ...data }],
    context: { domain, isNewUser: true, location: 'custom', locale: 'en_US', ...context },
  });
  const connect = async (domain = newDomain()): Promise<string> => {
    const { status, json, text } = await call('/api/database/connection', connectBody(domain));
    assert.equal(status, 200, text);
    return json.accessToken;
  };
  const subscribe = (token: string | undefined, data: unknown = [{ permissions }], options: object = {}) =>
    call('/api/auth/subscribe', { data, context: {} }, { ...(token !== undefined && { token }), ...options });
  const introspect = (token: string) => server.introspect(token, 'sites');

  test('Database Connect registers with isNewUser and logs in otherwise', async () => {
    const domain = newDomain();
    const registered = await call('/api/database/connection', connectBody(domain));
    assert.equal(registered.status, 200, registered.text);
    assert.deepEqual(Object.keys(registered.json), ['accessToken', 'name']);
    assert.match(registered.json.accessToken, /^gct_/);
    assert.equal(registered.json.name, 'Ada');
    const again = await call('/api/database/connection', connectBody(domain, {}, { isNewUser: false }));
    assert.equal(again.status, 200, again.text);
    assert.equal(again.json.name, 'Ada');
    assert.notEqual(again.json.accessToken, registered.json.accessToken);
    for (const token of [registered.json.accessToken, again.json.accessToken]) {
      assert.equal((await subscribe(token)).status, 200);
    }
    // A third connection drops the first.
    const third = await call('/api/database/connection', connectBody(domain, {}, { isNewUser: undefined }));
    assert.equal(third.status, 200);
    assert.equal((await subscribe(registered.json.accessToken)).status, 401);
    assert.equal((await subscribe(again.json.accessToken)).status, 200);
  });

  test('subscribe gives a JWT of one day with the channel of the seed', async () => {
    const token = await connect('My-Cool.Domain.com');
    const { status, text, json, headers } = await subscribe(token);
    assert.equal(status, 200, text);
    assert.equal(text, `{"accessToken":"${json.accessToken}","channel":"my_cool_domain_com"}`);
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    assert.equal(headers.get('cache-control'), 'no-store');
    const claims = decodeJwt(json.accessToken);
    assert.equal(Number(claims.exp) - Number(claims.iat), DAY);
    assert.equal(decodeProtectedHeader(json.accessToken).typ, 'at+jwt');
    assert.deepEqual(claims.permissions, inToken);
    assert.equal(claims.aud, `${server.issuer}/resources/acme/my-cool.domain.com`);
    assert.equal(claims.client_id, 'acme.sunbreak');
    const answer = await introspect(json.accessToken);
    assert.equal(answer.active, true);
    assert.deepEqual(answer.permissions, permissions);
  });

  test('PM-06 data is an array of one or the object itself', async () => {
    const token = await connect();
    const array = await subscribe(token, [{ permissions }]);
    const object = await subscribe(token, { permissions });
    assert.equal(array.status, 200);
    assert.equal(object.status, 200);
    const [first, second] = [array, object].map(({ json }) => decodeJwt(json.accessToken).permissions);
    assert.deepEqual(first, second);
    const wrong = [
      [],
      [{ permissions }, { permissions }],
      null,
      'x',
      [{}],
      [{ permissions: {} }],
      [{ permissions: { isAdmin: 'true', tables: {} } }],
      [{ permissions: { isAdmin: false, tables: { x: { read: 'yes' } } } }],
      [{ permissions: { isAdmin: false, tables: [{}] } }],
      [{ permissions, userId: 'twelve' }],
    ];
    for (const data of wrong) {
      const answer = await subscribe(token, data);
      assert.equal(answer.status, 400, `${JSON.stringify(data)} ${answer.text}`);
      assert.deepEqual(Object.keys(answer.json), ['message']);
    }
  });

  test('inputs that the original took are taken', async () => {
    const token = await connect();
    const odd = [
      { isAdmin: true },
      { isAdmin: true, tables: [] },
      { isAdmin: false, tables: {} },
      { isAdmin: false, tables: { [TABLE]: { ...cells, export: true } }, role: 'editor' },
      { isAdmin: false, tables: { [TABLE]: { read: true } } },
    ];
    const given = [];
    for (const each of odd) {
      const { status, json, text } = await subscribe(token, [{ permissions: each, userId: 7 }]);
      assert.equal(status, 200, text);
      given.push(decodeJwt(json.accessToken).permissions);
    }
    assert.deepEqual(given, [
      { isAdmin: true },
      { isAdmin: true },
      { tables: {} },
      inToken,
      { tables: { [TABLE]: { read: true } } },
    ]);
  });

  test('the empty list of PHP is an empty map at every depth, and no other list is one', async () => {
    const token = await connect();
    const given = [];
    for (const tables of [[], { [TABLE]: [] }, { [TABLE]: [], posts: { read: true } }]) {
      const { status, json, text } = await subscribe(token, [{ permissions: { isAdmin: false, tables } }]);
      assert.equal(status, 200, text);
      given.push(tablesOf(decodeJwt(json.accessToken)));
    }
    assert.deepEqual(given, [{}, {}, { posts: 'r' }]);
    const body = { data: { permissions, userId: 7 }, context: [] };
    assert.equal((await call('/api/auth/subscribe', body, { token })).status, 200);
    for (const tables of [[1], [[]], { [TABLE]: [true] }, { [TABLE]: [[]] }, 'x', null]) {
      const refused = await subscribe(token, [{ permissions: { isAdmin: false, tables } }]);
      assert.equal(refused.status, 400, JSON.stringify(tables));
    }
  });

  test('PM-01 names that reach a prototype are refused wherever they stand', async () => {
    const token = await connect();
    const hostile = [
      `{"data":[{"permissions":{"isAdmin":false,"__proto__":{"isAdmin":true},"tables":{}}}]}`,
      `{"data":[{"permissions":{"isAdmin":false,"tables":{"__proto__":{"read":true}}}}]}`,
      `{"data":[{"permissions":{"isAdmin":false,"tables":{"constructor":{"read":true}}}}]}`,
      `{"__proto__":{"data":[{"permissions":{"isAdmin":true}}]},"data":[{"permissions":{"isAdmin":false}}]}`,
      `{"data":[{"permissions":{"isAdmin":false,"tables":{}}}],"context":{"__proto__":{"isAdmin":true}}}`,
      `{"data":[{"permissions":{"isAdmin":false,"isAdmin":true,"tables":{}}}]}`,
    ];
    for (const body of hostile) {
      const answer = await call('/api/auth/subscribe', body, { token });
      assert.equal(answer.status, 400, body);
      assert.deepEqual(Object.keys(answer.json), ['message']);
    }
  });

  test('LG-02 subscribe takes a long token in the Authorization header and nothing else', async () => {
    const token = await connect();
    const short = (await subscribe(token)).json.accessToken;
    const machine = (await server.token('machine')).json.access_token;
    const bodies = new Set<string>();
    const refused = [
      await subscribe(undefined),
      await subscribe(short),
      await subscribe(machine),
      await subscribe(tampered(token)),
      await subscribe(undefined, [{ permissions }], { headers: { authorization: basic('sites', token) } }),
      await subscribe(undefined, [{ permissions }], { headers: { authorization: token } }),
      await call(`/api/auth/subscribe?access_token=${token}`, { data: [{ permissions }] }),
      await call('/api/auth/subscribe', { data: [{ permissions }], access_token: token }),
    ];
    for (const answer of refused) {
      assert.equal(answer.status, 401, answer.text);
      bodies.add(answer.text);
    }
    assert.equal(bodies.size, 1);
    assert.equal((await call('/api/auth/subscribe', 'x', { token })).status, 400);
    assert.equal((await call('/api/auth/subscribe', undefined, { token })).status, 400);
    assert.equal((await call('/api/auth/subscribe', { context: {} }, { token })).status, 400);
  });

  test('LG-08 a long token is good for nothing else, and a short one at no native door', async () => {
    const token = await connect();
    const short = (await subscribe(token)).json.accessToken;
    for (const value of [token, short]) {
      const userinfo = await fetch(`${server.issuer}/oauth/userinfo`, {
        headers: { authorization: `Bearer ${value}` },
      });
      assert.equal(userinfo.status, 401);
    }
    assert.deepEqual(await introspect(token), { active: false });
    assert.deepEqual(await server.introspect(short, 'shop-api'), { active: false });
    for (const path of ['/api/auth/version', '/api/auth/logout']) {
      assert.equal((await call(path, { data: [{ userId: 1 }] }, { token: short })).status, 401, path);
    }
    assert.equal(
      (await call('/api/database/connection', undefined, { token: short, method: 'DELETE' })).status,
      401,
    );
    // The native endpoints do not know the face's own client.
    const native = await server.post('/oauth/token', undefined, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      client_id: 'acme.sunbreak',
      subject_token: token,
      subject_token_type: 'urn:grantable:token-type:connection',
    });
    assert.equal(native.json.error, 'invalid_client');
    const connectNatively = await server.post('/oauth/token', 'sites', {
      grant_type: 'urn:grantable:grant-type:connect',
      username: 'a@b.example',
      password: PASSWORD,
      domain: newDomain(),
    });
    assert.equal(connectNatively.json.error, 'unauthorized_client');
  });

  test('Disconnect ends the long token and every short one, also by the method override', async () => {
    for (const options of [
      { method: 'DELETE' },
      { method: 'POST', headers: { 'x-http-method-override': 'DELETE' } },
    ]) {
      const token = await connect();
      const short = (await subscribe(token)).json.accessToken;
      const answer = await call('/api/database/connection', undefined, { token, ...options });
      assert.equal(answer.status, 200);
      assert.equal(answer.text, '{}');
      assert.deepEqual(await introspect(short), { active: false });
      assert.equal((await subscribe(token)).status, 401);
      assert.equal((await call('/api/database/connection', undefined, { token, ...options })).status, 401);
    }
  });

  test('of many parallel connects and disconnects each is answered', async () => {
    const domain = newDomain();
    await connect(domain);
    const again = () => call('/api/database/connection', connectBody(domain, {}, { isNewUser: false }));
    const connected = await Promise.all(Array.from({ length: 8 }, again));
    assert.deepEqual([...new Set(connected.map(({ status }) => status))], [200]);
    const good: string[] = [];
    for (const { json } of connected) {
      if ((await subscribe(json.accessToken)).status === 200) good.push(json.accessToken);
    }
    assert.equal(good.length, 2, 'the last one and the one before');
    const ended = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        call('/api/database/connection', undefined, { method: 'DELETE', token: good[index % 2] as string }),
      ),
    );
    assert.ok(ended.every(({ status }) => status === 200 || status === 401));
    for (const token of good) assert.equal((await subscribe(token)).status, 401);
  });

  test('version ends the short tokens that were given out, and leaves the long one', async () => {
    const token = await connect();
    const old = (await subscribe(token)).json.accessToken;
    assert.equal((await call('/api/auth/version', '', { token })).status, 200);
    assert.deepEqual(await introspect(old), { active: false });
    const renewed = await subscribe(token);
    assert.equal((await introspect(renewed.json.accessToken)).active, true);
  });

  test('logout ends only the short tokens of the named visitors', async () => {
    const token = await connect();
    const of = async (userId?: number) =>
      (await subscribe(token, [{ permissions, ...(userId !== undefined && { userId }) }])).json.accessToken;
    const [twelve, thirteen, nobody] = [await of(12), await of(13), await of()];
    const out = await call('/api/auth/logout', { data: [{ userId: 12 }] }, { token });
    assert.equal(out.status, 200);
    assert.deepEqual(await introspect(twelve), { active: false });
    for (const short of [thirteen, nobody]) assert.equal((await introspect(short)).active, true);
    assert.equal((await introspect(await of(12))).active, true, 'who comes back is let in');
    for (const data of [[], [{}], [{ userId: '12' }], undefined]) {
      assert.equal((await call('/api/auth/logout', { data }, { token })).status, 400);
    }
  });

  test('wrong passwords, taken addresses and taken domains are told apart', async () => {
    const domain = newDomain();
    await connect(domain);
    const wrong = await call(
      '/api/database/connection',
      connectBody(domain, { password: 'wrong-password' }, { isNewUser: false }),
    );
    const unknown = await call(
      '/api/database/connection',
      connectBody(domain, { email: 'nobody@example.org' }, { isNewUser: false }),
    );
    assert.equal(wrong.status, 401);
    assert.equal(unknown.status, 401);
    assert.equal(wrong.text, unknown.text);
    const taken = await call(
      '/api/database/connection',
      connectBody(newDomain(), { email: `ADA@${domain}` }),
    );
    assert.equal(taken.status, 409);
    const foreign = await call('/api/database/connection', connectBody(domain, { email: 'eve@example.org' }));
    assert.equal(foreign.status, 409);
    const clash = await call('/api/database/connection', connectBody(domain.replaceAll('.', '-')));
    assert.equal(clash.status, 409, 'another domain of the same channel');
    const later = await call(
      '/api/database/connection',
      connectBody(newDomain(), { email: 'eve@example.org' }),
    );
    assert.equal(later.status, 200, 'what was refused has left nothing behind');
    const weak = await call('/api/database/connection', connectBody(newDomain(), { password: 'short' }));
    assert.equal(weak.status, 400);
    for (const answer of [wrong, taken, foreign, clash, weak]) {
      assert.deepEqual(Object.keys(answer.json), ['message']);
    }
  });

  test('ill-typed connections are a 400 that names the field', async () => {
    const good = connectBody(newDomain());
    const [data] = good.data;
    const wrong: [unknown, RegExp][] = [
      [{ ...good, data: [] }, /data/],
      [{ ...good, data: [{ ...data, email: 7 }] }, /data/],
      [{ ...good, data: [{ ...data, password: { $gt: '' } }] }, /data/],
      [{ ...good, data: [{ ...data, email: 'no address' }] }, /./],
      [{ ...good, context: {} }, /context\.domain/],
      [{ ...good, context: { domain: 'a b' } }, /domain/],
      [{ ...good, context: { domain: '../x' } }, /domain/],
      [{ ...good, context: { domain: 'x'.repeat(300) } }, /domain/],
      [[], /object/],
    ];
    for (const [body, pattern] of wrong) {
      const answer = await call('/api/database/connection', body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.match(answer.json.message, pattern);
    }
  });

  test('LG-07 wrong passwords count for the account at every door', async () => {
    await using other = await startServer({ fixture: addSites, env: { GRANTABLE_ACCOUNT_LIMIT: '3/15m' } });
    const send = (password: string, isNewUser: boolean) =>
      fetch(`${other.issuer}/api/database/connection`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(connectBody('count.example.org', { password }, { isNewUser })),
      });
    assert.equal((await send(PASSWORD, true)).status, 200);
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const answer = await send(`wrong-password-${attempt}`, false);
      statuses.push(answer.status);
      if (answer.status === 429) assert.ok(Number(answer.headers.get('retry-after')) >= 1);
    }
    assert.ok(statuses.includes(401) && statuses.at(-1) === 429, statuses.join());
    assert.equal((await send(PASSWORD, false)).status, 429);
  });

  test('DO-05 registrations from one address are limited', async () => {
    await using other = await startServer({ fixture: addSites });
    const statuses = new Map<number, number>();
    for (let index = 0; index < 25; index += 1) {
      const { status } = await fetch(`${other.issuer}/api/database/connection`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(connectBody(`flood${index}.example.org`)),
      });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    assert.deepEqual(
      [...statuses],
      [
        [200, 20],
        [429, 5],
      ],
    );
  });

  test('DO-06 a body of a megabyte is a 413 in the words of the face', async () => {
    const token = await connect();
    const answer = await call('/api/auth/subscribe', JSON.stringify({ data: 'x'.repeat(1_000_000) }), {
      token,
    });
    assert.equal(answer.status, 413);
    assert.deepEqual(Object.keys(answer.json), ['message']);
  });

  test('more than the long token may give is a 403, and nothing is given', async () => {
    await using other = await startServer({
      fixture(fixture) {
        addSites(fixture);
        const sitesOf = fixture.organizations[0].applications.at(-1);
        sitesOf.permissions = { isAdmin: false, tables: { [TABLE]: { read: true } } };
      },
    });
    const send = async (path: string, body: object, token?: string) => {
      const answer = await fetch(other.issuer + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(body),
      });
      return { status: answer.status, json: (await answer.json()) as Record<string, string> };
    };
    const { json } = await send('/api/database/connection', connectBody('low.example.org'));
    const more = await send('/api/auth/subscribe', { data: [{ permissions }] }, json.accessToken);
    assert.equal(more.status, 403);
    assert.equal(more.json.accessToken, undefined);
    const admin = { data: [{ permissions: { isAdmin: true, tables: {} } }] };
    assert.equal((await send('/api/auth/subscribe', admin, json.accessToken)).status, 403);
    const less = { isAdmin: false, tables: { [TABLE]: { read: true } } };
    assert.equal(
      (await send('/api/auth/subscribe', { data: [{ permissions: less }] }, json.accessToken)).status,
      200,
    );
  });

  test('pages of listed origins may read the answers, others may not', async () => {
    const token = await connect();
    const listed = { headers: { origin: 'https://shop.example.org' } };
    const answer = await subscribe(token, [{ permissions }], listed);
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://shop.example.org');
    const failed = await subscribe('gct_x', [{ permissions }], listed);
    assert.equal(failed.headers.get('access-control-allow-origin'), 'https://shop.example.org');
    const evil = await subscribe(token, [{ permissions }], { headers: { origin: 'https://evil.example' } });
    assert.equal(evil.status, 200);
    assert.equal(evil.headers.get('access-control-allow-origin'), null);
    const preflight = await call('/api/auth/subscribe', undefined, { method: 'OPTIONS', ...listed });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Authorization/);
  });

  test('LG-09 switched off, or in another spelling, it is not found', async () => {
    for (const path of ['/API/auth/subscribe', '/api/auth/subscribe/', '/api/auth%2Fsubscribe']) {
      assert.equal((await call(path, { data: [{ permissions }] })).status, 404, path);
    }
    assert.equal((await call('/api/auth/subscribe', undefined, { method: 'GET' })).status, 404);
    const { changes, storage } = server.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme?.faces?.sunbreak);
    const off = await changes.organizations.replace(
      { ...acme, faces: { sunbreak: { ...acme.faces.sunbreak, enabled: false } } },
      { actor: 'test' },
    );
    const token = 'gct_x';
    for (const path of [
      '/api/auth/subscribe',
      '/api/auth/version',
      '/api/auth/logout',
      '/api/database/connection',
    ]) {
      assert.equal((await call(path, { data: [{ permissions }] }, { token })).status, 404, path);
    }
    await changes.organizations.replace({ ...off, faces: acme.faces }, { actor: 'test' });
    assert.equal((await subscribe(token)).status, 401);
  });

  test('registration is switched off by a setting, and then only known domains connect', async () => {
    const domain = newDomain();
    await connect(domain);
    const { changes, storage } = server.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme?.faces?.sunbreak);
    const closed = await changes.organizations.replace(
      {
        ...acme,
        faces: { sunbreak: { ...acme.faces.sunbreak, registration: false, expiredAt: true, ttl: 600 } },
      },
      { actor: 'test' },
    );
    assert.equal((await call('/api/database/connection', connectBody(newDomain()))).status, 403);
    const another = connectBody(newDomain(), { email: `ada@${domain}` }, { isNewUser: false });
    assert.equal((await call('/api/database/connection', another)).status, 403);
    const known = await call('/api/database/connection', connectBody(domain, {}, { isNewUser: false }));
    assert.equal(known.status, 200);
    const { json } = await subscribe(known.json.accessToken);
    assert.equal(json.expiredAt, decodeJwt(json.accessToken).exp);
    assert.equal(Number(decodeJwt(json.accessToken).exp) - Number(decodeJwt(json.accessToken).iat), 600);
    await changes.organizations.replace({ ...closed, faces: acme.faces }, { actor: 'test' });
  });

  test('MT-02 another organization’s host picks its face and refuses tokens of others', async () => {
    await using other = await startServer({
      env: { GRANTABLE_HOSTS: 'sites.other.example' },
      fixture(fixture) {
        addSites(fixture);
        fixture.organizations[1].hosts = ['sites.other.example'];
        fixture.organizations[1].faces = { sunbreak: { application: 'sites', registration: true } };
      },
    });
    const send = async (host: string | undefined, path: string, body: object, token?: string) => {
      // fetch sets the Host header by itself.
      const headers = [
        ...(host === undefined ? [] : ['-H', `Host: ${host}`]),
        ...(token === undefined ? [] : ['-H', `Authorization: Bearer ${token}`]),
      ];
      const { stdout } = await run('curl', [
        '-s',
        '-w',
        '\n%{http_code}',
        '-H',
        'Content-Type: application/json',
        ...headers,
        '-d',
        JSON.stringify(body),
        other.issuer + path,
      ]);
      const [text = '', status] = stdout.split('\n');
      return { status: Number(status), json: JSON.parse(text) as Record<string, string> };
    };
    const host = 'sites.other.example';
    const there = await send(host, '/api/database/connection', connectBody('x.example.org'));
    assert.equal(there.status, 200, JSON.stringify(there.json));
    const posts = { data: [{ permissions: { isAdmin: false, tables: { posts: { read: true } } } }] };
    assert.equal((await send(host, '/api/auth/subscribe', posts, there.json.accessToken)).status, 200);
    assert.equal((await send(undefined, '/api/auth/subscribe', posts, there.json.accessToken)).status, 401);
    const here = await send(undefined, '/api/database/connection', connectBody('y.example.org'));
    assert.equal((await send(host, '/api/auth/subscribe', posts, here.json.accessToken)).status, 401);
  });

  test('curl, fetch and PHP send the requests of the seed document as they are written', async () => {
    const token = await connect();
    const seed = { data: [{ permissions: { isAdmin: true, tables: {} } }], context: {} };
    const { stdout } = await run('curl', [
      '-s',
      '-X',
      'POST',
      '-H',
      'Content-Type: application/json',
      '-H',
      `Authorization: Bearer ${token}`,
      '-d',
      JSON.stringify(seed),
      `${server.issuer}/api/auth/subscribe`,
    ]);
    assert.deepEqual(Object.keys(JSON.parse(stdout)), ['accessToken', 'channel']);

    const myHeaders = new Headers();
    myHeaders.append('Content-Type', 'application/json');
    myHeaders.append('Authorization', `Bearer ${token}`);
    const byFetch = await fetch(`${server.issuer}/api/auth/subscribe`, {
      method: 'POST',
      headers: myHeaders,
      body: JSON.stringify({ data: [{ permissions }] }),
      redirect: 'follow',
    });
    assert.equal(byFetch.status, 200);

    // HTTP_Request2 with the object in `data`, and what a form type does to a JSON body.
    for (const headers of [{}, { 'content-type': 'application/x-www-form-urlencoded' }]) {
      const php = await call('/api/auth/subscribe', { data: { permissions } }, { token, headers });
      assert.equal(php.status, 200, php.text);
    }
  });
});
