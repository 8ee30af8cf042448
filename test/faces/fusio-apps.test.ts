import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { createFlow } from '../interaction/flow.ts';
import { PASSWORD, REDIRECT_URI, type TestServer, tablesOf } from '../support/server.ts';
import {
  type Answer,
  appOf,
  assertOAuthError,
  assertRefused,
  type Client,
  createClient,
  loginOf,
  SHOP,
  start,
  tokenOf,
} from './fusio-client.ts';

describe('Fusio, applications of people', () => {
  let server: TestServer;
  let client: Client;
  let ann: string;
  before(async () => {
    server = await start();
    client = createClient(server);
    ann = loginOf(await client.login()).token;
  });
  after(() => server[Symbol.asyncDispose]());

  const get = (path: string) => client.send('GET', path, undefined, client.bearer(ann));

  test('one is registered, shown with its secret, listed, changed and removed', async () => {
    const app = await appOf(client, ann, { scopes: ['authorization', 'orders', 'backend'] });
    const { json } = await get(`/consumer/app/${app.id}`);
    assert.deepEqual(Object.keys(json), [
      'id',
      'status',
      'name',
      'url',
      'appKey',
      'appSecret',
      'scopes',
      'tokens',
    ]);
    assert.deepEqual([json.id, json.status, json.name], [Number(app.id), 1, 'Foo-App']);
    assert.match(json.appSecret, /^[0-9a-f]{64}$/);
    assert.deepEqual(json.scopes, ['authorization', 'orders.read', 'orders.write']);
    assert.deepEqual(json.tokens, []);
    const second = await appOf(client, ann, { name: 'Bar', url: undefined });
    const list = (await get('/consumer/app')).json;
    assert.deepEqual([list.totalResults, list.startIndex, list.itemsPerPage], [2, 0, 16]);
    assert.deepEqual(
      list.entry.map(({ id, name, url }: Record<string, unknown>) => [id, name, url]),
      [
        [Number(second.id), 'Bar', ''],
        [Number(app.id), 'Foo-App', REDIRECT_URI],
      ],
    );
    assert.ok(!JSON.stringify(list).includes(json.appSecret));
    for (const [query, names] of [
      ['startIndex=1', ['Foo-App']],
      ['count=1', ['Bar']],
      ['startIndex=1&count=1', ['Foo-App']],
      ['startIndex=9', []],
      ['startIndex=x&count=-1', ['Bar', 'Foo-App']],
      ['search=foo', ['Foo-App']],
    ] as const) {
      const page = (await get(`/consumer/app?${query}`)).json;
      assert.deepEqual(
        page.entry.map(({ name }: { name: string }) => name),
        names,
        query,
      );
    }
    const key = client.key(app.appKey, app.appSecret);
    const token = tokenOf(await client.token({ grant_type: 'client_credentials' }, key));
    const put = (body: object) => client.send('PUT', `/consumer/app/${app.id}`, body, client.bearer(ann));
    const updated = await put({ name: 'Renamed', url: '', scopes: ['orders.read'] });
    assert.deepEqual(updated.json, { success: true, message: 'App successfully updated', id: app.id });
    const changed = (await get(`/consumer/app/${app.id}`)).json;
    assert.deepEqual([changed.name, changed.url, changed.scopes], ['Renamed', '', ['orders.read']]);
    assert.deepEqual([changed.appKey, changed.appSecret], [app.appKey, app.appSecret]);
    assert.equal((await server.introspect(token.access_token)).scope, 'orders.read');
    assert.equal((await put({ name: 'Again' })).status, 200);
    assert.deepEqual((await get(`/consumer/app/${app.id}`)).json.scopes, ['orders.read'], 'stays as it was');
    const many = await Promise.all(Array.from({ length: 5 }, (_, index) => put({ name: `Name ${index}` })));
    assert.deepEqual([...new Set(many.map(({ status }) => status))], [200], 'at once too');

    const removed = await client.send('DELETE', `/consumer/app/${app.id}`, undefined, client.bearer(ann));
    assert.deepEqual(removed.json, { success: true, message: 'App successfully deleted', id: app.id });
    assert.equal((await server.introspect(token.access_token)).active, false);
    assertOAuthError(
      await client.token({ grant_type: 'client_credentials' }, key),
      401,
      'invalid_client',
      'Unknown credentials',
    );
    assertRefused(await get(`/consumer/app/${app.id}`), 404, 'Could not find app');
  });

  test('its rights are limited by its scopes and by the person who registered it', async () => {
    const bob = loginOf(await client.login('bob'));
    const app = await appOf(client, bob.token, { scopes: ['authorization', 'orders', 'backend'] });
    assert.deepEqual(app.scopes, ['authorization', 'orders.read'], 'no more than those of bob');
    const key = client.key(app.appKey, app.appSecret);
    const answer = tokenOf(await client.token({ grant_type: 'client_credentials' }, key));
    assert.equal(answer.scope, 'authorization,orders.read');
    const seen = await server.introspect(answer.access_token);
    assert.deepEqual(tablesOf(seen), { orders: 'r' });
    assert.match(seen.sub, /^client:/);
    assert.equal(decodeJwt(answer.access_token).name, 'bob');
    assert.equal((await client.whoami(answer.access_token)).json.name, 'bob');
    const narrow = await client.token({ grant_type: 'client_credentials', scope: 'consumer' }, key);
    assertOAuthError(narrow, 400, 'invalid_scope', 'No valid scope given');
    const login = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const person = tokenOf(await client.token(login, key));
    assert.equal(person.scope, 'authorization,orders.read');
    assert.deepEqual(tablesOf(await server.introspect(person.access_token)), {
      orders: 'cru',
      products: 'r',
    });
  });

  test('an application without a place to go still asks for itself', async () => {
    const app = await appOf(client, ann, { url: '' });
    const key = client.key(app.appKey, app.appSecret);
    tokenOf(await client.token({ grant_type: 'client_credentials' }, key));
    tokenOf(await client.token({ grant_type: 'password', username: 'bob', password: PASSWORD }, key));
    assertRefused(
      await client.authorize(ann, { clientId: app.appKey, redirectUri: undefined }),
      400,
      'App has no url configured',
    );
  });

  test('a bad registration is refused with its reason', async () => {
    for (const [body, message] of [
      [{ scopes: ['consumer'] }, 'Invalid name'],
      [{ name: 'x', scopes: [] }, 'Provide at least one valid scope for the app'],
      [{ name: 'x', scopes: ['backend'] }, 'Provide at least one valid scope for the app'],
      [{ name: 'x', scopes: 'consumer' }, 'scopes must be a list of texts'],
      [{ name: 'x', scopes: ['consumer'], url: 7 }, 'Invalid url format'],
      [
        { name: 'x\n', scopes: ['consumer'], url: 'x' },
        'The url is not an absolute URI of at most 1024 characters.',
      ],
      [
        { name: 'x', scopes: ['consumer'], url: 'javascript:alert(1)' },
        'The url has the scheme javascript, which is not allowed.',
      ],
      [{ name: 'a\u202Eb', scopes: ['consumer'] }, 'The name must be one line of at most 100 characters.'],
    ] as const) {
      assertRefused(await client.createApp(ann, body), 400, message);
    }
    const bob = loginOf(await client.login('bob')).token;
    let last: Answer | undefined;
    for (let index = 0; index < 52; index += 1) {
      last = await client.createApp(bob, { name: `App ${index}`, scopes: ['consumer'] });
      if (last.status !== 201) break;
    }
    assert.ok(last);
    assertRefused(
      last,
      400,
      'Maximal amount of apps reached. Please delete another app in order to register a new one',
    );
    const { json } = await client.send('GET', '/consumer/app?count=100', undefined, client.bearer(bob));
    assert.equal(json.totalResults, 50);
  });
});

describe('Fusio, codes', () => {
  let server: TestServer;
  let client: Client;
  let ann: string;
  before(async () => {
    server = await start();
    client = createClient(server);
    ann = loginOf(await client.login()).token;
  });
  after(() => server[Symbol.asyncDispose]());

  async function codeOf(body: object = {}, token = ann): Promise<string> {
    const answer = await client.authorize(token, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json.code;
  }
  const redeem = (code: string, form: Record<string, string> = {}, headers?: Record<string, string>) =>
    client.token({ grant_type: 'authorization_code', code, ...form }, headers);

  test('a person sees what an application asks for, and gives it a code that it redeems', async () => {
    const info = await client.send('GET', '/consumer/authorize?client_id=shop&scope=backend,orders,consumer');
    assert.equal(info.status, 200);
    assert.deepEqual([info.json.name, info.json.url], [SHOP, '']);
    assert.deepEqual(
      info.json.scopes.map(({ name }: { name: string }) => name),
      ['consumer', 'orders.read', 'orders.write'],
    );
    const given = await client.authorize(ann, { scope: 'orders.read,backend,authorization', state: 'a b&c' });
    const { code } = given.json;
    assert.deepEqual(given.json, {
      type: 'code',
      code,
      state: 'a b&c',
      redirectUri: `${REDIRECT_URI}?code=${code}&state=a+b%26c`,
    });
    const answer = tokenOf(await redeem(code));
    assert.deepEqual([answer.expires_in, answer.scope], [172_800, 'authorization,orders.read']);
    const seen = await server.introspect(answer.access_token);
    assert.deepEqual([seen.username, seen.client_id], ['ann', SHOP]);
    assert.equal(seen.scope, 'orders.read');
    assert.deepEqual(tablesOf(seen), {});
    assert.equal(decodeJwt(answer.access_token).name, 'ann');
    const renewed = tokenOf(
      await client.token({ grant_type: 'refresh_token', refresh_token: answer.refresh_token }),
    );
    assert.equal(renewed.scope, answer.scope);
    assert.equal((await client.whoami(renewed.access_token)).json.name, 'ann');
    const revoked = await client.send(
      'POST',
      '/authorization/revoke',
      undefined,
      client.bearer(renewed.access_token),
    );
    assert.equal(revoked.status, 200);
    assert.equal((await server.introspect(renewed.access_token)).active, false);
  });

  test('redirect_uri and credentials may stand in the body, and nowhere to go is a place', async () => {
    const inBody = { client_id: SHOP, client_secret: server.secretOf(SHOP), redirect_uri: REDIRECT_URI };
    assert.equal(tokenOf(await redeem(await codeOf({ scope: 'default' }), inBody, {})).scope, 'default');
    const { json } = await client.authorize(ann, { redirectUri: undefined, scope: 'consumer', state: 'x' });
    assert.equal(json.redirectUri, '#');
    assert.equal(tokenOf(await redeem(json.code)).scope, 'consumer');
    const bob = loginOf(await client.login('bob')).token;
    assert.equal(tokenOf(await redeem(await codeOf({ scope: 'orders' }, bob))).scope, 'orders.read');
    const app = await appOf(client, bob);
    const key = client.key(app.appKey, app.appSecret);
    const own = tokenOf(await redeem(await codeOf({ clientId: app.appKey }), {}, key));
    assert.equal(own.scope, 'authorization,consumer,orders.read', 'what the application may have of ann');
  });

  test('who refuses gives no code, and what is wrong is said', async () => {
    for (const allow of [false, undefined, 'true', 1]) {
      const denied = await client.authorize(ann, { allow, state: 'x' });
      assert.deepEqual(denied.json, {
        type: 'access_denied',
        state: 'x',
        redirectUri: `${REDIRECT_URI}?error=access_denied&state=x`,
      });
    }
    const nowhere = await client.authorize(ann, { allow: false, redirectUri: undefined });
    assert.deepEqual(nowhere.json, { type: 'access_denied', redirectUri: '#' });
    const elsewhere = 'Redirect uri must have the same host as the app url';
    for (const [body, message] of [
      [{ responseType: 'token' }, 'Invalid response type'],
      [{ responseType: undefined }, 'Invalid response type'],
      [{ clientId: undefined }, 'No client id provided'],
      [{ clientId: 'nobody' }, 'Unknown client id'],
      [{ clientId: 'web' }, 'Unknown client id'],
      [{ clientId: 'machine' }, 'Unknown client id'],
      [{ clientId: 'acme.fusio' }, 'Unknown client id'],
      [{ clientId: 'other-web' }, 'Unknown client id'],
      [{ scope: 'backend' }, 'No valid scopes provided'],
      [{ redirectUri: 'foo' }, 'Redirect uri must be an absolute url'],
      [{ redirectUri: 'foo://app.acme.example' }, 'Invalid redirect uri scheme'],
      [{ redirectUri: 'javascript:alert(1)' }, 'Invalid redirect uri scheme'],
      [{ redirectUri: 'https://evil.example/callback' }, elsewhere],
      [{ redirectUri: 'https://app.acme.example@evil.example/callback' }, elsewhere],
      [{ redirectUri: 'https://app.acme.example:8443/callback' }, elsewhere],
      [{ redirectUri: `${REDIRECT_URI}/` }, 'Redirect uri must be the app url'],
      [{ redirectUri: `${REDIRECT_URI}/../x` }, 'Redirect uri must be the app url'],
      [{ redirectUri: `${REDIRECT_URI}?x` }, 'Redirect uri must be the app url'],
      [{ redirectUri: `${REDIRECT_URI}#` }, 'Redirect uri must be the app url'],
    ] as const) {
      assertRefused(await client.authorize(ann, body), 400, message);
      if (!('scope' in body))
        assertRefused(await client.authorize(ann, { ...body, allow: false }), 400, message);
    }
    const machine = tokenOf(await client.token({ grant_type: 'client_credentials' })).access_token;
    assert.equal((await client.authorize(machine, {})).status, 401);
  });

  test('AZ-10 a code is good once, and a second use ends its tokens', async () => {
    const code = await codeOf();
    const first = tokenOf(await redeem(code));
    assertOAuthError(await redeem(code), 400, 'invalid_grant', 'Invalid code');
    assert.equal((await server.introspect(first.access_token)).active, false);
    assertOAuthError(
      await client.token({ grant_type: 'refresh_token', refresh_token: first.refresh_token }),
      400,
      'invalid_request',
      'Invalid refresh token',
    );
    const contested = await codeOf();
    const answers = await Promise.all(Array.from({ length: 12 }, () => redeem(contested)));
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
    const old = await codeOf();
    server.clock.offset = 61_000;
    assertOAuthError(await redeem(old), 400, 'invalid_grant', 'Invalid code');
    server.clock.offset = 0;
  });

  test('AZ-10 AZ-11 another application, another redirect URI or half a code burns it', async () => {
    const bob = loginOf(await client.login('bob')).token;
    const app = await appOf(client, bob);
    const thief = client.key(app.appKey, app.appSecret);
    for (const spoil of [
      (code: string) => redeem(code, {}, thief),
      (code: string) => redeem(code, { redirect_uri: 'https://evil.example/callback' }),
      (code: string) => redeem(code.split('.')[0] ?? ''),
      (code: string) => redeem(`${code.split('.')[0]}.${'x'.repeat(43)}`),
      (code: string) => redeem(`${code.split('.')[0]}.${'x'.repeat(42)}`),
    ]) {
      const code = await codeOf();
      assertOAuthError(await spoil(code), 400, 'invalid_grant', 'Invalid code');
      assertOAuthError(await redeem(code), 400, 'invalid_grant', 'Invalid code');
    }
    const wrongSecret = await codeOf();
    const refused = await redeem(wrongSecret, {}, client.key(SHOP, 'wrong'));
    assertOAuthError(refused, 401, 'invalid_client', 'Unknown credentials');
    tokenOf(await redeem(wrongSecret));
  });

  test('a browser’s code is not redeemed here', async () => {
    const flow = createFlow(server);
    const parameters = { client_id: SHOP, scope: 'orders.read' };
    const { code, pkce } = await flow.login(parameters);
    assertOAuthError(
      await redeem(`${code}.${pkce.verifier}`, { redirect_uri: REDIRECT_URI }),
      400,
      'invalid_grant',
      'Invalid code',
    );
    const [own = '', verifier = ''] = (await codeOf()).split('.');
    const { status, json } = await flow.redeem(own, verifier, SHOP);
    assert.deepEqual([status, json.scope], [200, 'orders.read orders.write']);
    assertRefused(await client.whoami(json.access_token), 401, 'Invalid access token');
  });

  test('a code of a person who was disabled or changed the password gives nothing', async () => {
    const { storage, changes } = server.server.foundations;
    const find = async () => {
      const { items } = await storage.directory.users.page({ limit: 100 });
      const found = items.find(
        ({ username, realm, roles }) => username === 'bob' && realm && roles.length > 0,
      );
      assert.ok(found);
      return found;
    };
    const bob = loginOf(await client.login('bob')).token;
    const code = await codeOf({}, bob);
    await changes.users.replace({ ...(await find()), enabled: false }, { actor: 'test' });
    assertOAuthError(await redeem(code), 400, 'invalid_grant', 'Invalid code');
    await changes.users.replace({ ...(await find()), enabled: true }, { actor: 'test' });
    assertRefused(await client.whoami(bob), 401, 'Invalid access token');
  });
});
