import assert from 'node:assert/strict';
import { request as sendRaw } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { OTHER_RESOURCE, PASSWORD, type TestServer, tablesOf } from '../support/server.ts';
import {
  ADMIN_PASSWORD,
  type Answer,
  assertRefused,
  assertWrongLogin,
  CLERK,
  createClient,
  DAY,
  idsOfRows,
  ORGANIZATION_SECRET,
  OTHER_SECRET,
  type Sent,
  start,
  USER_KEYS,
  WEEK,
} from './usergrid-client.ts';

describe('Usergrid: tokens of four principals', () => {
  let server: TestServer;
  let client: ReturnType<typeof createClient>;
  before(async () => {
    server = await start({ queryCredentials: true });
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const organizationOf = (name = 'acme') =>
    server.server.foundations.storage.directory.organizations.findBy('name', name).then((found) => found!);
  const applicationOf = (clientId: string) =>
    server.server.foundations.storage.directory.applications
      .findBy('clientId', clientId)
      .then((found) => found!);

  test('a user of an application gets a token for what roles and application allow', async () => {
    const answer = await client.ok(client.password('ann'));
    assert.deepEqual(Object.keys(answer), ['access_token', 'expires_in', 'user']);
    assert.equal(answer.expires_in, 3600);
    assert.deepEqual(Object.keys(answer.user), USER_KEYS);
    const seen = await server.introspect(answer.access_token);
    assert.deepEqual([seen.active, seen.username, seen.client_id], [true, 'ann', 'acme.usergrid']);
    assert.deepEqual(tablesOf(seen), CLERK);
    assert.equal(seen.exp - seen.iat, 3600);
  });

  test('applications, organizations and administrators each get their own ceiling', async () => {
    const shop = await applicationOf('shop');
    const application = await client.ok(
      client.credentials('shop', server.secretOf('shop'), '/acme/shop/token'),
    );
    assert.deepEqual(Object.keys(application), ['access_token', 'expires_in', 'application']);
    assert.equal(application.application, shop.id);
    const { id } = await organizationOf();
    for (const path of ['/token', '/management/token', '/acme/shop/token', '/acme/machine/token']) {
      const answer = await client.ok(client.credentials('acme-org', ORGANIZATION_SECRET, path));
      assert.deepEqual(Object.keys(answer), ['access_token', 'expires_in', 'organization']);
      assert.deepEqual(Object.keys(answer.organization), [
        'uuid',
        'name',
        'properties',
        'applications',
        'users',
      ]);
      assert.deepEqual([answer.organization.uuid, answer.organization.name], [id, 'acme']);
      assert.equal(answer.organization.applications['acme/shop'], shop.id);
      assert.deepEqual(Object.keys(answer.organization.users), ['root']);
      const seen = await server.introspect(answer.access_token);
      assert.deepEqual([seen.active, seen.permissions.isAdmin, seen.client_id], [true, true, 'acme-org']);
    }
    for (const path of ['/token', '/management/token', '/management/me']) {
      const { access_token, expires_in, user, ...rest } = await client.ok(client.administrator({}, path));
      assert.deepEqual(rest, {});
      assert.equal(expires_in, 3600);
      assert.deepEqual(Object.keys(user.organizations), ['acme']);
      assert.deepEqual(Object.keys(user.organizations.acme.users), ['root']);
      assert.deepEqual([user.adminUser, user.mailTo], [true, 'Root Admin <root@acme.example>']);
      const seen = await server.introspect(access_token);
      assert.deepEqual([seen.active, seen.username, seen.permissions.isAdmin], [true, 'root', true]);
    }
    assert.deepEqual(await client.tablesOf(application.access_token), CLERK);
  });

  test('an organization is given what the application of the path is for', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      const web = acme.applications.find(({ name }: { name: string }) => name === 'machine');
      web.resource = 'https://opaque.acme.example/';
      delete web.resources;
    });
    const token = await createClient(own).organization('/acme/machine/token');
    assert.equal((await own.introspect(token)).aud, 'https://opaque.acme.example/');
    assert.match(token, /^gat_/, 'in the format of that resource');
  });

  test('name, email address, UUID and the field email mean the same user', async () => {
    const { user } = await client.ok(client.password('ann'));
    for (const fields of [
      { username: 'ANN' },
      { username: 'ann@acme.example' },
      { username: user.uuid },
      { username: user.uuid.toUpperCase() },
      { username: undefined, email: 'ann@acme.example' },
    ]) {
      assert.equal((await client.ok(client.password('', fields))).user.uuid, user.uuid);
    }
    const root = (await client.ok(client.administrator())).user.uuid;
    assert.equal((await client.ok(client.administrator({ username: root }))).user.uuid, root);
  });

  test('LG-05 the UUID of a user in another realm is unknown', async () => {
    const own = await client.ok(client.password('ann'));
    const root = await client.ok(client.administrator());
    const other = await client.ok(client.password('ann', {}, '/other/other-shop/token'));
    assert.notEqual(own.user.uuid, other.user.uuid);
    assertWrongLogin(await client.password(other.user.uuid));
    assertWrongLogin(await client.password(root.user.uuid, { password: ADMIN_PASSWORD }));
    assertWrongLogin(await client.administrator({ username: own.user.uuid, password: PASSWORD }));
  });

  test('JSON, forms, queries and Basic carry the same fields', async () => {
    const old = await client.user('ann');
    const fields = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const query = String(new URLSearchParams(fields));
    const secret = server.secretOf('shop');
    const own = { grant_type: 'client_credentials', client_id: 'shop', client_secret: secret };
    const header = { authorization: `Basic ${Buffer.from(`shop:${secret}`).toString('base64')}` };
    for (const [method, path, sent] of [
      ['POST', '/acme/shop/token', { form: fields }],
      ['POST', '/acme/shop/token?', { json: fields }],
      [
        'POST',
        '/acme/shop/token',
        { body: JSON.stringify(fields), headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      ],
      [
        'POST',
        '/acme/shop/token',
        { body: JSON.stringify(fields), headers: { 'content-type': 'text/plain' } },
      ],
      ['POST', `/acme/shop/token?access_token=${old}`, { json: fields }],
      ['POST', '/acme/shop/token', { json: fields, token: old }],
      ['POST', '/acme/shop/token', { json: fields, token: 'x' }],
      ['GET', `/acme/shop/token?${query}`, {}],
      ['GET', `/acme/shop/token?${query}&callback=alert`, {}],
      ['POST', `/acme/shop/token?${query}`, { headers: { 'x-http-method-override': 'GET' } }],
      ['POST', '/acme/shop/token', { json: own }],
      ['POST', '/acme/shop/token', { form: own, token: old }],
      ['POST', '/acme/shop/token', { json: { grant_type: 'client_credentials' }, headers: header }],
      ['POST', '/acme/shop/token', { json: { ...own, client_id: 'x', client_secret: 'y' }, headers: header }],
      ['GET', `/acme/shop/token?${new URLSearchParams(own)}`, {}],
      ['GET', '/acme/shop/token?grant_type=client_credentials', { headers: header }],
    ] as [string, string, Sent][]) {
      const answer = await client.send(method, path, sent);
      assert.equal(answer.status, 200, `${method} ${path} ${answer.text}`);
      assert.match(String(answer.headers.get('content-type')), /^application\/json/);
      assert.deepEqual(await client.tablesOf(answer.json.access_token), CLERK);
    }
  });

  test('a client whose secret belongs into the body is authenticated all the same', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      acme.applications[0].authMethod = 'client_secret_post';
    });
    assert.deepEqual(await createClient(own).tablesOf(await createClient(own).application()), CLERK);
  });

  test('a lifetime is asked for in milliseconds, and told in seconds and truthfully', async () => {
    for (const [ttl, seconds] of [
      [undefined, 3600],
      [null, 3600],
      [2000, 2],
      ['600000', 600],
      [1, 1],
      [1999, 1],
      [0, WEEK],
      [WEEK * 1000, WEEK],
    ] as const) {
      for (const ask of [
        () => client.password('ann', { ttl }),
        () => client.administrator({ ttl }),
        () => client.credentials('shop', server.secretOf('shop'), '/acme/shop/token', { ttl }),
        () => client.credentials('acme-org', ORGANIZATION_SECRET, '/management/token', { ttl }),
      ]) {
        // Stopped at the beginning of a second, so that what lives for one still lives when it is asked about.
        server.clock.stoppedAt = Math.ceil(Date.now() / 1000) * 1000;
        const { access_token, expires_in } = await client.ok(ask());
        assert.equal(expires_in, seconds, String(ttl));
        const { exp, iat } = await server.introspect(access_token);
        assert.equal(exp - iat, seconds);
      }
    }
    delete server.clock.stoppedAt;
    for (const ttl of ['', 'derp', '-1', -1, 1.5, '1e3', true, [], {}, '9'.repeat(20), 1e300]) {
      const answer = await client.password('ann', { ttl });
      assertRefused(answer, 400, 'illegal_argument', /^ttl must be a number >= 0$/);
    }
    for (const answer of [
      await client.password('ann', { ttl: WEEK * 1000 + 1 }),
      await client.administrator({ ttl: WEEK * 1000 + 1 }),
    ]) {
      assertRefused(answer, 400, 'illegal_argument', /604800000/);
    }
    const query = `grant_type=password&username=ann&password=${PASSWORD}`;
    for (const path of ['/acme/shop/token', '/management/token']) {
      assertRefused(await client.send('GET', `${path}?${query}&ttl=derp`), 400, 'illegal_argument');
    }
  });

  test('every wrong login is one 400, and nothing is written', async () => {
    const before = await idsOfRows(server);
    const grant_type = 'password';
    const own = { grant_type: 'client_credentials', client_id: 'shop' };
    for (const fields of [
      { grant_type, username: 'ann', password: 'wrong' },
      { grant_type, username: 'nobody', password: PASSWORD },
      { grant_type, username: 'ann' },
      { grant_type, username: 'ann', password: '' },
      { grant_type, username: { $ne: null }, password: PASSWORD },
      { grant_type, username: ['ann'], password: PASSWORD },
      { grant_type, username: 'x'.repeat(5000), password: PASSWORD },
      { grant_type: 'pin', username: 'ann', pin: '1' },
      { grant_type: 'refresh_token', refresh_token: 'grt_x' },
      { grant_type: ['password'], username: 'ann', password: PASSWORD },
      { username: 'ann', password: PASSWORD },
      own,
      { ...own, client_secret: 'wrong' },
      { ...own, client_id: 'nobody', client_secret: 'wrong' },
      { ...own, client_id: 'acme.usergrid', client_secret: 'x' },
      { grant_type: 'client_credentials', username: 'ann', password: PASSWORD },
      [],
      'text',
    ]) {
      for (const path of ['/acme/shop/token', '/management/token', '/token', '/management/me']) {
        assertWrongLogin(await client.post(path, fields));
      }
    }
    assert.deepEqual((await idsOfRows(server)).difference(before), new Set());
    for (const body of ['{', '{"__proto__":{}}', '[1']) {
      const answer = await client.send('POST', '/acme/shop/token', { body });
      assertRefused(answer, 400, 'json_parse');
    }
    assert.equal((await client.send('POST', '/acme/shop/token', { body: 'x'.repeat(70_000) })).status, 413);
  });

  test('who may not log in is told so with the right password, and only then', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      acme.users.push({ username: 'gone', password: PASSWORD, application: 'shop', enabled: false });
    });
    const { password } = createClient(own);
    assertWrongLogin(await password('gone'), 'user disabled');
    assertWrongLogin(await password('gone', { password: 'wrong' }));
    const { changes, storage } = own.server.foundations;
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    const ann = await storage.directory.users.findBy('username', `application:${shop?.id}/ann`);
    await changes.users.replace({ ...ann!, pending: true }, { actor: 'test' });
    assertWrongLogin(await password('ann'), 'user not activated');
    assertWrongLogin(await password('ann', { password: 'wrong' }));
  });

  test('LG-05 administrators and users are apart, whatever the URL', async () => {
    for (const answer of [
      await client.administrator({}, '/acme/shop/token'),
      await client.password('ann', {}, '/management/token'),
      await client.password('ann', {}, '/token'),
      await client.administrator({ username: 'foreign' }),
      await client.administrator({ username: 'foreign' }, '/token'),
    ]) {
      assertWrongLogin(answer);
    }
    await using own = await start({ administrators: false });
    assertWrongLogin(await createClient(own).administrator());
    assert.equal((await createClient(own).password('ann')).status, 200);
  });

  test('administrators log in although the application lets no user log in', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      acme.applications[0].grants = ['client_credentials'];
    });
    assert.equal((await createClient(own).administrator()).status, 200);
    assertWrongLogin(await createClient(own).password('ann'));
  });

  test('LG-05 MT-02 an application acts at its own URL and at the management', async () => {
    const secret = server.secretOf('machine');
    const { application } = await client.ok(client.credentials('machine', secret, '/management/token'));
    assert.equal(application, (await applicationOf('machine')).id);
    for (const answer of [
      await client.credentials('machine', secret, '/acme/shop/token'),
      await client.credentials('shop', server.secretOf('shop'), '/acme/machine/token'),
      await client.credentials('other-shop', server.secretOf('other-shop'), '/acme/shop/token'),
      await client.credentials('other-shop', server.secretOf('other-shop'), '/management/token'),
      await client.credentials('other-org', OTHER_SECRET, '/acme/shop/token'),
      await client.credentials('other-org', OTHER_SECRET, '/management/token'),
      await client.credentials('acme-org', ORGANIZATION_SECRET, '/other/other-shop/token'),
      await client.credentials('shop-api', server.secretOf('shop-api'), '/management/token'),
    ]) {
      assertWrongLogin(answer);
    }
  });

  test('LG-05 MT-01 a path names only objects of its own tenant', async () => {
    const [acme, other] = [await organizationOf(), await organizationOf('other')];
    const [shop, foreign, own] = [
      await applicationOf('shop'),
      await applicationOf('other-shop'),
      await applicationOf('acme-org'),
    ];
    for (const path of [`/${acme.id}/${shop.id}`, `/acme/${shop.id}`, `/${acme.id}/shop`]) {
      assert.equal((await client.password('ann', {}, `${path}/token`)).status, 200, path);
    }
    for (const path of [
      `/acme/${foreign.id}`,
      `/${other.id}/${shop.id}`,
      `/${other.id}/shop`,
      '/acme/other-shop',
      '/other/shop',
      '/nobody/shop',
      '/acme/nobody',
      '/ACME/shop',
      '/acme/Shop',
      '/acme/organization',
      `/acme/${own.id}`,
      `/acme/${shop.id.toUpperCase()}`,
      '/acme/0f5c7e0a-0000-4000-8000-000000000000',
      '/acme/..%2Fother',
      '/acme%2Fshop/x',
      '/%61cme/shop',
      '/management/shop',
    ]) {
      for (const body of [
        { username: 'ann', password: PASSWORD },
        { username: 'root', password: ADMIN_PASSWORD },
      ]) {
        const answer = await client.post(`${path}/token`, { grant_type: 'password', ...body });
        assert.equal(answer.status, 404, path);
        if (!path.startsWith('/management')) {
          assertRefused(
            answer,
            404,
            'organization_application_not_found',
            /^Could not find application for /,
          );
        }
      }
    }
    for (const path of ['/acme/shop/Token', '/acme%2Fshop/token', '/management/Token']) {
      assert.equal((await client.password('ann', {}, path)).status, 404, path);
    }
    for (const path of ['/acme/../other/other-shop/token', '/acme/shop/%2e%2e/token']) {
      const { hostname, port } = new URL(server.issuer);
      const answered = new Promise<number | undefined>((resolve, reject) => {
        const sent = sendRaw({ hostname, port, path, method: 'POST' }, async (message) => {
          await readText(message);
          resolve(message.statusCode);
        });
        sent
          .on('error', reject)
          .end(JSON.stringify({ grant_type: 'password', username: 'ann', password: PASSWORD }));
      });
      assert.equal(await answered, 404, path);
    }
  });

  test('MT-02 a host picks the tenant of the management, and its own administrators only', async () => {
    const { hostname, port } = new URL(server.issuer);
    const ask = (username: string) =>
      new Promise<{ status: number | undefined; json: any }>((resolve, reject) => {
        const headers = { host: 'other.localhost', 'content-type': 'application/json' };
        const sent = sendRaw(
          { hostname, port, path: '/management/token', method: 'POST', headers },
          async (message) =>
            resolve({ status: message.statusCode, json: JSON.parse(await readText(message)) }),
        );
        sent
          .on('error', reject)
          .end(JSON.stringify({ grant_type: 'password', username, password: ADMIN_PASSWORD }));
      });
    assert.equal((await ask('root')).status, 400);
    const { status, json } = await ask('foreign');
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(json.user.organizations), ['other']);
    const seen = await server.introspect(json.access_token, 'other-api');
    assert.deepEqual([seen.org, seen.aud], ['other', OTHER_RESOURCE]);
  });

  test('LG-07 guesses count for the account and the client across all faces', async () => {
    await using small = await start({}, undefined, { GRANTABLE_CLIENT_LIMIT: '5/1m' });
    const { password, credentials } = createClient(small);
    for (let guess = 0; guess < 10; guess += 1) {
      assertWrongLogin(await password('ann', { password: 'wrong' }));
    }
    const native = await small.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assert.equal(native.status, 429);
    const refused = await password('ann');
    assert.equal(refused.status, 429);
    assert.deepEqual(Object.keys(refused.json), ['error', 'error_description']);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    // That the address belongs to the same account is not told.
    assertWrongLogin(await password('ann@acme.example'));
    for (let guess = 0; guess < 5; guess += 1) {
      assertWrongLogin(await credentials('machine', 'wrong', '/acme/machine/token'));
    }
    const late = await credentials('machine', small.secretOf('machine'), '/acme/machine/token');
    assert.equal(late.status, 429);
    assert.equal((await small.token('machine')).status, 429);
  });

  test('habits of clients are accepted: a final slash, user for users, no type', async () => {
    for (const path of ['/acme/shop/token/', '/management/token/']) {
      const fields = path.startsWith('/acme') ? {} : { username: 'root', password: ADMIN_PASSWORD };
      assert.equal((await client.password('ann', fields, path)).status, 200, path);
    }
    const token = await client.user('ann');
    for (const path of [
      '/acme/shop/users/me/?path=%2Fusers%2Fme',
      '/acme/shop/user/me',
      '/acme/shop/user/ann/',
    ]) {
      assert.equal((await client.ok(client.send('GET', path, { token }))).entities[0].username, 'ann', path);
    }
    const { hostname, port } = new URL(server.issuer);
    const bare = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sent = sendRaw(
        { hostname, port, path: '/acme/shop/token?access_token=', method: 'POST' },
        async (message) => resolve({ status: message.statusCode, text: await readText(message) }),
      );
      sent
        .on('error', reject)
        .end(
          JSON.stringify({ grant_type: 'password', username: 'ann', password: PASSWORD, ttl: 86_400_000 }),
        );
    });
    assert.equal(bare.status, 200, bare.text);
    assert.equal(JSON.parse(bare.text).expires_in, DAY);
  });

  test('whether a name or an address is taken is asked by who has power over the users', async () => {
    const ask = (ql: string, token?: string) =>
      client.send('GET', `/acme/shop/users/?ql=${encodeURIComponent(ql)}`, {
        ...(token !== undefined && { token }),
      });
    const app = await client.application();
    const namesOf = ({ json }: Answer) => json.entities.map(({ username }: { username: string }) => username);
    const both = "select * where username = 'bob' or email = 'ann@acme.example'";
    assert.deepEqual(namesOf(await ask(both, app)), ['bob', 'ann']);
    assert.deepEqual(namesOf(await ask("username = 'nobody'", app)), []);
    assertRefused(await ask(both), 401, 'unauthorized');
    assertRefused(await ask(both, await client.user('ann')), 401, 'unauthorized');
    for (const ql of ['', 'select *', "password = 'x'", "username = 'a' and email = 'b'", "username > ''"]) {
      assertRefused(await ask(ql, app), 400, 'illegal_argument');
    }
    const all = await client.send('GET', '/acme/shop/users', { token: app });
    assertRefused(all, 400, 'illegal_argument');
  });

  test('unknown routes below an administrator’s path are not found', async () => {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
      assertRefused(await client.send(method, '/management/users/root'), 404, 'not_found');
    }
  });

  test('LG-09 it is found for organizations that switched it on', async () => {
    await using half = await start({ enabled: false });
    for (const path of [
      '/acme/shop/token',
      '/management/token',
      '/token',
      '/ACME/shop/token',
      '/acme/shop/token/',
    ]) {
      assert.equal((await createClient(half).password('ann', {}, path)).status, 404, path);
    }
    assert.equal((await createClient(half).password('ann', {}, '/other/other-shop/token')).status, 200);
    await using off = await start({ enabled: false }, ({ organizations }) => {
      for (const organization of organizations) organization.faces = {};
    });
    for (const path of ['/acme/shop/token', '/nobody/shop/token', '/management/token', '/token']) {
      const { status, json } = await createClient(off).password('ann', {}, path);
      assert.deepEqual([status, json.exception], [404, undefined], path);
    }
  });

  test('names and secrets stand in a query only where the operator lets them', async () => {
    await using own = await start();
    const { send, credentials, ok } = createClient(own);
    for (const query of [
      `grant_type=password&username=ann&password=${PASSWORD}`,
      `grant_type=client_credentials&client_id=shop&client_secret=${own.secretOf('shop')}`,
    ]) {
      for (const path of ['/acme/shop/token', '/management/token', '/token', '/management/me']) {
        const { status, json } = await send('GET', `${path}?${query}`);
        assert.deepEqual([status, Object.keys(json)], [400, ['error', 'error_description']], path);
        assert.match(json.error_description, /not taken from a query/);
      }
    }
    const query = `client_id=shop&client_secret=${own.secretOf('shop')}`;
    assertRefused(await send('GET', `/acme/shop/credentials?${query}`), 401, 'invalid_client');
    await ok(credentials('shop', own.secretOf('shop'), '/acme/shop/token'));
  });

  test('pages of listed origins may read the answers', async () => {
    await using own = await start({}, ({ organizations: [acme] }) => {
      acme.applications[0].allowedOrigins = ['https://app.acme.example'];
    });
    const { post } = createClient(own);
    const fields = { grant_type: 'password', username: 'ann', password: PASSWORD };
    for (const [origin, expected] of [
      ['https://app.acme.example', 'https://app.acme.example'],
      ['https://evil.example', null],
    ] as const) {
      const answer = await post('/acme/shop/token', fields, { headers: { origin } });
      assert.equal(answer.headers.get('access-control-allow-origin'), expected);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
    }
  });

  test('a browser is redirected to the login page without its password', async () => {
    const query =
      'response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.acme.example%2Fcallback&state=x';
    const got = await client.send('GET', `/acme/web/authorize?${query}&password=secret`);
    assert.equal(got.status, 302);
    assert.equal(got.headers.get('location'), `${server.issuer}/oauth/authorize?${query}`);
    const posted = await client.send('POST', '/acme/web/authorize', {
      body: `${query}&username=ann&password=secret`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    assert.deepEqual([posted.status, posted.headers.get('location')], [303, got.headers.get('location')]);
  });

  test('the redirect of a browser is no longer than a browser takes', async () => {
    const path = '/acme/web/authorize?response_type=code&client_id=web';
    const led = await client.send('GET', `${path}&state=${'x'.repeat(2048)}`);
    assert.equal(led.status, 302);
    for (const name of ['redirect_uri', 'scope', 'state', 'code_challenge']) {
      const text = 'x'.repeat(2049);
      assertRefused(await client.send('GET', `${path}&${name}=${text}`), 400, 'illegal_argument', /too long/);
      const posted = await client.send('POST', '/management/authorize', { form: { [name]: text } });
      assertRefused(posted, 400, 'illegal_argument', /too long/);
    }
  });
});
