/** Tokens follow what they depend on: who registered an application, what it was registered through, its secret. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createVerifier } from '../../src/resource-server/index.ts';
import { AUTHOR } from '../support/exchange.ts';
import { PASSWORD, REDIRECT_URI, RESOURCE, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { appOf, type Client, createClient, loginOf, SHOP, start, tokenOf } from './fusio-client.ts';

const CODE = 'authorization_code';

async function userOf({ server }: TestServer, username: string) {
  const { storage } = server.foundations;
  const shop = await storage.directory.applications.findBy('clientId', SHOP);
  const user = await storage.directory.users.findBy('username', `${shop?.realm}/${username}`);
  assert.ok(user);
  return user;
}

async function changeShop({ server }: TestServer, change: object) {
  const { storage, changes } = server.foundations;
  const shop = await storage.directory.applications.findBy('clientId', SHOP);
  assert.ok(shop);
  await changes.applications.replace({ ...shop, ...change }, AUTHOR);
}

describe('applications of people follow', () => {
  let server: TestServer;
  let client: Client;
  before(async () => {
    server = await start();
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  /** Bob's application, and what ann has through it. */
  async function arrange() {
    const bob = loginOf(await client.login('bob'));
    const app = await appOf(client, bob.token, { scopes: ['authorization', 'orders'] });
    const key = client.key(app.appKey, app.appSecret);
    const ann = loginOf(await client.login('ann'));
    const agree = () => client.authorize(ann.token, { clientId: app.appKey, scope: 'authorization,orders' });
    const { json } = await agree();
    const through = tokenOf(await client.token({ grant_type: CODE, code: json.code }, key));
    const login = () => client.token({ grant_type: 'password', username: 'ann', password: PASSWORD }, key);
    const renew = () =>
      client.token({ grant_type: 'refresh_token', refresh_token: through.refresh_token }, key);
    const isActive = async () => (await server.introspect(through.access_token)).active;
    assert.equal(await isActive(), true);
    return { app, key, through, agree, login, renew, isActive };
  }

  test('RT-08 its tokens are refused when the person who registered it is disabled', async () => {
    const { login, renew, agree, isActive } = await arrange();
    const { changes } = server.server.foundations;
    await changes.users.replace({ ...(await userOf(server, 'bob')), enabled: false }, AUTHOR);
    assert.equal(await isActive(), false);
    for (const refused of [await login(), await renew(), await agree()]) assert.equal(refused.status, 400);
    await changes.users.replace({ ...(await userOf(server, 'bob')), enabled: true }, AUTHOR);
    assert.equal((await login()).status, 200);
  });

  test('a new login of the person who registered it changes nothing for others', async () => {
    const { renew, isActive, key } = await arrange();
    const own = tokenOf(await client.token({ grant_type: 'client_credentials' }, key));
    const { changes, registry } = server.server.foundations;
    const bob = await userOf(server, 'bob');
    const now = Date.now();
    await registry.markAboveConnections(bob.id, { revokedAt: now, restoredAt: now });
    await changes.users.replace(
      { ...bob, passwordHash: (await userOf(server, 'ann')).passwordHash ?? '' },
      AUTHOR,
    );
    assert.equal(await isActive(), true);
    assert.equal((await renew()).status, 200);
    assert.equal((await server.introspect(own.access_token)).active, false, 'what is theirs ends');
  });

  test('RT-08 no password is checked when the person who registered it is disabled', async () => {
    const { app } = await arrange();
    const { changes } = server.server.foundations;
    const authorize = async () => {
      const query = new URLSearchParams({
        client_id: app.appKey,
        response_type: 'code',
        redirect_uri: REDIRECT_URI,
        scope: 'openid',
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
      });
      const answer = await fetch(`${server.issuer}/oauth/authorize?${query}`, { redirect: 'manual' });
      return answer.headers.get('location') ?? '';
    };
    assert.match(await authorize(), /\/interaction\//);
    await changes.users.replace({ ...(await userOf(server, 'bob')), enabled: false }, AUTHOR);
    assert.doesNotMatch(await authorize(), /\/interaction\//);
    await changes.users.replace({ ...(await userOf(server, 'bob')), enabled: true }, AUTHOR);
  });

  test('TX-06 scopes and grants that its registering client loses are lost here', async () => {
    const { login, renew, isActive, through, key } = await arrange();
    const shop = await server.server.foundations.storage.directory.applications.findBy('clientId', SHOP);
    assert.ok(shop);
    const { scopes, grants } = shop;
    await changeShop(server, { scopes: [] });
    assert.equal(await isActive(), true);
    assert.equal((await server.introspect(through.access_token)).scope, undefined);
    assert.equal(tokenOf(await login()).scope, 'authorization');
    assert.equal(tokenOf(await renew()).scope, 'authorization');
    await changeShop(server, { scopes, grants: ['client_credentials'] });
    assert.equal((await login()).status, 400);
    assert.equal((await client.token({ grant_type: 'client_credentials' }, key)).status, 200);
    await changeShop(server, { grants });
    assert.equal(tokenOf(await login()).scope, 'authorization,orders.read');
  });

  test('a scope of the API itself that is taken from one is taken from its living tokens', async () => {
    const ann = loginOf(await client.login('ann'));
    const app = await appOf(client, ann.token, { scopes: ['authorization', 'orders'] });
    const key = client.key(app.appKey, app.appSecret);
    const { access_token: token } = tokenOf(await client.token({ grant_type: 'client_credentials' }, key));
    assert.equal((await client.whoami(token)).status, 200);
    const body = { scopes: ['orders'] };
    await client.send('PUT', `/consumer/app/${app.id}`, body, client.bearer(ann.token));
    assert.equal((await client.whoami(token)).status, 401);
    assert.equal((await server.introspect(token)).scope, 'orders.read orders.write');
  });

  test('RT-05 a refresh token of an authenticating client needs its authentication', async () => {
    for (const form of [
      { grant_type: 'client_credentials' },
      { grant_type: 'password', username: 'ann', password: PASSWORD },
    ]) {
      const { refresh_token: refreshToken } = tokenOf(await client.token(form as Record<string, string>));
      assert.equal((await client.renew(refreshToken)).status, 400);
      const renewed = await client.token({ grant_type: 'refresh_token', refresh_token: refreshToken });
      assert.equal(renewed.status, 200, 'which cost it nothing');
    }
    const login = loginOf(await client.login('ann'));
    const form = { grant_type: 'refresh_token', refresh_token: login.refresh_token };
    assert.equal((await client.token(form)).status, 200, 'its own application may go on with it');
  });

  test('TX-06 removing the person who registered it ends tokens at resource servers', async () => {
    const { through } = await arrange();
    const introspector = { clientId: 'shop-api', clientSecret: server.secretOf('shop-api') };
    const verifier = createVerifier({ issuer: server.issuer, resource: RESOURCE, ...introspector });
    try {
      const isTaken = () =>
        verifier.verify(through.access_token).then(
          () => true,
          () => false,
        );
      await until('the token is taken', isTaken);
      await server.server.foundations.changes.users.remove(await userOf(server, 'bob'), AUTHOR);
      assert.equal((await server.introspect(through.access_token)).active, false);
      await until('the token is refused', async () => !(await isTaken()));
    } finally {
      verifier.close();
    }
  });
});

test('a scope of the API itself is not one of the same name that a resource has', async () => {
  await using server = await startServer({
    fixture(fixture) {
      const [acme] = fixture.organizations;
      acme.resources[0].scopes = [...(acme.resources[0].scopes ?? []), 'consumer'];
      acme.faces = { fusio: { application: SHOP } };
    },
  });
  const { token, scope } = loginOf(await createClient(server).login('ann'));
  assert.ok(scope.split(',').includes('consumer'));
  const { scope: told = '' } = await server.introspect(token);
  assert.ok(!told.split(' ').includes('consumer'), told);
  assert.ok(
    !Buffer.from(token.split('.')[1] as string, 'base64url')
      .toString()
      .includes('consumer'),
  );
});

describe('tokens of the other faces follow', () => {
  const ADMIN = 'correct-horse-battery-staple';
  const ORGANIZATION = 'secret-of-acme-org-'.padEnd(40, 'x');

  const startFor = (env: Record<string, string> = {}) =>
    startServer({
      env,
      fixture(fixture) {
        const [acme] = fixture.organizations;
        Object.assign(acme, { clientId: 'acme-org', clientSecret: ORGANIZATION });
        acme.faces = {
          devicehive: { application: SHOP, administrators: true },
          usergrid: { administrators: true },
        };
        acme.applications[0].authMethod = 'client_secret_post';
        acme.users[0].devicehive = { networks: ['4'] };
        fixture.administrators = [{ username: 'root', password: ADMIN, organizations: ['acme'] }];
      },
    });
  const post = (server: TestServer) => {
    const { send } = createClient(server);
    return (path: string, body: object, token?: string) =>
      send('POST', path, body, token === undefined ? {} : { Authorization: `Bearer ${token}` });
  };

  async function letIn({ server }: TestServer, face: 'devicehive' | 'usergrid', administrators: boolean) {
    const { storage, changes } = server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme?.faces?.[face]);
    const faces = { ...acme.faces, [face]: { ...acme.faces[face], administrators } };
    await changes.organizations.replace({ ...acme, faces }, AUTHOR);
  }

  test('LG-03 grants of an administrator who lost access end for good', async () => {
    await using server = await startFor();
    const ask = post(server);
    const root = (await ask('/token', { login: 'root', password: ADMIN })).json;
    const { number: userId } = await userOf(server, 'ann');
    const pairOf = async (token: string) =>
      (await ask('/token/create', { userId, actions: ['GetDevice'], networkIds: ['4'] }, token)).json;
    const pair = await pairOf(root.accessToken);
    const isActive = async () => (await server.introspect(pair.accessToken)).active;
    assert.equal(await isActive(), true);
    await letIn(server, 'devicehive', false);
    assert.equal(await isActive(), false);
    const refresh = () => ask('/token/refresh', { refreshToken: pair.refreshToken });
    assert.equal((await refresh()).status, 401);
    server.clock.offset += 60 * 86_400_000;
    assert.equal((await refresh()).status, 401, 'however long it lives');
    await letIn(server, 'devicehive', true);
    assert.equal((await refresh()).status, 201);
    const administrator = await server.server.foundations.storage.directory.users.findBy(
      'username',
      'management/root',
    );
    assert.ok(administrator);
    await server.server.foundations.changes.users.replace({ ...administrator, administers: [] }, AUTHOR);
    assert.equal((await refresh()).status, 401, 'nor when they administer it no more');
  });

  test('RT-08 a secret that is renewed ends what the one before was the proof for', async () => {
    await using server = await startFor();
    const ask = post(server);
    const byPassword = { grant_type: 'password', username: 'root', password: ADMIN };
    const root = (await ask('/management/token', byPassword)).json.access_token;
    const credentials = { client_id: SHOP, client_secret: server.secretOf(SHOP) };
    const found = await ask('/acme/shop/token', { grant_type: 'client_credentials', ...credentials });
    const ann = await ask('/acme/shop/token', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    const renewed = await ask('/acme/shop/credentials', {}, root);
    assert.equal(renewed.status, 200, renewed.text);
    const { client_secret: secret } = renewed.json.credentials;
    for (const [token, active] of [
      [found.json.access_token, false],
      [ann.json.access_token, true],
    ]) {
      const seen = await server.post('/oauth/introspect', undefined, {
        client_id: SHOP,
        client_secret: secret,
        token,
      });
      assert.equal(seen.json.active, active);
    }
    const again = await ask('/acme/shop/token', {
      grant_type: 'client_credentials',
      client_id: SHOP,
      client_secret: secret,
    });
    assert.equal(again.status, 200);
  });

  test('RT-08 a plugin loses its creator for good when that user is removed', async () => {
    await using server = await startFor();
    const { storage, changes } = server.server.foundations;
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(acme?.faces?.devicehive);
    const ann = await userOf(server, 'ann');
    const creators = [ann.id, (await userOf(server, 'bob')).id];
    const plugins = creators.map((creator) => ({ topic: `plugin_topic_${creator}`, creator }));
    const faces = { ...acme.faces, devicehive: { ...acme.faces.devicehive, plugins } };
    await changes.organizations.replace({ ...acme, faces }, AUTHOR);
    await changes.users.remove(ann, AUTHOR);
    const left = (await storage.directory.organizations.get(acme.id))?.faces?.devicehive;
    assert.deepEqual(left, { ...faces.devicehive, plugins: [plugins[1]] });
  });

  test('a request with two questions is answered', async () => {
    await using server = await startFor();
    const { send, key } = createClient(server);
    for (const path of ['/acme/shop/users/ann/token', '/acme/shop/users/ann']) {
      for (const authorization of [key(), key('acme-org', ORGANIZATION)]) {
        const answer = await send('GET', path, undefined, { ...authorization, DPoP: 'not-of-the-face' });
        assert.equal(answer.status, 200, answer.text);
      }
    }
  });
});
