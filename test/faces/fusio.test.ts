import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { PASSWORD, type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';
import {
  ALL,
  appOf,
  assertOAuthError,
  assertRefused,
  type Client,
  createClient,
  loginOf,
  SHOP,
  seenOf,
  start,
  tokenOf,
} from './fusio-client.ts';

const DAY_SECONDS = 86_400;
const DAY = DAY_SECONDS * 1000;

describe('Fusio', () => {
  let server: TestServer;
  let client: Client;
  before(async () => {
    server = await start();
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  test('a login gives a token for all scopes in the original’s shape', async () => {
    for (const name of ['ann', 'ANN', 'ann@acme.example']) {
      const login = loginOf(await client.login(name));
      assert.deepEqual([login.expires_in, login.scope], [172_800, ALL]);
      const claims = decodeJwt(login.token);
      assert.deepEqual(
        [claims.name, claims.preferred_username, claims.email],
        ['ann', 'ann', 'ann@acme.example'],
      );
      assert.equal(Number(claims.exp) - Number(claims.iat), 172_800);
      const seen = await server.introspect(login.token);
      assert.deepEqual([seen.active, seen.username, seen.client_id], [true, 'ann', 'acme.fusio']);
      assert.equal(seen.scope, seenOf(ALL));
      assert.equal(claims.scope, seenOf(ALL));
      assert.deepEqual(tablesOf(seen), { orders: 'cru', products: 'r' });
    }
    const bob = loginOf(await client.login('bob'));
    assert.equal(bob.scope, 'authorization,consumer,default,orders.read');
    assert.equal(decodeJwt(bob.token).email, undefined);
  });

  test('unknown and forbidden scopes are dropped', async () => {
    for (const [username, scopes, given] of [
      ['ann', ['orders'], 'orders.read,orders.write'],
      ['bob', ['orders', 'consumer'], 'consumer,orders.read'],
      ['bob', ['orders.write', 'default'], 'default'],
      ['ann', ['orders.write', 'backend', 'authorization', 'authorization'], 'authorization,orders.write'],
      ['ann', [], ALL],
      ['ann', ['orders:delete', 'default'], 'default'],
      ['ann', ['openid', 'offline_access', 'default'], 'default'],
    ] as const) {
      assert.equal(loginOf(await client.login(username, scopes)).scope, given, String(scopes));
    }
    for (const scopes of [['backend'], ['order'], ['orders.'], [''], ['*:admin'], ['orders.read.x']]) {
      assertRefused(await client.login('ann', scopes), 400, 'No valid scope given');
    }
    for (const [scope, given] of [
      ['orders.read,authorization', 'authorization,orders.read'],
      ['orders.read authorization', 'authorization,orders.read'],
      ['orders.read , default', 'default,orders.read'],
      ['', ALL],
    ] as const) {
      const answer = tokenOf(await client.token({ grant_type: 'client_credentials', scope }));
      assert.equal(answer.scope, given);
      assert.equal((await server.introspect(answer.access_token)).scope, seenOf(given));
    }
    for (const scope of ['backend', ',', 'orders.read;default', 'x'.repeat(10_000)]) {
      const answer = await client.token({ grant_type: 'client_credentials', scope });
      assertOAuthError(answer, 400, 'invalid_scope', 'No valid scope given');
    }
  });

  test('a wrong login is told as the original tells it', async () => {
    const post = (body: unknown) => client.send('POST', '/consumer/login', body);
    const texts = new Set<string>();
    for (const [username, password] of [
      ['ann', 'wrong'],
      ['nobody', PASSWORD],
      ['gone', PASSWORD],
      ['ann', 'x'.repeat(2_000)],
      ['x'.repeat(2_000), PASSWORD],
      ['ann\0', PASSWORD],
    ]) {
      const answer = await post({ username, password });
      assertRefused(answer, 400, 'Invalid name or password');
      texts.add(answer.text);
    }
    assert.equal(texts.size, 1);
    for (const [body, message] of [
      [{}, 'No username provided'],
      [{ password: PASSWORD }, 'No username provided'],
      [{ username: { $ne: null }, password: PASSWORD }, 'No username provided'],
      [{ username: 'ann' }, 'No password provided'],
      [{ username: 'ann', password: '' }, 'No password provided'],
      [{ username: 'ann', password: [PASSWORD] }, 'No password provided'],
      [{ username: 'ann', password: PASSWORD, scopes: 'consumer' }, 'scopes must be a list of texts'],
      [{ username: 'ann', password: PASSWORD, scopes: [1] }, 'scopes must be a list of texts'],
      [[], 'The body must be an object'],
      [{ grant_type: 'password', username: 'ann', password: PASSWORD }, 'A login has no grant_type'],
    ] as const) {
      assertRefused(await post(body), 400, message);
    }
    const slip = `{"username": "ann","password": "${PASSWORD}",}`;
    const trailing = await client.send('POST', '/consumer/login', slip, {
      'Content-Type': 'application/json',
    });
    assert.deepEqual([trailing.status, trailing.json.success], [400, false]);
    assert.equal((await post({ username: 'x'.repeat(100_000), password: 'x' })).status, 413);
  });

  test('RT-02 a refresh gives another pair, and reuse ends the login', async () => {
    const first = loginOf(await client.login('ann', ['consumer', 'orders.read']));
    const second = loginOf(await client.renew(first.refresh_token));
    assert.equal(second.scope, 'consumer,orders.read');
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal((await server.introspect(first.token)).active, false, 'the earlier one has ended');
    assert.equal((await server.introspect(second.token)).scope, 'orders.read');
    assert.equal(decodeJwt(second.token).email, 'ann@acme.example');
    const retried = loginOf(await client.renew(first.refresh_token));
    assert.equal(retried.refresh_token, second.refresh_token, 'whose connection broke gets the same');
    assert.equal((await server.introspect(second.token)).active, true, 'and ends nothing');

    server.clock.offset += 10_000;
    const unknown = await client.renew('foobar');
    const reused = await client.renew(first.refresh_token);
    assertRefused(unknown, 400, 'Invalid refresh token');
    assert.equal(reused.text, unknown.text);
    for (const { token } of [second, retried]) assert.equal((await server.introspect(token)).active, false);
    assertRefused(await client.renew(second.refresh_token), 400, 'Invalid refresh token');
    server.clock.offset = 0;
    assertRefused(await client.renew(''), 400, 'No refresh token provided');
    assertRefused(await client.renew(tampered(second.refresh_token)), 400, 'Invalid refresh token');
  });

  test('a refresh token is good for three days, each anew until the login ends', async () => {
    await using own = await start();
    const mine = createClient(own);
    const login = loginOf(await mine.login());
    own.clock.offset = 2 * DAY + 1_000;
    assertRefused(await mine.whoami(login.token), 401, 'Invalid access token');
    const renewed = loginOf(await mine.renew(login.refresh_token));
    assert.equal(renewed.expires_in, 2 * DAY_SECONDS);
    own.clock.offset = 4 * DAY;
    const again = loginOf(await mine.renew(renewed.refresh_token));
    own.clock.offset = 7 * DAY + 1_000;
    assertRefused(await mine.renew(again.refresh_token), 400, 'Refresh token is expired');
    assertOAuthError(
      await mine.token({ grant_type: 'refresh_token', refresh_token: again.refresh_token }),
      400,
      'invalid_request',
      'Refresh token is expired',
    );
  });

  test('RT-06 no refreshing makes a login longer than a login may be', async () => {
    await using own = await start({}, { GRANTABLE_LOGIN_TTL: '5d' });
    const mine = createClient(own);
    const login = loginOf(await mine.login());
    own.clock.offset = 2 * DAY;
    const second = loginOf(await mine.renew(login.refresh_token));
    own.clock.offset = 4 * DAY;
    const third = loginOf(await mine.renew(second.refresh_token));
    assert.ok(third.expires_in <= DAY_SECONDS, 'no token outlives its login');
    own.clock.offset = 5 * DAY + 1_000;
    assertRefused(await mine.renew(third.refresh_token), 400, 'Refresh token is expired');
    await using small = await start({ ttl: 600, refreshTtl: 1_200 });
    const short = createClient(small);
    const answer = loginOf(await short.login());
    assert.equal(answer.expires_in, 600);
    small.clock.offset = 1_201_000;
    assertRefused(await short.renew(answer.refresh_token), 400, 'Refresh token is expired');
  });

  test('LG-06 an application asks with key and secret, and what it gets rotates and ends', async () => {
    const answer = tokenOf(await client.token({ grant_type: 'client_credentials' }));
    assert.deepEqual([answer.expires_in, answer.scope], [172_800, ALL]);
    const seen = await server.introspect(answer.access_token);
    assert.deepEqual([seen.active, seen.client_id, seen.username], [true, SHOP, undefined]);
    assert.match(seen.sub, /^client:/);
    assert.deepEqual(tablesOf(seen), { orders: 'cru', products: 'r' });
    const refresh = { grant_type: 'refresh_token', refresh_token: answer.refresh_token };
    const next = tokenOf(await client.token(refresh));
    assert.equal(next.scope, ALL);
    assert.equal((await server.introspect(answer.access_token)).active, false);
    server.clock.offset += 10_000;
    assertOAuthError(await client.token(refresh), 400, 'invalid_request', 'Invalid refresh token');
    assert.equal((await server.introspect(next.access_token)).active, false);
    server.clock.offset = 0;
    const json = await client.send(
      'POST',
      '/authorization/token',
      { grant_type: 'client_credentials', scope: 'default' },
      client.key(),
    );
    assert.equal(tokenOf(json).scope, 'default');
    const native = await server.token(SHOP);
    assert.equal(native.json.refresh_token, undefined, 'elsewhere there is no refresh token for it');
    const without = await client.token({ grant_type: 'client_credentials' }, client.key('bare'));
    assert.deepEqual(Object.keys(without.json), ['access_token', 'token_type', 'expires_in', 'scope']);
    const itself = await client.whoami(without.json.access_token);
    assert.deepEqual([itself.status, itself.json.name, itself.json.email], [200, 'bare', null]);
  });

  test('LG-06 a name and password work as key and secret only where allowed', async () => {
    const form = { grant_type: 'client_credentials' };
    const ann = client.key('ann', PASSWORD);
    assertOAuthError(await client.token(form, ann), 401, 'invalid_client', 'Unknown credentials');
    await using lenient = await start({ userCredentials: true });
    const there = createClient(lenient);
    for (const name of ['ann', 'ann@acme.example']) {
      const answer = tokenOf(await there.token({ ...form, scope: 'orders' }, there.key(name, PASSWORD)));
      assert.equal(answer.scope, 'orders.read,orders.write');
      const seen = await lenient.introspect(answer.access_token);
      assert.deepEqual([seen.username, seen.client_id], ['ann', 'acme.fusio']);
      assert.equal(loginOf(await there.renew(answer.refresh_token)).scope, answer.scope);
    }
    const texts = new Set<string>();
    for (const [name, password] of [
      ['ann', 'wrong'],
      ['nobody', PASSWORD],
      ['gone', PASSWORD],
      [SHOP, PASSWORD],
    ] as const) {
      const refused = await there.token(form, there.key(name, password));
      assertOAuthError(refused, 401, 'invalid_client', 'Unknown credentials');
      assert.equal(refused.headers['www-authenticate'], 'Bearer');
      texts.add(refused.text);
    }
    assert.equal(texts.size, 1);
    for (const other of [
      { grant_type: 'password', username: 'ann', password: PASSWORD },
      { grant_type: 'refresh_token', refresh_token: 'x' },
      { grant_type: 'authorization_code', code: 'x' },
    ]) {
      const refused = await there.token(other, there.key('ann', PASSWORD));
      assertOAuthError(refused, 401, 'invalid_client', 'Unknown credentials');
    }
    tokenOf(await there.token(form));
  });

  test('an application trades the password of a person', async () => {
    const form = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const answer = tokenOf(await client.token(form));
    assert.equal(answer.scope, ALL);
    const seen = await server.introspect(answer.access_token);
    assert.deepEqual([seen.username, seen.client_id], ['ann', SHOP]);
    assert.deepEqual(tablesOf(seen), { orders: 'cru', products: 'r' });
    assert.equal(decodeJwt(answer.access_token).name, 'ann');
    for (const wrong of [
      { ...form, password: 'wrong' },
      { ...form, username: 'nobody' },
      { ...form, username: 'gone' },
    ]) {
      assertOAuthError(await client.token(wrong), 400, 'invalid_grant', 'Unknown user');
    }
    const owner = loginOf(await client.login()).token;
    const app = await appOf(client, owner);
    const refresh = { grant_type: 'refresh_token', refresh_token: answer.refresh_token };
    assertOAuthError(
      await client.token(refresh, client.key(app.appKey, app.appSecret)),
      400,
      'invalid_request',
      'Invalid refresh token',
    );
    assertOAuthError(
      await client.token(refresh, client.key(SHOP, 'x')),
      401,
      'invalid_client',
      'Unknown credentials',
    );
    tokenOf(await client.token(refresh));
  });

  test('errors of the token endpoint are those of RFC 6749 in the original’s words', async () => {
    const none = { Authorization: 'Bearer x' };
    for (const [form, headers, error, description] of [
      [{ grant_type: 'client_credentials' }, {}, 'invalid_request', 'Credentials not available'],
      [{ grant_type: 'client_credentials' }, none, 'invalid_request', 'Credentials not available'],
      [
        { grant_type: 'client_credentials' },
        { Authorization: client.key().Authorization.replace('Basic', 'basic') },
        'invalid_request',
        'Credentials not available',
      ],
      [
        { grant_type: 'client_credentials' },
        { Authorization: `Basic ${Buffer.from('shop:').toString('base64')}` },
        'invalid_request',
        'Credentials not available',
      ],
      [
        { grant_type: 'client_credentials', client_id: SHOP, client_secret: server.secretOf(SHOP) },
        {},
        'invalid_request',
        'Credentials not available',
      ],
      [
        { grant_type: 'refresh_token', refresh_token: 'x' },
        {},
        'invalid_request',
        'Credentials not available',
      ],
      [{ grant_type: 'authorization_code', code: 'x' }, {}, 'invalid_request', 'Credentials not available'],
      [{ scope: 'default' }, client.key(), 'invalid_request', 'grant_type is missing'],
      [{ grant_type: 'magic' }, client.key(), 'unsupported_grant_type', 'Invalid grant type'],
      [{ grant_type: 'constructor' }, client.key(), 'unsupported_grant_type', 'Invalid grant type'],
      [{ grant_type: 'password', username: 'ann' }, client.key(), 'invalid_request', 'password is missing'],
      [{ grant_type: 'refresh_token' }, client.key(), 'invalid_request', 'refresh_token is missing'],
      [{ grant_type: 'authorization_code' }, client.key(), 'invalid_request', 'code is missing'],
      [
        { grant_type: 'refresh_token', refresh_token: 'x' },
        client.key(),
        'invalid_request',
        'Invalid refresh token',
      ],
      [{ grant_type: 'authorization_code', code: 'x' }, client.key(), 'invalid_grant', 'Invalid code'],
    ] as const) {
      const answer = await client.token(form as Record<string, string>, headers as Record<string, string>);
      assertOAuthError(answer, 400, error, description);
      assert.equal(answer.headers['www-authenticate'], undefined);
      assert.equal(answer.headers['cache-control'], 'no-store');
    }
    for (const [id, secret] of [
      [SHOP, 'wrong'],
      ['nobody', 'wrong'],
      ['acme.fusio', 'x'],
      ['spa', 'x'],
      ['other-shop', server.secretOf('other-shop')],
    ] as const) {
      const answer = await client.token({ grant_type: 'client_credentials' }, client.key(id, secret));
      assertOAuthError(answer, 401, 'invalid_client', 'Unknown credentials');
      assert.equal(answer.headers['www-authenticate'], 'Bearer');
    }
    const inBody = await client.token(
      { grant_type: 'authorization_code', code: 'x', client_id: SHOP, client_secret: 'wrong' },
      {},
    );
    assertOAuthError(inBody, 401, 'invalid_client', 'Unknown credentials');
    assert.equal(inBody.headers['www-authenticate'], undefined, 'there was no Authorization header');
    for (const scope of [['default'], { default: true }, 7]) {
      const odd = { grant_type: 'client_credentials', scope };
      const answer = await client.send('POST', '/authorization/token', odd, client.key());
      assertOAuthError(answer, 400, 'invalid_request', 'scope must be a text');
    }
    const twice = await client.send(
      'POST',
      '/authorization/token',
      'grant_type=password&grant_type=x',
      client.key(),
    );
    assert.deepEqual([twice.status, twice.json.error], [400, 'invalid_request']);
  });

  test('LG-08 a route takes a living token of this API with its scope', async () => {
    const login = loginOf(await client.login('ann', ['authorization']));
    const me = await client.whoami(login.token);
    assert.equal(me.status, 200);
    assert.deepEqual(Object.keys(me.json), [
      'id',
      'roleId',
      'planId',
      'status',
      'name',
      'email',
      'points',
      'scopes',
      'plans',
      'metadata',
      'date',
    ]);
    assert.deepEqual([me.json.name, me.json.email, me.json.status], ['ann', 'ann@acme.example', 1]);
    assert.deepEqual(me.json.scopes, ALL.split(','));
    assert.match(me.json.date, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const form = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const native = (await server.post('/oauth/token', SHOP, form)).json;
    const denied = 'Access to this operation is not in the scope of the provided token';
    const consumer = loginOf(await client.login('ann', ['consumer']));
    const [get, app] = ['/authorization/whoami', '/consumer/app'];
    for (const [path, headers, message] of [
      [get, {}, 'Missing authorization header'],
      [get, { Authorization: `bearer ${login.token}` }, 'Invalid authorization type'],
      [get, { Authorization: login.token }, 'Invalid authorization type'],
      [get, client.key(), 'Invalid authorization type'],
      [get, { Authorization: 'Bearer' }, 'Invalid access token'],
      [get, client.bearer('1234'), 'Invalid access token'],
      [get, client.bearer(tampered(login.token)), 'Invalid access token'],
      [get, client.bearer(login.refresh_token), 'Invalid access token'],
      [get, client.bearer(native.access_token), 'Invalid access token'],
      [get, client.bearer(consumer.token), denied],
      [app, client.bearer(login.token), denied],
    ] as const) {
      const answer = await client.send('GET', path, undefined, headers as Record<string, string>);
      assertRefused(answer, 401, message);
      assert.equal(
        answer.headers['www-authenticate'],
        `Bearer realm="Fusio", resource_metadata="${server.issuer}/.well-known/oauth-protected-resource"`,
      );
    }
    const machine = tokenOf(await client.token({ grant_type: 'client_credentials' }));
    const asMachine = await client.send('GET', app, undefined, client.bearer(machine.access_token));
    assertRefused(asMachine, 401, denied);
    const userinfo = await fetch(`${server.issuer}/oauth/userinfo`, { headers: client.bearer(login.token) });
    assert.equal(userinfo.status, 401, 'nor is one of this API good elsewhere');
    const renewed = await server.post('/oauth/token', SHOP, {
      grant_type: 'refresh_token',
      refresh_token: login.refresh_token,
    });
    assert.deepEqual([renewed.status, renewed.json.error], [400, 'invalid_grant']);
    loginOf(
      await client.send(
        'POST',
        '/consumer/login',
        { username: 'ann', password: PASSWORD },
        client.bearer('x'),
      ),
    );
  });

  test('revoking ends the pair here and natively, whichever of the two it is asked of', async () => {
    for (const [get, revoke] of [
      [
        async () => loginOf(await client.login()),
        ({ token }: { token: string }) =>
          client.send('POST', '/authorization/revoke', undefined, client.bearer(token)),
      ],
      [
        async () => loginOf(await client.login()),
        ({ refresh_token: token }: { refresh_token: string }) =>
          server.post('/oauth/revoke', SHOP, { token }),
      ],
    ] as const) {
      const pair = await get();
      assert.equal((await client.whoami(pair.token)).status, 200);
      const answer = await revoke(pair);
      assert.equal(answer.status, 200);
      assert.match(answer.text, /^(?:\{\}|\{"success":true\})$/);
      assert.equal((await server.introspect(pair.token)).active, false);
      assert.equal((await server.introspect(pair.refresh_token, SHOP)).active, false);
      assertRefused(await client.whoami(pair.token), 401, 'Invalid access token');
      assertRefused(await client.renew(pair.refresh_token), 400, 'Invalid refresh token');
    }
    const single = loginOf(await client.login());
    assert.equal((await server.post('/oauth/revoke', SHOP, { token: single.token })).status, 200);
    assertRefused(await client.whoami(single.token), 401, 'Invalid access token');
    loginOf(await client.renew(single.refresh_token));
    const machine = tokenOf(await client.token({ grant_type: 'client_credentials', scope: 'orders' }));
    const ended = await client.send(
      'POST',
      '/authorization/revoke',
      undefined,
      client.bearer(machine.access_token),
    );
    assert.deepEqual(ended.json, { success: true });
    assert.equal((await server.introspect(machine.access_token)).active, false);
  });

  test('a wrong method is not found, and pages of listed origins may read answers', async () => {
    for (const [method, path] of [
      ['GET', '/consumer/login'],
      ['DELETE', '/consumer/login'],
      ['GET', '/consumer/register'],
      ['PUT', '/consumer/app'],
      ['POST', '/consumer/app/1'],
      ['GET', '/authorization/token'],
      ['GET', '/authorization/revoke'],
    ] as const) {
      const answer = await client.send(method, path, undefined);
      assert.deepEqual([answer.status, answer.json.success], [404, false], path);
    }
    for (const [origin, allowed] of [
      ['https://app.acme.example', 'https://app.acme.example'],
      ['https://evil.example', undefined],
    ] as const) {
      const preflight = await client.send('OPTIONS', '/consumer/login', undefined, { Origin: origin });
      assert.deepEqual([preflight.status, preflight.headers['access-control-allow-origin']], [204, allowed]);
      const answer = await client.login('ann', undefined, { Origin: origin });
      assert.equal(answer.headers['access-control-allow-origin'], allowed);
    }
  });

  test('LG-09 switched off it is not there, in no spelling', async () => {
    await using off = await start({ enabled: false });
    const there = createClient(off);
    for (const path of ['/consumer/login', '/authorization/token', '/consumer/register']) {
      assert.equal((await there.send('POST', path, {})).status, 404);
    }
    for (const path of ['/consumer/login/', '/Consumer/login', '/consumer%2Flogin']) {
      assert.equal(
        (await client.send('POST', path, { username: 'ann', password: PASSWORD })).status,
        404,
        path,
      );
    }
    for (const path of ['/.well-known/oauth-protected-resource', '/consumer', '/authorization']) {
      assert.equal((await client.send('GET', path)).status, 404, path);
    }
  });

  test('LG-07 guesses count for the account across all faces', async () => {
    await using small = await start();
    const there = createClient(small);
    const text = 'Your IP has sent to many requests please try again later';
    for (let guess = 0; guess < 10; guess += 1) {
      const form = { grant_type: 'password', username: 'ann', password: 'wrong' };
      const answer = await (guess % 2 === 0
        ? there.send('POST', '/consumer/login', { username: 'ann', password: 'wrong' })
        : there.token(form));
      assert.equal(answer.status, 400);
    }
    const right = { grant_type: 'password', username: 'ann', password: PASSWORD };
    assert.equal((await small.post('/oauth/token', SHOP, right)).status, 429);
    const login = await there.login();
    assertRefused(login, 403, text);
    assert.ok(Number(login.headers['retry-after']) > 0);
    const token = await there.token(right);
    assertOAuthError(token, 400, 'invalid_request', text);
    assert.ok(Number(token.headers['retry-after']) > 0);
    loginOf(await there.login('bob'));
    for (let guess = 0; guess < 21; guess += 1) {
      await there.token({ grant_type: 'client_credentials' }, there.key('machine', 'wrong'));
    }
    const blocked = await there.token({ grant_type: 'client_credentials' }, there.key('machine'));
    assertOAuthError(blocked, 400, 'invalid_request', text);
  });

  test('rights that are taken away leave its tokens', async () => {
    await using own = await start();
    const there = createClient(own);
    const login = loginOf(await there.login());
    const { storage, changes } = own.server.foundations;
    const [user] = (await storage.directory.users.page({ limit: 100 })).items.filter(
      ({ email }) => email === 'ann@acme.example',
    );
    assert.ok(user);
    await changes.users.replace({ ...user, roles: [] }, { actor: 'test' });
    assert.equal((await own.introspect(login.token)).active, false, 'nothing is left of its tables');
    assert.equal(loginOf(await there.login()).scope, 'authorization,consumer,default');
  });
});

describe('MT-02 two organizations on one server', () => {
  let server: TestServer;
  let client: Client;
  const there = { Host: 'other.localhost' };
  before(async () => {
    server = await start();
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  test('the host picks the organization, and nothing of one is good in the other', async () => {
    const [here, other] = [
      loginOf(await client.login()),
      loginOf(await client.login('ann', undefined, there)),
    ];
    assert.equal((await server.introspect(other.token, 'other-api')).client_id, 'other.fusio');
    assert.equal((await server.introspect(other.token)).active, false);
    assertRefused(await client.whoami(other.token), 401, 'Invalid access token');
    assertRefused(await client.whoami(here.token, there), 401, 'Invalid access token');
    assert.equal((await client.whoami(other.token, there)).json.name, 'ann');
    const renewed = await client.send('PUT', '/consumer/login', { refresh_token: here.refresh_token }, there);
    assertRefused(renewed, 400, 'Invalid refresh token');
    const form = { grant_type: 'client_credentials' };
    const foreign = await client.token(form, { ...client.key(), ...there });
    assertOAuthError(foreign, 401, 'invalid_client', 'Unknown credentials');
    tokenOf(await client.token(form, { ...client.key('other-shop'), ...there }));
    const revoked = await client.send('POST', '/authorization/revoke', undefined, {
      ...client.bearer(here.token),
      ...there,
    });
    assertRefused(revoked, 401, 'Invalid access token');
    const { code } = (await client.authorize(here.token, {})).json;
    const redeem = { grant_type: 'authorization_code', code };
    const elsewhere = await client.token(redeem, { ...client.key('other-shop'), ...there });
    assert.deepEqual([elsewhere.status, elsewhere.json.access_token], [400, undefined]);
    assert.equal((await server.introspect(here.token)).active, true);
  });

  test('another person’s applications are never found', async () => {
    const ann = loginOf(await client.login()).token;
    const app = await appOf(client, ann);
    const bob = loginOf(await client.login('bob')).token;
    const foreign = loginOf(await client.login('ann', undefined, there)).token;
    for (const headers of [client.bearer(bob), { ...client.bearer(foreign), ...there }]) {
      for (const [method, body] of [
        ['GET', undefined],
        ['PUT', { name: 'Stolen', scopes: ['consumer'] }],
        ['DELETE', undefined],
      ] as const) {
        const answer = await client.send(method, `/consumer/app/${app.id}`, body, headers);
        assertRefused(answer, 404, 'Could not find app');
      }
      const list = await client.send('GET', '/consumer/app', undefined, headers);
      assert.deepEqual([list.json.totalResults, list.json.entry], [0, []]);
    }
    const info = await client.send('GET', `/consumer/authorize?client_id=${app.appKey}`, undefined, there);
    assertRefused(info, 404, 'Could not find app');
    const asked = await client.send(
      'POST',
      '/consumer/authorize',
      { responseType: 'code', clientId: app.appKey, allow: true },
      { ...client.bearer(foreign), ...there },
    );
    assertRefused(asked, 400, 'Unknown client id');
    for (const id of ['0', 'x', '-1', '1e3', '%00', '99999999999999999999', app.appKey]) {
      const answer = await client.send('GET', `/consumer/app/${id}`, undefined, client.bearer(ann));
      assertRefused(answer, 404, 'Could not find app');
    }
  });
});

describe('Fusio below a prefix', () => {
  let server: TestServer;
  let client: Client;
  before(async () => {
    server = await start({}, { GRANTABLE_FACE_PREFIXES: 'fusio=/legacy/fusio' });
    client = createClient(server, '/legacy/fusio');
  });
  after(() => server[Symbol.asyncDispose]());

  test('HD-01 its documents carry URLs of the issuer whatever host is asked', async () => {
    const base = `${server.issuer}/legacy/fusio`;
    for (const host of [{}, { Host: 'other.localhost', 'X-Forwarded-Host': 'evil.example' }]) {
      for (const name of ['oauth-authorization-server', 'openid-configuration']) {
        const { status, json } = await client.send('GET', `/.well-known/${name}`, undefined, host);
        assert.equal(status, 200);
        assert.deepEqual(
          [json.issuer, json.token_endpoint, json.userinfo_endpoint],
          [base, `${base}/authorization/token`, `${base}/authorization/whoami`],
        );
        assert.deepEqual(json.token_endpoint_auth_methods_supported, ['client_secret_basic']);
        assert.equal(json.jwks_uri, `${server.issuer}/oauth/jwks`);
      }
      const { json } = await client.send('GET', '/.well-known/oauth-protected-resource', undefined, host);
      assert.deepEqual([json.resource, json.authorization_servers], [base, [base]]);
    }
    const challenge = (await client.send('GET', '/authorization/whoami')).headers['www-authenticate'];
    assert.equal(
      challenge,
      `Bearer realm="Fusio", resource_metadata="${base}/.well-known/oauth-protected-resource"`,
    );
    const native = await fetch(`${server.issuer}/.well-known/openid-configuration`);
    assert.equal(((await native.json()) as { issuer: string }).issuer, server.issuer);
    const evil = await client.send('GET', '/.well-known/openid-configuration', undefined, {
      Host: 'evil.example',
    });
    assert.equal(evil.status, 421);
  });

  test('all other routes move below the path and leave the root', async () => {
    loginOf(await client.login());
    assertOAuthError(
      await client.token({ grant_type: 'client_credentials' }, client.key(SHOP, 'x')),
      401,
      'invalid_client',
      'Unknown credentials',
    );
    assert.equal((await createClient(server).login()).status, 404);
  });
});
