import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { toStoredSecret } from '../../src/directory/client-secrets.ts';
import { builtInRoleId } from '../../src/nouns/built-in.ts';
import type { User } from '../../src/nouns/index.ts';
import { toWritten } from '../../src/permissions/permissions-json.ts';
import { fromStored } from '../../src/permissions/stored.ts';
import { basic, PASSWORD, RESOURCE, type TestServer, tablesOf } from '../support/server.ts';
import { tampered } from '../support/tampered.ts';
import {
  assertRefused,
  assertWrongLogin,
  CALLER,
  CLERK,
  createClient,
  DAY,
  idsOfRows,
  NEW_PASSWORD,
  ORGANIZATION_SECRET,
  OTHER_SECRET,
  type Sent,
  start,
  USER_KEYS,
  WEEK,
} from './usergrid-client.ts';

describe('Usergrid: the API around the tokens', () => {
  let server: TestServer;
  let client: ReturnType<typeof createClient>;
  before(async () => {
    server = await start({ queryCredentials: true });
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const userOf = async (username: string) => {
    const { directory } = server.server.foundations.storage;
    const shop = await directory.applications.findBy('clientId', 'shop');
    return directory.users.findBy('username', `application:${shop?.id}/${username}`);
  };
  const roleOf = async (name: string) => {
    const { directory } = server.server.foundations.storage;
    const acme = await directory.organizations.findBy('name', 'acme');
    return directory.roles.findBy('name', `${acme?.id}/${name}`);
  };

  test('a caller is known by the query, then the header, then id and secret', async () => {
    const [app, ann] = [await client.application(), await client.user('ann')];
    const path = '/acme/shop/users/bob';
    const raw = (id: string, secret: string) => ({
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
    });
    const secret = server.secretOf('shop');
    for (const [query, sent] of [
      [`?access_token=${app}`, {}],
      [`?access_token=${app}`, { token: 'x' }],
      [`?access_token=${app}`, { token: ann }],
      ['?access_token=', { token: app }],
      ['?', { token: app, headers: { 'content-type': 'application/json' } }],
      [`?client_id=shop&client_secret=${secret}`, {}],
      ['', { headers: raw('shop', secret) }],
      ['', { headers: raw('acme-org', ORGANIZATION_SECRET) }],
      ['', { token: await client.organization() }],
      ['', { token: await client.root() }],
      ['?callback=alert', { token: app }],
    ] as [string, Sent][]) {
      const answer = await client.send('GET', path + query, sent);
      assert.equal(answer.status, 200, `${query} ${answer.text}`);
      assert.equal(answer.json.entities[0].username, 'bob');
      assert.ok(!answer.text.includes(secret) && !answer.text.includes(app), 'nothing secret is echoed');
    }
    const native = (await server.token('shop')).json.access_token;
    const foreign = await client.ok(client.password('ann', {}, '/other/other-shop/token'));
    for (const [query, sent, error] of [
      ['', {}, 'unauthorized'],
      ['?access_token=x', {}, 'auth_bad_access_token'],
      ['', { token: 'x' }, 'auth_bad_access_token'],
      ['', { headers: { authorization: 'Bearer' } }, 'auth_bad_access_token'],
      ['', { headers: { authorization: 'Basic !' } }, 'auth_invalid_credentials'],
      ['', { token: 'gat_'.padEnd(60, 'x') }, 'auth_invalid'],
      ['', { token: tampered(app) }, 'auth_invalid'],
      ['', { token: native }, 'auth_invalid'],
      ['', { token: foreign.access_token }, 'auth_invalid'],
      ['', { headers: raw('shop', 'wrong') }, 'auth_invalid_credentials'],
      ['', { headers: raw('machine', server.secretOf('machine')) }, 'auth_invalid_credentials'],
      ['', { headers: raw('other-org', OTHER_SECRET) }, 'auth_invalid_credentials'],
      ['', { headers: raw('ann', PASSWORD) }, 'auth_invalid_credentials'],
      ['?client_id=shop&client_secret=wrong', {}, 'invalid_client'],
    ] as [string, Sent, string][]) {
      assertRefused(await client.send('GET', path + query, sent), 401, error);
    }
    assertRefused(
      await client.send('GET', `${path}?access_token=${app}&access_token=${ann}`),
      400,
      'illegal_argument',
    );
    server.clock.offset += 3_601_000;
    assertRefused(await client.send('GET', path, { token: app }), 401, 'expired_token');
    server.clock.offset = 0;
  });

  test('LG-08 its tokens and native ones stay apart and end wherever they are ended', async () => {
    const ann = await client.user('ann');
    const userinfo = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${ann}` },
    });
    assert.equal(userinfo.status, 401);
    assert.equal((await server.post('/oauth/revoke', 'shop', { token: ann })).status, 200);
    assertRefused(await client.send('GET', '/acme/shop/users/me', { token: ann }), 401, 'auth_invalid');
    const bob = await client.user('bob');
    await client.ok(client.send('PUT', '/acme/shop/users/bob/revoketokens', { token: bob }));
    assert.equal((await server.introspect(bob)).active, false);
    const refresh = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'bob',
      password: PASSWORD,
    });
    const token = await client.user('bob');
    await client.ok(client.send('POST', '/acme/shop/users/me/revoketokens', { token }));
    const refreshed = await server.post('/oauth/token', 'shop', {
      grant_type: 'refresh_token',
      refresh_token: refresh.json.refresh_token,
    });
    assert.equal(refreshed.status, 400, 'logins elsewhere end too');
    assert.equal((await client.password('bob')).status, 200, 'a new login is possible');
  });

  test('users read themselves, and owners their users', async () => {
    const ann = await client.user('ann');
    const { id, createdAt } = (await userOf('ann'))!;
    for (const name of ['me', 'ann', 'ann@acme.example', id]) {
      const answer = await client.ok(client.send('GET', `/acme/shop/users/${name}`, { token: ann }));
      assert.deepEqual(Object.keys(answer), [
        'action',
        'application',
        'params',
        'path',
        'uri',
        'entities',
        'timestamp',
        'duration',
        'organization',
        'applicationName',
      ]);
      assert.deepEqual([answer.action, answer.path, answer.organization], ['get', '/users', 'acme']);
      assert.equal(answer.uri, `${server.issuer}/acme/shop/users`);
      const [user] = answer.entities;
      assert.deepEqual(Object.keys(user), USER_KEYS);
      assert.deepEqual([user.uuid, user.created], [id, createdAt]);
    }
    for (const name of ['bob', 'nobody', (await userOf('bob'))!.id]) {
      assertRefused(
        await client.send('GET', `/acme/shop/users/${name}`, { token: ann }),
        401,
        'unauthorized',
      );
    }
    const app = await client.application();
    for (const name of ['nobody', 'me', '0f5c7e0a-0000-4000-8000-000000000000', '%00', '%2F']) {
      const answer = await client.send('GET', `/acme/shop/users/${name}`, { token: app });
      assertRefused(answer, 404, 'service_resource_not_found');
    }
    assert.equal((await client.send('GET', '/acme/shop/users/%', { token: app })).status, 400);
  });

  test('MT-01 MT-02 a token does not reach another application or organization', async () => {
    const other = await client.ok(client.password('ann', {}, '/other/other-shop/token'));
    const tokens = {
      ann: await client.user('ann'),
      app: await client.application(),
      org: await client.organization(),
      root: await client.root(),
    };
    for (const token of Object.values(tokens)) {
      for (const [method, path, json] of [
        ['GET', `/other/other-shop/users/${other.user.uuid}`],
        ['GET', '/other/other-shop/users/me'],
        ['PUT', '/other/other-shop/users/ann/password', { newpassword: NEW_PASSWORD }],
        ['DELETE', '/other/other-shop/users/ann'],
        ['POST', '/other/other-shop/users', { username: 'eve', password: PASSWORD }],
        ['POST', '/other/other-shop/users/ann/revoketokens'],
        ['POST', '/other/other-shop/credentials'],
        ['GET', '/management/organizations/other/credentials'],
        ['POST', '/management/orgs/other/credentials'],
        ['PUT', '/other/other-shop', { accesstokenttl: 1000 }],
        ['POST', '/other/other-shop/roles/clerk/permissions', { permission: 'get:/orders/**' }],
      ] as [string, string, object?][]) {
        assertRefused(await client.send(method, path, { token, json }), 401, 'auth_invalid');
      }
      // Theirs by id, at a URL of our own.
      const answer = await client.send('GET', `/acme/shop/users/${other.user.uuid}`, { token });
      assert.ok([401, 404].includes(answer.status), answer.text);
      const ended = await client.send('PUT', `/acme/shop/users/ann/revoketoken?token=${other.access_token}`, {
        token,
      });
      assertRefused(ended, 401, 'unauthorized');
      assert.equal((await server.introspect(other.access_token, 'other-api')).active, true);
    }
    for (const token of [tokens.ann, tokens.app]) {
      for (const [method, path] of [
        ['GET', '/acme/machine/users/ann'],
        ['GET', '/acme/machine/users/me'],
        ['GET', '/acme/machine/credentials'],
        ['POST', '/acme/machine/credentials'],
      ] as const) {
        assertRefused(await client.send(method, path, { token }), 401, 'unauthorized');
      }
    }
    const foreign = await client.credentials('other-org', OTHER_SECRET, '/other/other-shop/token');
    assertRefused(
      await client.send('POST', '/acme/shop/credentials', { token: foreign.json.access_token }),
      401,
      'auth_invalid',
    );
  });

  test('LG-05 users and administrators are unknown at each other’s URLs', async () => {
    const ann = await client.user('ann');
    for (const [method, path] of [
      ['GET', '/management/me'],
      ['PUT', '/management/users/ann/revoketokens'],
      ['PUT', '/management/users/me/revoketokens'],
      ['PUT', `/management/users/me/revoketoken?token=${ann}`],
      ['GET', '/management/organizations/acme/credentials'],
      ['POST', '/management/orgs/acme/credentials'],
    ] as const) {
      assertRefused(await client.send(method, path, { token: ann }), 401, 'unauthorized');
    }
    const root = await client.root();
    assertRefused(
      await client.send('GET', '/acme/shop/users/me', { token: root }),
      404,
      'service_resource_not_found',
    );
    const app = await client.application();
    assertRefused(await client.send('GET', '/management/me', { token: app }), 401, 'unauthorized');
    const me = await client.ok(client.send('GET', '/management/me', { token: root }));
    assert.deepEqual(Object.keys(me), ['access_token', 'expires_in', 'user']);
    assert.equal(me.access_token, root);
    assert.ok(me.expires_in > 3500 && me.expires_in <= 3600);
  });

  test('administrators end only their own tokens', async () => {
    const [first, second, third] = [await client.root(), await client.root(), await client.root()];
    const ann = await client.user('ann');
    const revoke = (path: string, token: string) =>
      client.send('PUT', `/management/users/${path}`, { token });
    assertRefused(await revoke('foreign/revoketokens', first), 401, 'unauthorized');
    assertRefused(await revoke(`root/revoketoken?token=${ann}`, first), 401, 'unauthorized');
    assertRefused(await revoke('root/revoketokens', await client.organization()), 401, 'unauthorized');
    const one = await client.ok(revoke(`root@acme.example/revoketoken?token=${second}`, first));
    assert.deepEqual(Object.keys(one), ['action', 'timestamp', 'duration']);
    assert.equal(one.action, 'revoked user tokens');
    const activity = async () =>
      Promise.all([first, second, third].map(async (token) => (await server.introspect(token)).active));
    assert.deepEqual(await activity(), [true, false, true]);
    await client.ok(client.send('POST', '/management/users/me/revoketokens', { token: first }));
    assert.deepEqual(await activity(), [false, false, false]);
    assert.equal((await server.introspect(ann)).active, true);
    assert.equal((await client.administrator()).status, 200);
  });

  test('an administrator who lost access is refused at once', async () => {
    await using own = await start();
    const mine = createClient(own);
    const root = await mine.root();
    const { changes, storage } = own.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    const usergrid = { ...acme!.faces!.usergrid!, administrators: false };
    await changes.organizations.replace({ ...acme!, faces: { usergrid } }, { actor: 'test' });
    assertRefused(await mine.send('GET', '/acme/shop/users/ann', { token: root }), 401, 'auth_invalid');
  });

  test('users end their own tokens, owners those of their users', async () => {
    const app = await client.application();
    const [ann, second, bob] = [await client.user('ann'), await client.user('ann'), await client.user('bob')];
    const revoke = (path: string, token: string) => client.send('PUT', `/acme/shop/users/${path}`, { token });
    assertRefused(await revoke('bob/revoketokens', ann), 401, 'unauthorized');
    assertRefused(await revoke(`bob/revoketoken?token=${bob}`, ann), 401, 'unauthorized');
    assertRefused(await revoke(`ann/revoketoken?token=${bob}`, ann), 401, 'unauthorized');
    assertRefused(await revoke(`ann/revoketoken?token=${bob}`, app), 401, 'unauthorized');
    assertRefused(await revoke(`ann/revoketoken?token=${app}`, ann), 401, 'unauthorized');
    assertRefused(await revoke('ann/revoketoken', ann), 400, 'illegal_argument');
    assert.equal((await server.introspect(bob)).active, true);
    const one = await client.ok(revoke(`ann/revoketoken?token=${second}`, app));
    assert.equal(one.action, 'revoked user token');
    assert.equal((await server.introspect(second)).active, false);
    await client.ok(revoke(`ann/revoketoken?token=${second}`, app));
    const native = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    await client.ok(revoke(`me/revoketoken?token=${native.json.access_token}`, ann));
    assert.equal((await server.introspect(native.json.access_token)).active, false);
    await client.ok(revoke('me/revoketokens', ann));
    assert.equal((await server.introspect(ann)).active, false);
    for (const owner of [app, await client.organization(), await client.root()]) {
      const token = await client.user('bob');
      await client.ok(revoke('bob/revoketokens', owner));
      assert.equal((await server.introspect(token)).active, false);
    }
  });

  test('a refresh token of the user ends only with its own login', async () => {
    const native = async (username: string) =>
      (await server.post('/oauth/token', 'shop', { grant_type: 'password', username, password: PASSWORD }))
        .json;
    const isActive = async ({ access_token }: Record<string, any>) =>
      (await server.introspect(access_token)).active;
    const [mine, others] = [await native('ann'), await native('bob')];
    const token = await client.user('ann');
    const revoke = (value: string) =>
      client.send('PUT', `/acme/shop/users/me/revoketoken?token=${value}`, { token });
    assertRefused(await revoke(others.refresh_token), 401, 'unauthorized');
    assert.equal(await isActive(others), true);
    assert.equal((await client.ok(revoke(mine.refresh_token))).action, 'revoked user token');
    assert.equal(await isActive(mine), false);
    const { refresh_token } = mine;
    const again = await server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token });
    assert.equal(again.status, 400);
    await client.ok(revoke(mine.refresh_token));
    assert.equal((await server.introspect(token)).active, true, 'only that login');
  });

  test('who has power over a user gets a token for them, bounded by the rights of both', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      const [shop] = acme.applications;
      shop.permissions = { isAdmin: false, tables: { orders: { read: true, update: true } } };
      acme.roles.push({ name: 'chief', permissions: { isAdmin: true, tables: {} } });
      acme.users.push({ username: 'chief', password: PASSWORD, application: 'shop', roles: ['chief'] });
    });
    const mine = createClient(own);
    const path = '/acme/shop/users/ann/token';
    assertRefused(await mine.send('GET', path), 401, 'unauthorized');
    assertRefused(await mine.send('GET', path, { token: await mine.user('ann') }), 403, 'unauthorized');
    const secret = own.secretOf('shop');
    const basicHeader = { headers: { authorization: basic('shop', secret) } };
    const got: string[] = [];
    for (const [asker, sub] of [
      [{ token: await mine.application() }, /^client:/],
      [{ token: await mine.organization() }, /^client:/],
      [{ token: await mine.root() }, /^management\//],
      [basicHeader, /^client:/],
    ] as const) {
      const answer = await mine.ok(mine.send('GET', `${path}?ttl=60000`, asker));
      assert.deepEqual(Object.keys(answer), ['access_token', 'expires_in', 'user']);
      assert.deepEqual(Object.keys(answer.user), USER_KEYS);
      assert.equal(answer.expires_in, 60);
      const seen = await own.introspect(answer.access_token);
      assert.deepEqual([seen.active, seen.username, tablesOf(seen)], [true, 'ann', { orders: 'ru' }]);
      assert.match(seen.act.sub, sub);
      const me = await mine.ok(mine.send('GET', '/acme/shop/users/me', { token: answer.access_token }));
      assert.equal(me.entities[0].username, 'ann');
      // It is hers, and gives the rights of no other user.
      assertRefused(await mine.send('GET', path, { token: answer.access_token }), 403, 'unauthorized');
      assertRefused(await mine.send('GET', `${path}?ttl=derp`, asker), 400, 'illegal_argument');
      assertRefused(
        await mine.send('GET', `${path}?ttl=604800001`, asker),
        400,
        'illegal_argument',
        /604800000/,
      );
      assertRefused(await mine.send('GET', '/acme/shop/users/chief/token', asker), 401, 'unauthorized');
      assertRefused(
        await mine.send('GET', '/acme/shop/users/nobody/token', asker),
        404,
        'service_resource_not_found',
      );
      got.push(answer.access_token);
    }
    const { changes, storage } = own.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    const clerk = await storage.directory.roles.findBy('name', `${acme?.id}/clerk`);
    assert.ok(acme && clerk);
    const less = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };
    await changes.roles.replace({ ...clerk, permissions: less }, { actor: 'test' });
    for (const token of got) assert.deepEqual(tablesOf(await own.introspect(token)), { orders: 'r' });
    const root = await storage.directory.users.findBy('username', 'management/root');
    assert.ok(root);
    await changes.users.replace({ ...root, enabled: false }, { actor: 'test' });
    const active = await Promise.all(got.map(async (token) => (await own.introspect(token)).active));
    assert.deepEqual(active, [true, true, false, true]);
  });

  test('a token for a user outlives the token of who asked, and not who asked', async () => {
    await using own = await start();
    const mine = createClient(own);
    const path = '/acme/shop/users/ann/token';
    const isActive = async (token: string) => (await own.introspect(token)).active;
    const [root, app] = [await mine.root(), await mine.application()];
    const ofRoot = await mine.tokenOf(mine.send('GET', path, { token: root }));
    const ofApplication = await mine.tokenOf(mine.send('GET', path, { token: app }));
    for (const token of [root, app]) await own.post('/oauth/revoke', 'shop', { token });
    await mine.ok(
      mine.send('PUT', `/management/users/me/revoketoken?token=${root}`, { token: await mine.root() }),
    );
    assert.deepEqual([await isActive(root), await isActive(app)], [false, false]);
    assert.deepEqual([await isActive(ofRoot), await isActive(ofApplication)], [true, true]);
    await mine.ok(mine.send('PUT', '/management/users/me/revoketokens', { token: await mine.root() }));
    assert.deepEqual([await isActive(ofRoot), await isActive(ofApplication)], [false, true]);
    await mine.ok(mine.send('POST', '/acme/shop/credentials', { token: await mine.organization() }));
    assert.equal(await isActive(ofApplication), false, 'nor its secret');
  });

  test('a new password ends the tokens made with the old one', async () => {
    const [ann, bob, app] = [await client.user('ann'), await client.user('bob'), await client.application()];
    const set = (name: string, token: string, json: object, method = 'PUT') =>
      client.send(method, `/acme/shop/users/${name}/password`, { token, json });
    const change = { oldpassword: PASSWORD, newpassword: NEW_PASSWORD };
    for (const oldpassword of ['wrong', '', undefined, 7]) {
      const answer = await set('ann', ann, { ...change, oldpassword });
      assertRefused(answer, 400, 'auth_invalid_username_or_password');
    }
    assertRefused(await set('ann', bob, change), 401, 'unauthorized');
    assertRefused(await set('ann', ann, { oldpassword: PASSWORD }), 400, 'illegal_argument');
    assertRefused(
      await set('ann', ann, { ...change, newpassword: 'short' }),
      400,
      'illegal_argument',
      /^The password /,
    );
    assertRefused(await set('ann', ann, { ...change, newpassword: ['x'] }), 400, 'illegal_argument');
    assert.equal((await server.introspect(ann)).active, true);
    assert.equal((await client.ok(set('me', ann, change))).action, 'set user password');
    assert.equal((await server.introspect(ann)).active, false);
    assertWrongLogin(await client.password('ann'));
    assert.equal((await client.password('ann', { password: NEW_PASSWORD })).status, 200);
    await client.ok(set('ann', app, { newpassword: PASSWORD }, 'POST'));
    assert.equal((await client.password('ann')).status, 200);
  });

  test('a password that was changed after the old one was shown is not changed over', async () => {
    await using own = await start();
    const mine = createClient(own);
    const [ann, app] = [await mine.user('ann'), await mine.application()];
    const set = (token: string, json: object) =>
      mine.send('PUT', '/acme/shop/users/ann/password', { token, json });
    const { users } = own.server.foundations;
    const find = users.find.bind(users);
    let reads = 0;
    let lastRead = Infinity;
    users.find = async (id) => {
      reads += 1;
      if (reads === lastRead) {
        users.find = find;
        await mine.ok(set(app, { newpassword: NEW_PASSWORD }));
      }
      return find(id);
    };
    assert.equal((await set(ann, { oldpassword: PASSWORD, newpassword: 'short' })).status, 400);
    [lastRead, reads] = [reads, 0];
    const late = await set(ann, { oldpassword: PASSWORD, newpassword: 'password-of-a-thief' });
    assertRefused(late, 409, 'web_application', /changed meanwhile/);
    assert.equal((await mine.password('ann', { password: NEW_PASSWORD })).status, 200);
    assertWrongLogin(await mine.password('ann', { password: 'password-of-a-thief' }));
  });

  test('LG-07 guesses of the old password count like logins', async () => {
    await using small = await start();
    const mine = createClient(small);
    const ann = await mine.user('ann');
    const json = { oldpassword: 'wrong', newpassword: NEW_PASSWORD };
    const guess = () => mine.send('PUT', '/acme/shop/users/me/password', { token: ann, json });
    for (let count = 0; count < 10; count += 1) assert.equal((await guess()).status, 400);
    const late = await guess();
    assert.equal(late.status, 429);
    assert.ok(Number(late.headers.get('retry-after')) > 0);
    assert.equal((await mine.password('ann')).status, 429);
  });

  test('owners make users and remove them, with their tokens', async () => {
    const app = await client.application();
    const create = (json: unknown, token: string | undefined = app) =>
      client.send('POST', '/acme/shop/users', { json, ...(token !== '' && { token }) });
    const made = await client.ok(
      create({
        username: 'eve',
        email: 'eve@acme.example',
        name: 'Eve',
        password: PASSWORD,
        roles: ['admin'],
        activated: false,
        uuid: '0f5c7e0a-0000-4000-8000-000000000000',
      }),
    );
    const [eve] = made.entities;
    assert.deepEqual(Object.keys(eve), ['uuid', 'type', 'name', ...USER_KEYS.slice(2)]);
    assert.deepEqual([made.action, eve.name, eve.activated], ['post', 'Eve', true]);
    assert.ok(!JSON.stringify(made).includes('hmac'), 'no hash');
    const token = await client.user('eve');
    assert.deepEqual(await client.tablesOf(token), CLERK, 'the default role and no other');
    for (const json of [
      { username: 'EVE', password: PASSWORD },
      { username: 'evelyn', email: 'eve@acme.example', password: PASSWORD },
      { username: 'eve@acme.example', password: PASSWORD },
    ]) {
      assertRefused(await create(json), 400, 'duplicate_unique_property_exists');
    }
    for (const json of [
      {},
      [],
      [{ username: 'x', password: PASSWORD }],
      { username: 'x', password: 'short' },
      { username: 'a b', password: PASSWORD },
      { username: 'me', password: PASSWORD },
      { username: { $ne: 1 }, password: PASSWORD },
      { username: 'x', email: 'no address', password: PASSWORD },
    ]) {
      assertRefused(await create(json), 400, 'illegal_argument');
    }
    for (const other of [await client.user('ann'), '']) {
      assertRefused(await create({ username: 'x', password: PASSWORD }, other), 401, 'unauthorized');
    }
    const path = '/acme/shop/users/eve';
    assertRefused(await client.send('DELETE', path, { token }), 401, 'unauthorized');
    const removed = await client.ok(
      client.send('POST', path, { token: app, headers: { 'x-http-method-override': 'DELETE' } }),
    );
    assert.deepEqual([removed.action, removed.entities[0].uuid], ['delete', eve.uuid]);
    assert.equal((await server.introspect(token)).active, false);
    assertRefused(await client.send('DELETE', path, { token: app }), 404, 'service_resource_not_found');
    assertWrongLogin(await client.password('eve'));
  });

  test('an owner may make a user without a password, who logs in once one is set', async () => {
    const token = await client.organization();
    await client.ok(client.send('POST', '/acme/shop/users', { token, json: { username: 'fay' } }));
    assertWrongLogin(await client.password('fay'));
    const json = { newpassword: PASSWORD };
    await client.ok(client.send('PUT', '/acme/shop/users/fay/password', { token, json }));
    assert.equal((await client.password('fay')).status, 200);
    await client.ok(client.send('DELETE', '/acme/shop/users/fay', { token }));
  });

  test('MT-05 a user who administers more than the caller is not taken over', async () => {
    const { changes, store } = server.server.foundations;
    const [app, organization, root] = [
      await client.application(),
      await client.organization(),
      await client.root(),
    ];
    await client.ok(
      client.send('POST', '/acme/shop/users', { token: organization, json: { username: 'gil' } }),
    );
    const gil = async (): Promise<User> => {
      const shop = await store.applications.findBy('clientId', 'shop');
      const found = await store.users.findBy('username', `${shop?.realm}/gil`);
      assert.ok(found);
      return found;
    };
    const acme = await store.organizations.findBy('name', 'acme');
    assert.ok(acme);
    const set = (token: string) =>
      client.send('PUT', '/acme/shop/users/gil/password', { token, json: { newpassword: PASSWORD } });
    const remove = (token: string) => client.send('DELETE', '/acme/shop/users/gil', { token });

    const owner = builtInRoleId(acme.id, 'owner');
    await changes.users.replace({ ...(await gil()), roles: [owner] }, { actor: 'test' });
    assertRefused(await set(app), 401, 'unauthorized');
    assertRefused(await remove(app), 401, 'unauthorized');
    const desk = await changes.roles.create(
      {
        organization: acme.id,
        name: 'desk',
        enabled: true,
        default: false,
        resource: `${server.issuer}/admin/acme`,
        scopes: [],
        permissions: { isAdmin: false, tables: [{ table: 'users', actions: 'u' }] },
      },
      { actor: 'test' },
    );
    await changes.users.replace({ ...(await gil()), roles: [desk.id] }, { actor: 'test' });
    assertRefused(await set(app), 401, 'unauthorized');
    await changes.users.replace({ ...(await gil()), roles: [] }, { actor: 'test' });

    await changes.users.replace({ ...(await gil()), administers: [acme.id] }, { actor: 'test' });
    assertRefused(await set(app), 401, 'unauthorized');
    assertRefused(await remove(app), 401, 'unauthorized');
    for (const token of [organization, root]) await client.ok(set(token));
    for (const token of [app, organization, root]) {
      assertRefused(await client.send('GET', '/acme/shop/users/gil/token', { token }), 401, 'unauthorized');
    }
    await changes.users.remove(await gil(), { actor: 'test' });
  });

  test('strangers register where they may, with a password, and not without end', async () => {
    await using open = await start({ registration: true }, undefined, {
      GRANTABLE_REGISTRATION_LIMIT: '3/1h',
    });
    const mine = createClient(open);
    const create = (username: string, json: object = { password: PASSWORD }) =>
      mine.post('/acme/shop/users', { username, ...json });
    assertRefused(await create('x', {}), 400, 'illegal_argument');
    for (const name of ['u1', 'u2', 'u3']) await mine.ok(create(name));
    const late = await create('u4');
    assert.deepEqual([late.status, Number(late.headers.get('retry-after')) > 0], [429, true]);
    assert.deepEqual(await mine.tablesOf(await mine.user('u1')), CLERK);
    const token = await mine.application();
    await mine.ok(
      mine.send('POST', '/acme/shop/users', { token, json: { username: 'u4', password: PASSWORD } }),
    );
  });

  test('strangers register only where users log in with a password', async () => {
    await using open = await start({ registration: true });
    const mine = createClient(open);
    const json = { username: 'eve', password: PASSWORD };
    for (const name of ['machine', 'web', 'shop-api']) {
      for (const body of [json, { username: 'eve' }]) {
        assertRefused(await mine.post(`/acme/${name}/users`, body), 401, 'unauthorized');
      }
    }
    await mine.ok(mine.post('/acme/shop/users', json));
    const token = await mine.organization();
    await mine.ok(mine.send('POST', '/acme/web/users', { token, json }));
  });

  test('MT-05 an application does not own people who log in elsewhere too', async () => {
    await using shared = await start({}, ({ organizations: [acme] }) => {
      for (const application of acme.applications.slice(0, 2)) application.realm = 'organization';
      for (const user of acme.users.slice(0, 2)) delete user.application;
      acme.applications[1].grants.push('password');
    });
    const mine = createClient(shared);
    const token = await mine.application('machine');
    for (const [method, path, json] of [
      ['GET', '/users/ann'],
      ['DELETE', '/users/ann'],
      ['PUT', '/users/ann/password', { newpassword: NEW_PASSWORD }],
      ['POST', '/users/ann/revoketokens'],
      ['GET', '/users/ann/token'],
      ['POST', '/users', { username: 'eve', password: PASSWORD }],
    ] as [string, string, object?][]) {
      const answer = await mine.send(method, `/acme/machine${path}`, { token, json });
      assertRefused(answer, 401, 'unauthorized');
    }
    const owner = await mine.organization();
    await mine.ok(mine.send('GET', '/acme/machine/users/ann', { token: owner }));
  });

  test('MT-05 MT-06 a registered application owns nothing that it shares', async () => {
    const { changes, clientSecrets, storage } = server.server.foundations;
    const shop = (await storage.directory.applications.findBy('clientId', 'shop'))!;
    const { id: _, number: __, version: ___, createdAt: ____, ...facts } = shop;
    const secret = 'secret-of-registered-'.padEnd(40, 'x');
    const registered = await changes.applications.create(
      {
        ...facts,
        // Before all others.
        id: '00000000-0000-4000-8000-000000000000',
        name: 'registered',
        clientId: 'registered',
        secrets: [toStoredSecret(clientSecrets, secret, { createdAt: 1 })],
        owner: (await userOf('bob'))!.id,
        registeredThrough: shop.id,
      },
      { actor: 'test' },
    );
    const token = await client.tokenOf(client.credentials('registered', secret, '/management/token'));
    assert.deepEqual(await client.tablesOf(token), { orders: 'r' }, 'no more than who registered it');
    const own = `/acme/${registered.id}`;
    for (const [method, below, json] of [
      ['GET', '/users/ann'],
      ['DELETE', '/users/ann'],
      ['PUT', '/users/ann/password', { newpassword: NEW_PASSWORD }],
      ['POST', '/users', { username: 'eve', password: PASSWORD }],
      ['GET', '/roles/reader/permissions'],
      ['POST', '/roles/clerk/permissions', { permission: 'get:/orders/**' }],
      ['PUT', '', { accesstokenttl: 1000 }],
      ['POST', '/credentials'],
    ] as [string, string, object?][]) {
      assertRefused(await client.send(method, `/acme/shop${below}`, { token, json }), 401, 'unauthorized');
      const lost = await client.send(method, own + below, { token, json });
      assertRefused(lost, 404, 'organization_application_not_found');
    }
    for (const path of [own, `/acme/${encodeURIComponent(registered.name)}`]) {
      assert.equal((await client.password('ann', {}, `${path}/token`)).status, 404, path);
    }
    const first = await (await server.server.foundations.directory.view()).findFirstApplication(
      shop.organization,
    );
    assert.equal(first?.application.owner, undefined, 'nor does it stand for the organization');
    const answer = await client.ok(client.administrator());
    assert.ok(!Object.keys(answer.user.organizations.acme.applications).includes('registered'));
    await changes.applications.remove(registered, { actor: 'test' });
  });

  test('a role’s permissions are read, given and taken as patterns', async () => {
    const app = await client.application();
    const path = '/acme/shop/roles/reader/permissions';
    const shown = await client.ok(client.send('GET', path, { token: app }));
    assert.deepEqual([shown.path, shown.data], ['/roles/reader/permissions', ['get:/orders/**']]);
    const bob = await client.user('bob');
    const added = await client.ok(
      client.send('POST', path, { token: app, json: { permission: 'get,put:/orders/**' } }),
    );
    assert.deepEqual(added.data, ['get,put:/orders/**']);
    await client.ok(client.send('POST', path, { token: app, json: { permission: 'get:/products' } }));
    assert.deepEqual(await client.tablesOf(bob), { orders: 'r' }, 'what was given before stays as it was');
    const later = await client.user('bob');
    assert.deepEqual(await client.tablesOf(later), { orders: 'ru', products: 'r' });
    const taken = await client.ok(
      client.send(
        'DELETE',
        `${path}?permission=${encodeURIComponent('put:/orders/*')}&permission=get:/products`,
        {
          token: app,
        },
      ),
    );
    assert.deepEqual(taken.data, ['get:/orders/**']);
    assert.deepEqual(await client.tablesOf(later), { orders: 'r' });
    const named = await client.ok(client.send('GET', '/acme/shop/roles/default/permissions', { token: app }));
    assert.deepEqual(named.data, ['get,put,post:/orders/**', 'get:/products/**']);
    assertRefused(
      await client.send('GET', '/acme/shop/roles/nobody/permissions', { token: app }),
      404,
      'service_resource_not_found',
    );
  });

  test('MT-05 a role gets no more than the token of who gives, and loses no more', async () => {
    const [app, org, root, ann] = [
      await client.application(),
      await client.organization(),
      await client.root(),
      await client.user('ann'),
    ];
    const path = '/acme/shop/roles/reader/permissions';
    const before = await roleOf('reader');
    const give = (token: string | undefined, permission: unknown) =>
      client.send('POST', path, { json: { permission }, ...(token !== undefined && { token }) });
    const take = (token: string, permission: string) =>
      client.send('DELETE', `${path}?permission=${encodeURIComponent(permission)}`, { token });
    assertRefused(await give(app, 'delete:/orders/**'), 401, 'unauthorized', /orders:delete/);
    assertRefused(await give(app, 'get,put,post,delete:/**'), 401, 'unauthorized');
    assertRefused(await take(app, 'delete:/orders/**'), 401, 'unauthorized');
    assertRefused(await take(app, 'get,put,post,delete:/**'), 401, 'unauthorized');
    for (const token of [ann, undefined]) {
      assertRefused(await give(token, 'get:/orders/**'), 401, 'unauthorized');
    }
    assertRefused(await take(ann, 'get:/orders/**'), 401, 'unauthorized');
    assertRefused(await client.send('GET', path, { token: ann }), 401, 'unauthorized');
    const machine = await client.application('machine');
    assertRefused(await give(machine, 'get:/orders/**'), 401, 'unauthorized');
    assert.deepEqual(await roleOf('reader'), before, 'nothing was written');
    await client.ok(give(root, 'delete:/orders/**'));
    const bob = await client.user('bob');
    assert.deepEqual(await client.tablesOf(bob), { orders: 'r' }, 'the ceiling of the application stays');
    const all = await client.ok(give(org, 'get,put,post,delete:/**'));
    assert.deepEqual(all.data, ['get,put,post,delete:/**']);
    assert.deepEqual(await client.tablesOf(await client.user('bob')), CLERK);
    assertRefused(await take(org, 'get:/orders/**'), 401, 'unauthorized', /as a whole/);
    await client.ok(take(org, 'delete,get,put,post:/*'));
    await client.ok(give(org, 'get:/orders/**'));
    assert.deepEqual(await client.tablesOf(await client.user('bob')), { orders: 'r' });
  });

  test('permissions that tables cannot express are refused', async () => {
    const org = await client.organization();
    const path = '/acme/shop/roles/reader/permissions';
    const before = await roleOf('reader');
    for (const permission of [
      undefined,
      '',
      7,
      ['get:/orders'],
      'get',
      'get:orders',
      '/orders',
      ':/orders',
      'GET:/orders',
      'patch:/orders',
      'get,:/orders',
      'get:/',
      'get:/**',
      'get,put,post:/*',
      'get:/***',
      'get:/nothing/**',
      'get:/orders/1',
      'get:/orders/*/x',
      'get:/orders/**/x',
      'get:/ord*',
      'get:/orders?',
      `get:/users/${CALLER}`,
      `get:/${CALLER}/**`,
      'get:/users/me',
      'get:/%',
      'get:/%00',
      'get:/__proto__',
      'get:/constructor/**',
      'get:/%2A',
      'get:/@sales/**',
      `get:/${'x'.repeat(2000)}`,
    ]) {
      const answer = await client.send('POST', path, { token: org, json: { permission } });
      assertRefused(answer, 400, 'illegal_argument', /^permission /);
      if (typeof permission === 'string') {
        const query = `?permission=${encodeURIComponent(permission)}`;
        assertRefused(await client.send('DELETE', path + query, { token: org }), 400, 'illegal_argument');
      }
    }
    assertRefused(await client.send('DELETE', path, { token: org }), 400, 'illegal_argument');
    assert.deepEqual(await roleOf('reader'), before);
    const dotted = 'get:/public%2Eusers/**';
    const added = await client.ok(client.send('POST', path, { token: org, json: { permission: dotted } }));
    assert.deepEqual(added.data, ['get:/orders/**', 'get:/public.users/**']);
    await client.ok(client.send('DELETE', `${path}?permission=get:/public.users`, { token: org }));
  });

  test('PM-09 a role keeps what patterns cannot say', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      const [api] = acme.resources;
      const columns = [{ name: 'customer', type: 'integer' }];
      api.tables = api.tables.map((table: object) => ({ ...table, columns }));
      api.groups = [{ id: 'sales', tables: ['orders'] }];
      const mine = { rows: { customer: [{ $user: 'id' }] } };
      acme.roles.push(
        {
          name: 'limited',
          permissions: { tables: { orders: { read: mine, update: mine }, products: { read: mine } } },
        },
        { name: 'grouped', permissions: { tables: { '@sales': { read: true }, products: { read: true } } } },
        { name: 'all', permissions: { tables: { '*': { read: true }, orders: { update: true } } } },
      );
    });
    const mine = createClient(own);
    const token = await mine.organization();
    const { directory } = own.server.foundations.storage;
    const acme = await directory.organizations.findBy('name', 'acme');
    const kept = async (name: string) =>
      toWritten(fromStored((await directory.roles.findBy('name', `${acme?.id}/${name}`))!.permissions))
        .tables;
    const pathOf = (role: string) => `/acme/shop/roles/${role}/permissions`;
    const give = async (role: string, permission: string) =>
      (await mine.ok(mine.send('POST', pathOf(role), { token, json: { permission } }))).data;
    const take = (role: string, permission: string) =>
      mine.send('DELETE', `${pathOf(role)}?permission=${encodeURIComponent(permission)}`, { token });
    const limit = { rows: { customer: [{ $user: 'id' }] } };

    assert.deepEqual(
      await give('limited', 'post:/products'),
      ['post:/products/**'],
      'limited rights are not shown',
    );
    assert.deepEqual(await kept('limited'), {
      orders: { read: limit, update: limit },
      products: { create: true, read: limit },
    });
    await mine.ok(take('limited', 'post:/products'));
    await mine.ok(take('limited', 'put:/orders'));
    assert.deepEqual(await kept('limited'), { orders: { read: limit }, products: { read: limit } });

    await mine.ok(take('grouped', 'get:/products'));
    assert.deepEqual(await give('grouped', 'put:/products'), ['get:/orders/**', 'put:/products/**']);
    assertRefused(await take('grouped', 'get:/orders'), 401, 'unauthorized', /still allow orders:read/);
    assert.deepEqual(await kept('grouped'), { '@sales': { read: true }, products: { update: true } });

    const shown = await mine.ok(mine.send('GET', pathOf('all'), { token }));
    assert.ok(
      shown.data.includes('get,put:/orders/**') && shown.data.includes('get:/products/**'),
      shown.data.join(),
    );
    assertRefused(await take('all', 'get:/products'), 401, 'unauthorized', /still allow products:read/);
    await mine.ok(take('all', 'put:/orders'));
    assert.deepEqual(await kept('all'), { '*': { read: true } });
  });

  test('a role for a resource of other applications is not found here', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      acme.roles.push({
        name: 'opaque',
        resource: 'https://opaque.acme.example/',
        permissions: { isAdmin: false, tables: { orders: { read: true } } },
      });
      acme.applications[2].permissions = { isAdmin: true, tables: {} };
    });
    const mine = createClient(own);
    const admin = await mine.application('admin');
    const foreign = '/acme/admin/roles/opaque/permissions';
    assertRefused(await mine.send('GET', foreign, { token: admin }), 404, 'service_resource_not_found');
    const path = '/acme/shop/roles/opaque/permissions';
    const shop = await mine.application();
    await mine.ok(mine.send('GET', path, { token: shop }));
    const json = { permission: 'get:/orders/**' };
    const answer = await mine.send('POST', path, { token: shop, json });
    assertRefused(answer, 401, 'unauthorized');
    assert.equal((await own.introspect(shop)).aud, RESOURCE, 'its token speaks of another resource');
    for (const token of [await mine.organization(), await mine.root()]) {
      await mine.ok(mine.send('POST', path, { token, json }));
    }
  });

  test('secrets are shown where they can be, and made anew', async () => {
    await using own = await start();
    const mine = createClient(own);
    const [app, org, root] = [await mine.application(), await mine.organization(), await mine.root()];
    const shown = await mine.ok(mine.send('GET', '/acme/shop/credentials', { token: app }));
    assert.deepEqual(Object.keys(shown), ['credentials', 'action', 'status', 'timestamp', 'duration']);
    assert.deepEqual(shown.credentials, { client_id: 'shop', client_secret: null });
    const machine = await mine.application('machine');
    assertRefused(await mine.send('POST', '/acme/shop/credentials', { token: machine }), 401, 'unauthorized');
    const ann = await mine.user('ann');
    let latest = app;
    for (const token of [app, org, root]) {
      const { credentials } = await mine.ok(mine.send('POST', '/acme/shop/credentials', { token }));
      assert.match(credentials.client_secret, /^[0-9a-f]{64}$/);
      assert.equal((await own.introspect(latest)).active, false, 'what the secret before gave has ended');
      latest = await mine.tokenOf(mine.credentials('shop', credentials.client_secret, '/acme/shop/token'));
      const again = await mine.ok(mine.send('GET', '/acme/shop/credentials', { token: latest }));
      assert.deepEqual(again.credentials, credentials);
    }
    assertWrongLogin(await mine.credentials('shop', own.secretOf('shop'), '/acme/shop/token'));
    for (const token of [ann, org]) assert.equal((await own.introspect(token)).active, true, 'others stay');
    let owner = org;
    for (const path of ['/management/organizations/acme/credentials', '/management/orgs/acme/credentials']) {
      assertRefused(await mine.send('POST', path, { token: latest }), 401, 'unauthorized');
      assertRefused(await mine.send('GET', path), 401, 'unauthorized');
      const { credentials } = await mine.ok(mine.send('POST', path, { token: owner }));
      assert.deepEqual((await mine.ok(mine.send('GET', path, { token: root }))).credentials, credentials);
      owner = await mine.tokenOf(mine.credentials('acme-org', credentials.client_secret, '/token'));
    }
    assertRefused(
      await mine.send('POST', '/acme/spa/credentials', { token: owner }),
      400,
      'illegal_argument',
    );
  });

  test('whose secret was told to be the new one has it, however many ask at once', async () => {
    await using own = await start();
    const mine = createClient(own);
    const token = await mine.organization();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => mine.send('POST', '/acme/machine/credentials', { token })),
    );
    for (const { status, text } of answers) assert.ok([200, 409].includes(status), text);
    const told = answers.flatMap(({ status, json }) => (status === 200 ? [json.credentials] : []));
    const { credentials } = await mine.ok(mine.send('GET', '/acme/machine/credentials', { token }));
    assert.ok(told.some(({ client_secret }) => client_secret === credentials.client_secret));
  });

  test('SE-05 who is shown a secret, and who is refused, is in the audit', async () => {
    await using own = await start();
    const mine = createClient(own);
    const [org, ann] = [await mine.organization(), await mine.user('ann')];
    const entries = async () =>
      (await own.server.foundations.storage.audit.page({ limit: 500 })).entries.toReversed();
    const since = async (work: () => Promise<unknown>) => {
      const { length } = await entries();
      await work();
      return (await entries()).slice(length);
    };
    const shop = (await own.server.foundations.storage.directory.applications.findBy('clientId', 'shop'))!;
    const path = '/acme/shop/credentials';
    assert.deepEqual(await since(() => mine.send('GET', path, { token: org })), [], 'there is none to show');
    const { credentials } = await mine.ok(mine.send('POST', path, { token: org }));
    const shown = await since(() => mine.send('GET', path, { token: org }));
    assert.deepEqual(
      shown.map(({ event, outcome, subject, client, organization }) => [
        event,
        outcome,
        subject,
        client,
        organization,
      ]),
      [['application.secret_shown', 'allowed', shop.id, 'shop', shop.organization]],
    );
    assert.match(String(shown[0]?.actor), /^client:/);
    assert.ok(!JSON.stringify(shown).includes(credentials.client_secret));
    for (const [method, denied, token, status] of [
      ['GET', path, ann, 401],
      ['GET', '/acme/shop/users/bob', ann, 401],
      ['GET', '/acme/shop/users/bob/token', ann, 403],
      ['DELETE', '/acme/shop/users/bob', ann, 401],
    ] as [string, string, string | undefined, number][]) {
      const found = await since(() => mine.send(method, denied, { ...(token && { token }) }));
      assert.deepEqual(
        found.map(({ event, outcome, details, organization }) => [event, outcome, details, organization]),
        [['request.refused', 'denied', { path: denied, status, face: 'usergrid' }, shop.organization]],
      );
      assert.ok(found[0]?.reason && found[0].address && found[0].requestId);
    }
    const wrong = { authorization: basic('shop', 'wrong') };
    const once = await since(() => mine.send('GET', '/acme/shop/users/bob', { headers: wrong }));
    assert.equal(once.length, 1, 'what the token endpoint refused is there once');
    const unknown = await since(() => mine.send('GET', '/acme/shop/users/nobody', { token: org }));
    assert.deepEqual(unknown, []);
    for (const token of [undefined, 'a-strangers']) {
      const strangers = await since(() =>
        mine.send('GET', '/acme/shop/users/bob', { ...(token && { token }) }),
      );
      assert.deepEqual(strangers, [], 'DO-09 who is nobody fills no audit');
    }
  });

  test('an organization without an id of its own has none to show', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      delete acme.clientId;
      delete acme.clientSecret;
    });
    const mine = createClient(own);
    const path = '/management/organizations/acme/credentials';
    const token = await mine.root();
    for (const method of ['GET', 'POST']) {
      assertRefused(await mine.send(method, path, { token }), 404, 'service_resource_not_found');
    }
  });

  test('an owner says how long tokens of the application’s users live', async () => {
    await using own = await start();
    const mine = createClient(own);
    const [app, ann] = [await mine.application(), await mine.user('ann')];
    const set = (accesstokenttl: unknown, token = app) =>
      mine.send('PUT', '/acme/shop', { token, json: { accesstokenttl, name: 'x' } });
    assertRefused(await set(1000, ann), 401, 'unauthorized');
    for (const value of [undefined, null, '', 'x', -1, 1.5, {}, 30 * DAY * 1000 + 1]) {
      assertRefused(await set(value), 400, 'illegal_argument', /^accesstokenttl /);
    }
    const answer = await mine.ok(set(1_800_000));
    assert.deepEqual([answer.action, answer.entities[0].accesstokenttl], ['put', 1_800_000]);
    assert.equal(answer.entities[0].name, 'acme/shop');
    assert.equal((await mine.ok(mine.password('ann'))).expires_in, 1800);
    assert.equal((await mine.ok(mine.password('ann', { ttl: 0 }))).expires_in, 1800);
    assertRefused(await mine.password('ann', { ttl: 1_800_001 }), 400, 'illegal_argument', /1800000/);
    const secret = own.secretOf('shop');
    assert.equal((await mine.ok(mine.credentials('shop', secret, '/acme/shop/token'))).expires_in, 3600);
    for (const token of [await mine.organization(), await mine.root()]) await mine.ok(set('0', token));
    const { access_token, expires_in } = await mine.ok(mine.password('ann'));
    assert.equal(expires_in, 30 * DAY);
    own.clock.offset = 29 * DAY * 1000;
    assert.equal((await own.introspect(access_token)).active, true);
    own.clock.offset = 0;
  });

  test('its default lifetime is what the operator says', async () => {
    await using own = await start({ ttl: 600 });
    const mine = createClient(own);
    for (const ask of [mine.password('ann'), mine.administrator()]) {
      assert.equal((await mine.ok(ask)).expires_in, 600);
    }
    assert.equal((await mine.ok(mine.password('ann', { ttl: 0 }))).expires_in, WEEK);
    // What the page says for the Java SDK.
    await using java = await start({ ttl: WEEK });
    const { expires_in: life } = await createClient(java).ok(createClient(java).password('ann'));
    assert.equal(life, 604_800);
  });

  test('two who change the same at once are told, and nothing is an error of ours', async () => {
    const org = await client.organization();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        client.send('PUT', '/acme/machine', { token: org, json: { accesstokenttl: 60_000 + index } }),
      ),
    );
    const statuses = new Set(answers.map(({ status }) => status));
    assert.ok(statuses.has(200));
    for (const status of statuses) assert.ok([200, 409].includes(status), String(status));
  });

  test('LG-01 bodies of the other older APIs are told what is wrong with them', async () => {
    const before = await idsOfRows(server);
    for (const body of [
      { login: 'ann', password: PASSWORD },
      { data: [{ email: 'ann', password: PASSWORD }], context: { domain: 'x' } },
      { authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } },
      { username: 'ann', password: PASSWORD, scopes: ['consumer'] },
    ]) {
      for (const path of ['/token', '/management/token', '/acme/shop/token']) {
        assertWrongLogin(await client.post(path, body));
      }
    }
    assert.deepEqual((await idsOfRows(server)).difference(before), new Set());
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
      assert.equal((await client.send(method, '/acme/shop/token')).status, 404);
    }
    assert.equal(
      (await client.send('DELETE', '/acme/shop/users', { token: await client.application() })).status,
      404,
    );
  });

  test('an unreadable body is told alike after another face was asked', async () => {
    await using both = await start({}, ({ organizations: [acme] }) => {
      acme.faces.devicehive = { application: 'shop' };
    });
    const mine = createClient(both);
    for (const [body, status] of [
      ['\u0000', 400],
      ['{', 400],
      ['x'.repeat(70_000), 413],
    ] as const) {
      const answer = await mine.send('POST', '/token', { body });
      assert.equal(answer.status, status, answer.text);
      assert.ok('exception' in answer.json);
    }
    const login = await mine.post('/token', { login: 'ann', password: PASSWORD });
    assert.deepEqual([login.status, Object.keys(login.json)], [201, ['accessToken', 'refreshToken']]);
    assert.equal((await mine.administrator({}, '/token')).status, 200);
  });

  test('below a prefix it is as at the root, and a path of its own names no organization', async () => {
    await using own = await start({}, undefined, { GRANTABLE_FACE_PREFIXES: 'usergrid=/grid' });
    const mine = createClient(own);
    const ann = await mine.tokenOf(mine.password('ann', {}, '/grid/acme/shop/token'));
    const answer = await mine.ok(mine.send('GET', '/grid/acme/shop/users/me', { token: ann }));
    assert.equal(answer.uri, `${own.issuer}/grid/acme/shop/users`);
    assert.equal((await mine.password('ann')).status, 404);
    const root = await mine.tokenOf(mine.administrator({}, '/grid/management/token'));
    const json = { accesstokenttl: 1000 };
    assert.equal((await mine.send('PUT', '/grid/management/token', { token: root, json })).status, 404);
    assert.equal((await mine.ok(mine.password('ann', {}, '/grid/acme/shop/token'))).expires_in, 3600);
  });
});
