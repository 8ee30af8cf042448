import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { explainToken } from '../../src/admin/explain.ts';
import { formatExplanation } from '../../src/admin/explain-report.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';

const ADMIN_PASSWORD = 'correct-horse-battery-staple';
const DAY = 86_400_000;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  readonly json: { accessToken: string; refreshToken: string; error?: number; message?: string } & Record<
    string,
    any
  >;
}

interface Payload {
  readonly a: number[];
  readonly e: number;
  readonly t: number;
  readonly u: number;
  readonly n: string[];
  readonly dt: string[];
  readonly tpc?: string;
}

const payloadOf = (jwt: string): Payload => decodeJwt(jwt).payload as Payload;

async function start(settings: object = {}): Promise<TestServer> {
  return startServer({
    env: { GRANTABLE_HOSTS: 'other.localhost' },
    fixture(fixture) {
      const [acme, other] = fixture.organizations;
      acme.applications[0].grants.push('token_exchange');
      acme.faces = {
        devicehive: {
          application: 'shop',
          administrators: true,
          plugins: [
            { topic: 'plugin_topic_x', creator: 'ann' },
            { topic: 'plugin_topic_y', creator: 'bob' },
          ],
          ...settings,
        },
      };
      const [ann, bob] = acme.users;
      ann.devicehive = { networks: ['4', '7'], deviceTypes: ['2'] };
      bob.devicehive = { actions: ['GetDevice', 'ManageToken'], networks: ['4'] };
      acme.users.push({ username: 'gone', password: PASSWORD, application: 'shop', enabled: false });
      other.hosts = ['other.localhost'];
      other.faces = { devicehive: { application: 'other-shop' } };
      fixture.administrators = [
        { username: 'root', password: ADMIN_PASSWORD, organizations: ['acme'] },
        { username: 'foreign', password: ADMIN_PASSWORD, organizations: ['other'] },
      ];
    },
  });
}

function createClient({ issuer }: TestServer) {
  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(issuer + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      text,
      headers: response.headers,
      json: text.startsWith('{') ? JSON.parse(text) : {},
    };
  }
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  return {
    send,
    bearer,
    login: (login = 'ann', password = PASSWORD) => send('POST', '/token', { login, password }),
    create: (token: string, body: unknown, base = '') =>
      send('POST', `${base}/token/create`, body, bearer(token)),
    refresh: (refreshToken: unknown) => send('POST', '/token/refresh', { refreshToken }),
    pluginCreate: (token: string, body: unknown) => send('POST', '/token/plugin/create', body, bearer(token)),
  };
}

const pairOf = ({ status, json, text }: Answer) => {
  assert.equal(status, 201, text);
  assert.deepEqual(Object.keys(json), ['accessToken', 'refreshToken']);
  return json;
};

const devicesOf = (seen: Record<string, any>) => {
  const {
    type: _,
    locations,
    ...rest
  } = seen.authorization_details.find((detail: { type: string }) => detail.type === 'devicehive') ?? {
    locations: [],
  };
  assert.deepEqual(locations, [RESOURCE]);
  return rest;
};

/** As `grantable explain` shows it. */
async function explained({ server: { foundations } }: TestServer, value: string): Promise<string> {
  return formatExplanation(await explainToken(value, foundations), foundations.now()).join('\n');
}

describe('DeviceHive', () => {
  let server: TestServer;
  let client: ReturnType<typeof createClient>;
  before(async () => {
    server = await start();
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  test('a login gives a pair whose payload says what the user may do', async () => {
    server.clock.stoppedAt = Date.now();
    const { accessToken, refreshToken } = pairOf(await client.login());
    const payload = payloadOf(accessToken);
    assert.deepEqual(payload.a, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17]);
    assert.deepEqual([payload.n, payload.dt, payload.t], [['4', '7'], ['2'], 1]);
    assert.equal(typeof payload.u, 'number');
    const claims = decodeJwt(accessToken);
    assert.equal(Number(claims.exp) - Number(claims.iat), 1800);
    assert.equal(payload.e, Number(claims.exp) * 1000);
    const refresh = payloadOf(refreshToken);
    assert.deepEqual([refresh.t, refresh.u], [0, payload.u]);
    assert.equal(refresh.e, Math.floor(server.clock.stoppedAt / 1000) * 1000 + 182 * DAY);
    delete server.clock.stoppedAt;
    const seen = await server.introspect(accessToken);
    assert.deepEqual([seen.active, seen.username, seen.client_id], [true, 'ann', 'acme.devicehive']);
    assert.deepEqual(tablesOf(seen), { orders: 'cru', products: 'r' });
    assert.deepEqual(devicesOf(seen).networks, ['4', '7']);
    assert.deepEqual(devicesOf(seen).topics, ['plugin_topic_x']);
    assert.equal((await server.post('/oauth/revoke', 'shop', { token: accessToken })).status, 200);
    assert.equal((await server.introspect(accessToken)).active, false);
    assert.equal((await client.create(accessToken, { userId: payload.u })).status, 401);
  });

  test('it is served below /dh/rest too and answers pages of any origin', async () => {
    const info = await client.send('GET', '/dh/rest/info');
    assert.equal(info.status, 200);
    assert.deepEqual(Object.keys(info.json), ['apiVersion', 'serverTimestamp', 'webSocketServerUrl']);
    assert.match(info.json.serverTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/);
    assert.match(info.json.webSocketServerUrl, /^ws:\/\/localhost:\d+\/dh\/websocket$/);
    const login = await client.send(
      'POST',
      '/dh/rest/token',
      { login: 'ann', password: PASSWORD },
      { origin: 'https://anywhere.example' },
    );
    pairOf(login);
    assert.equal(login.headers.get('access-control-allow-origin'), '*');
    const preflight = await client.send('OPTIONS', '/token/create', undefined, {
      origin: 'https://anywhere.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    });
    assert.equal(preflight.status, 204);
    assert.match(String(preflight.headers.get('access-control-allow-headers')), /Auth-DeviceKey/);
  });

  test('a closed account is told only to a caller with its password', async () => {
    const wrong = await client.login('ann', 'wrong');
    assert.deepEqual([wrong.status, wrong.text], [401, '{"error":401,"message":"Invalid credentials"}']);
    assert.deepEqual(
      [(await client.login('nobody')).status, (await client.login('nobody')).text],
      [401, wrong.text],
    );
    assert.equal((await client.login('gone', 'wrong')).text, wrong.text);
    assert.equal((await client.login('gone')).json.message, 'User is locked or disabled');
    for (const body of [
      { login: '', password: 'x' },
      { login: 'ann' },
      { login: 'ann', password: '' },
      { login: 7, password: 'x' },
    ]) {
      const refused = await client.send('POST', '/token', body);
      assert.equal(refused.status, 400);
      assert.equal(refused.json.message, 'Invalid or empty authorization request parameters');
    }
    const broken = await client.send('POST', '/dh/rest/token', '{"login": ');
    assert.deepEqual([broken.status, broken.json.message], [400, 'Invalid request parameters']);
  });

  test('names, numbers and texts are taken for actions and ids', async () => {
    const { accessToken } = pairOf(await client.login());
    const { u: userId } = payloadOf(accessToken);
    const cases: [object, Partial<Payload>][] = [
      [{}, { a: [1], n: ['4', '7'], dt: ['2'] }],
      [{ actions: [] }, { a: [1] }],
      [{ actions: [1] }, { a: [1] }],
      [{ actions: ['getdevice', 5, 'GetDeviceState', 99] }, { a: [3, 5] }],
      [
        { actions: [2, 3], networkIds: [4], deviceTypeIds: ['2'] },
        { a: [2, 3], n: ['4'], dt: ['2'] },
      ],
      [
        { actions: [3], networkIds: null, deviceTypeIds: null },
        { n: ['4', '7'], dt: ['2'] },
      ],
      [{ actions: [3], networkIds: [] }, { n: [] }],
    ];
    for (const [body, expected] of cases) {
      const pair = pairOf(await client.create(accessToken, { userId, ...body }));
      for (const token of [pair.accessToken, pair.refreshToken]) {
        const payload = payloadOf(token);
        for (const [name, value] of Object.entries(expected)) {
          assert.deepEqual(payload[name as keyof Payload], value, JSON.stringify(body));
        }
      }
    }
    for (const body of [
      {},
      { userId: 'x' },
      { userId: 1.5 },
      { userId: -1 },
      { userId: '1' },
      { userId: null },
    ]) {
      const refused = await client.create(accessToken, body);
      assert.equal(refused.status, 400);
      assert.match(
        String(refused.json.message),
        /^Error! Make sure, that the passed object is correct: property userId/,
      );
    }
    for (const wrong of [
      { actions: 'GetDevice' },
      { actions: [{}] },
      { actions: [1.5] },
      { networkIds: [null] },
      { expiration: 'soon' },
      { expiration: 1000 },
    ]) {
      const refused = await client.create(accessToken, { userId, ...wrong });
      assert.deepEqual(
        [refused.status, refused.json.message],
        [400, 'Invalid request parameters'],
        JSON.stringify(wrong),
      );
    }
  });

  test('LG-03 a caller cannot mint above its own rights', async () => {
    const ann = pairOf(await client.login());
    const bob = pairOf(await client.login('bob'));
    const root = pairOf(await client.login('root', ADMIN_PASSWORD));
    const numbers = { ann: payloadOf(ann.accessToken).u, bob: payloadOf(bob.accessToken).u };
    const denied = async (token: string, body: object) => {
      const { status, json } = await client.create(token, body);
      assert.deepEqual([status, json.message], [403, 'Access is denied'], JSON.stringify(body));
    };
    await denied(bob.accessToken, { userId: numbers.ann, actions: [3] });
    await denied(bob.accessToken, { userId: 999_999 });
    await denied(bob.accessToken, { userId: numbers.bob, actions: ['GetNetwork'] });
    await denied(bob.accessToken, { userId: numbers.bob, actions: ['*'] });
    await denied(bob.accessToken, { userId: numbers.bob, actions: [3], networkIds: ['7'] });
    await denied(bob.accessToken, { userId: numbers.bob, actions: [3], networkIds: ['*'] });
    await denied(ann.accessToken, { userId: numbers.ann, actions: [3], deviceTypeIds: ['*'] });

    const onlyToken = pairOf(
      await client.create(bob.accessToken, { userId: numbers.bob, actions: ['ManageToken'] }),
    );
    await denied(onlyToken.accessToken, { userId: numbers.bob, actions: ['GetDevice'] });
    const powerless = pairOf(
      await client.create(bob.accessToken, { userId: numbers.bob, actions: ['GetDevice'] }),
    );
    await denied(powerless.accessToken, { userId: numbers.bob });

    assert.deepEqual(payloadOf(root.accessToken).a, [0]);
    const minted = pairOf(
      await client.create(root.accessToken, { userId: numbers.bob, actions: [3], networkIds: null }),
    );
    assert.deepEqual(payloadOf(minted.accessToken), {
      ...payloadOf(minted.accessToken),
      a: [3],
      n: ['4'],
      dt: ['*'],
      u: numbers.bob,
    });
    const seen = await server.introspect(minted.accessToken);
    assert.deepEqual([seen.username, seen.act.sub], ['bob', decodeJwt(root.accessToken).sub]);
    assert.deepEqual(
      [tablesOf(seen), seen.scope],
      [{}, undefined],
      'whoever asks for devices hands on nothing else',
    );
    await denied(root.accessToken, { userId: numbers.bob, actions: ['GetNetwork'] });
    const all = { actions: ['*'], networkIds: ['*'], deviceTypeIds: ['*'] };
    const theirs = payloadOf(
      pairOf(await client.create(root.accessToken, { userId: numbers.bob, ...all })).accessToken,
    );
    assert.deepEqual([theirs.a, theirs.n, theirs.dt], [[3, 15], ['4'], ['*']]);
    const unknown = await client.create(root.accessToken, { userId: 999_999 });
    assert.deepEqual([unknown.status, unknown.json.message], [404, 'User with id = 999999 not found']);
  });

  test('MT-02 a user of another organization is unknown', async () => {
    const root = pairOf(await client.login('root', ADMIN_PASSWORD));
    const { foundations } = server.server;
    const foreign = await foundations.storage.directory.users.page({ limit: 100 });
    const acme = await foundations.storage.directory.organizations.findBy('name', 'acme');
    const other = foreign.items.find(
      ({ organization }) => organization !== undefined && organization !== acme?.id,
    );
    assert.ok(other);
    const refused = await client.create(root.accessToken, { userId: other.number });
    assert.deepEqual(
      [refused.status, refused.json.message],
      [404, `User with id = ${other.number} not found`],
    );
    assert.equal((await client.login('foreign', ADMIN_PASSWORD)).status, 401);
  });

  test('LG-03 expiration counts for both tokens and is capped by the login', async () => {
    const { accessToken } = pairOf(await client.login());
    const { u: userId } = payloadOf(accessToken);
    const at = Date.now() + 3_600_000;
    const text = new Date(at).toISOString();
    for (const expiration of [at, text, text.slice(0, -1)]) {
      const pair = pairOf(await client.create(accessToken, { userId, actions: [3], expiration }));
      for (const token of [pair.accessToken, pair.refreshToken]) {
        assert.ok(Math.abs(payloadOf(token).e - at) <= 1000);
      }
    }
    const both = pairOf(
      await client.create(accessToken, { userId, expiration: at, refreshExpiration: at + DAY }),
    );
    assert.ok(Math.abs(payloadOf(both.refreshToken).e - at - DAY) <= 1000);
    const far = pairOf(await client.create(accessToken, { userId, expiration: Date.now() + 400 * DAY }));
    assert.ok(payloadOf(far.refreshToken).e <= Date.now() + 182 * DAY);
    assert.ok(payloadOf(far.accessToken).e <= Date.now() + 30 * DAY + 1000);
    for (const expiration of [Date.now() - 1000, '2001-01-01T00:00:00']) {
      assert.equal((await client.create(accessToken, { userId, expiration })).status, 400);
    }
  });

  test('a refresh gives an access token with the same rights', async () => {
    const { accessToken } = pairOf(await client.login());
    const { u: userId } = payloadOf(accessToken);
    const pair = pairOf(await client.create(accessToken, { userId, actions: [3], networkIds: [4] }));
    for (let round = 0; round < 2; round += 1) {
      const again = await client.refresh(pair.refreshToken);
      assert.equal(again.status, 201);
      assert.deepEqual(Object.keys(again.json), ['accessToken']);
      const { a, n, dt, u } = payloadOf(again.json.accessToken);
      assert.deepEqual({ a, n, dt, u }, { a: [3], n: ['4'], dt: ['2'], u: userId });
    }
    const wrongType = await client.refresh(pair.accessToken);
    assert.deepEqual([wrongType.status, wrongType.json.message], [401, 'Invalid token type']);
    for (const value of [tampered(pair.refreshToken), 'x.y.z', 'garbage']) {
      const refused = await client.refresh(value);
      assert.deepEqual([refused.status, refused.json], [401, { error: 401, message: 'Unauthorized' }]);
    }
    assert.equal((await client.refresh(undefined)).status, 400);
    assert.equal((await client.create(pair.refreshToken, { userId })).json.message, 'Unauthorized');
  });

  test('tokens minted by a login end with the login', async () => {
    const login = pairOf(await client.login());
    const { u: userId } = payloadOf(login.accessToken);
    const minted = pairOf(await client.create(login.accessToken, { userId, actions: [15, 3] }));
    const below = pairOf(await client.create(minted.accessToken, { userId, actions: [3] }));
    // The short-lived token that it was asked with is not what it hangs below.
    await server.post('/oauth/revoke', 'shop', { token: minted.accessToken });
    assert.equal((await server.introspect(below.accessToken)).active, true);
    assert.equal((await server.post('/oauth/revoke', 'shop', { token: login.refreshToken })).status, 200);
    for (const token of [login.accessToken, below.accessToken]) {
      assert.equal((await server.introspect(token)).active, false);
    }
    for (const { refreshToken } of [login, minted, below]) {
      const refused = await client.refresh(refreshToken);
      assert.deepEqual([refused.status, refused.json], [401, { error: 401, message: 'Unauthorized' }]);
    }
  });

  test('rights that are taken away are gone from minted tokens at the next introspection', async () => {
    await using own = await start();
    const mine = createClient(own);
    const login = pairOf(await mine.login());
    const { u: userId } = payloadOf(login.accessToken);
    const minted = pairOf(
      await mine.create(login.accessToken, { userId, actions: [3, 5], networkIds: [4, 7] }),
    );
    const { changes, users } = own.server.foundations;
    const user = await users.findBySubject(String(decodeJwt(login.accessToken).sub));
    assert.ok(user);
    const narrowed = await changes.users.replace(
      { ...user, faces: { devicehive: { actions: ['GetDevice'], networks: ['7'] } } },
      { actor: 'test' },
    );
    assert.deepEqual(devicesOf(await own.introspect(minted.accessToken)), {
      actions: ['GetDevice'],
      networks: ['7'],
      deviceTypes: ['2'],
    });
    const again = await mine.refresh(minted.refreshToken);
    assert.deepEqual(payloadOf(again.json.accessToken).a, [3]);
    const text = await explained(own, minted.accessToken);
    assert.match(text, /asked for through: devicehive/);
    assert.match(text, /devices, networks: 7\n/);
    assert.match(text, /networks 4, taken away by: roles of user ann/);
    assert.match(text, /actions GetDeviceCommand, taken away by: roles of user ann/);
    await changes.users.replace({ ...narrowed, enabled: false }, { actor: 'test' });
    assert.equal((await own.introspect(minted.accessToken)).active, false);
    assert.equal((await mine.refresh(minted.refreshToken)).status, 401);
  });

  test('expired tokens are told as the SDK watches for them', async () => {
    await using own = await start();
    const mine = createClient(own);
    const { accessToken, refreshToken } = pairOf(await mine.login());
    const { u: userId } = payloadOf(accessToken);
    assert.equal((await mine.send('POST', '/token/create', { userId })).json.message, 'Unauthorized');
    assert.equal((await mine.create(tampered(accessToken), { userId })).json.message, 'Unauthorized');
    const basic = await mine.send('POST', '/token/create', { userId }, { authorization: 'Basic YTpi' });
    assert.equal(basic.status, 401);
    own.clock.offset = 1801_000;
    const over = await mine.create(accessToken, { userId });
    assert.deepEqual([over.status, over.json.message], [401, 'Token expired']);
    assert.equal((await mine.refresh(refreshToken)).status, 201);
    own.clock.offset = 183 * DAY;
    const ended = await mine.refresh(refreshToken);
    assert.deepEqual([ended.status, ended.json.message], [401, 'Token has expired']);
  });

  test('plugins: a pair for a topic, by its creator only, good for nothing else', async () => {
    const ann = pairOf(await client.login());
    const expiry = Date.parse('2031-01-02T03:04:05Z');
    const made = pairOf(
      await client.pluginCreate(ann.accessToken, {
        a: [3, 5],
        e: Date.now() + 60_000,
        t: 1,
        tpc: 'plugin_topic_x',
      }),
    );
    const payload = payloadOf(made.accessToken);
    assert.deepEqual(Object.keys(payload), ['a', 'e', 't', 'tpc']);
    assert.deepEqual([payload.a, payload.t, payload.tpc], [[3, 5], 1, 'plugin_topic_x']);
    const path = '/token/plugin/authenticate?token=';
    const known = await client.send('GET', path + made.accessToken);
    assert.equal(known.status, 200);
    assert.deepEqual(known.json, {
      a: [3, 5],
      e: new Date(payload.e).toISOString().slice(0, -1),
      t: 1,
      tpc: 'plugin_topic_x',
    });
    assert.ok(expiry > 0);
    const refused = async (token: string, body: object, message: string) => {
      const { status, json } = await client.pluginCreate(token, body);
      assert.deepEqual([status, json.message], [403, message]);
    };
    const { u } = payloadOf(ann.accessToken);
    await refused(ann.accessToken, { a: [3], tpc: 'nowhere' }, 'No permisions or invalid topic name');
    await refused(
      ann.accessToken,
      { a: [3], tpc: 'plugin_topic_y' },
      `User with id ${u} is not a plugin creator`,
    );
    const bob = pairOf(await client.login('bob'));
    await refused(bob.accessToken, { a: [3], tpc: 'plugin_topic_y' }, 'Access is denied');
    const told = async (token: string, message: string) => {
      const { status, json } = await client.send('GET', path + token);
      assert.deepEqual([status, json.message], [401, message]);
    };
    await told('', 'Token is empty');
    await told('garbage', 'Token is not valid');
    await told(made.refreshToken, 'Invalid token type');
    await told(ann.accessToken, 'Plugin is not found');
    const nowhere = { userId: u, actions: ['ManagePlugin'], networkIds: [], deviceTypeIds: [] };
    const pair = pairOf(await client.create(ann.accessToken, nowhere));
    await told(pair.accessToken, 'Plugin is not found');
    pairOf(await client.pluginCreate(pair.accessToken, { a: [16], tpc: 'plugin_topic_x' }));
    const everything = pairOf(
      await client.pluginCreate(ann.accessToken, { a: [0], t: 0, tpc: 'plugin_topic_x' }),
    );
    assert.deepEqual(payloadOf(everything.accessToken).a, payloadOf(ann.accessToken).a);
    const again = await client.refresh(made.refreshToken);
    assert.equal(payloadOf(again.json.accessToken).tpc, 'plugin_topic_x');
    const seen = devicesOf(await server.introspect(made.accessToken));
    assert.deepEqual(seen, { actions: ['GetDevice', 'GetDeviceCommand'], topics: ['plugin_topic_x'] });
  });

  test('a token that is traded natively narrows its devices by the same rules', async () => {
    const { accessToken } = pairOf(await client.login());
    const exchange = (details?: object[]) =>
      server.post('/oauth/token', 'shop', {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: accessToken,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        ...(details && { authorization_details: JSON.stringify(details) }),
      });
    const whole = await exchange();
    assert.deepEqual(devicesOf(whole.json).networks, ['4', '7'], whole.text);
    const less = await exchange([{ type: 'devicehive', actions: ['GetDevice'], networks: ['4'] }]);
    assert.deepEqual(devicesOf(less.json), { actions: ['GetDevice'], networks: ['4'] });
    assert.deepEqual(tablesOf(less.json), {});
    const none = await exchange([{ type: 'table_access', identifier: 'orders', actions: ['read'] }]);
    assert.deepEqual(none.json.authorization_details.length, 1);
    for (const detail of [
      { type: 'devicehive', actions: ['ManageUser'] },
      { type: 'devicehive', actions: ['GetDevice'], networks: ['*'] },
      { type: 'devicehive', actions: [] },
      { type: 'devicehive', actions: ['Fly'] },
    ]) {
      const refused = await exchange([detail]);
      assert.equal(refused.json.error, 'invalid_authorization_details', JSON.stringify(detail));
    }
    const foreign = await server.token('machine', {
      resource: RESOURCE,
      authorization_details: JSON.stringify([{ type: 'devicehive', actions: ['GetDevice'] }]),
    });
    assert.equal(foreign.json.error, 'invalid_authorization_details');
  });

  test('LG-07 wrong passwords here count against the account everywhere', async () => {
    await using own = await start();
    const mine = createClient(own);
    for (let guess = 0; guess < 10; guess += 1)
      assert.equal((await mine.login('ann', `wrong ${guess}`)).status, 401);
    const locked = await mine.login();
    assert.equal(locked.status, 429);
    assert.ok(Number(locked.headers.get('retry-after')) > 0);
    const native = await own.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assert.equal(native.status, 429);
  });

  test('LG-08 tokens of other faces are refused here, and the other way round', async () => {
    const native = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    const refused = await client.create(native.json.access_token, { userId: 1 });
    assert.deepEqual([refused.status, refused.json.message], [401, 'Unauthorized']);
    assert.equal((await client.refresh(native.json.refresh_token)).status, 401);
    const { refreshToken } = pairOf(await client.login());
    const elsewhere = await server.post('/oauth/token', 'shop', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    assert.equal(elsewhere.json.error, 'invalid_grant');
    assert.equal((await client.refresh(refreshToken)).status, 201);
  });

  test('LG-09 switched off it is not there, in no spelling', async () => {
    await using own = await start({ enabled: false });
    for (const path of ['/token', '/dh/rest/token', '/info', '/token/create', '/TOKEN', '/token/']) {
      const response = await fetch(own.issuer + path, {
        method: path.endsWith('info') ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        ...(!path.endsWith('info') && { body: '{"login":"ann","password":"x"}' }),
      });
      assert.equal(response.status, 404, path);
    }
  });
});
