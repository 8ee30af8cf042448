import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { NAMES_GONE } from '../../src/changes/earlier-plugins.ts';
import { isLetIn, mayRefresh } from '../../src/faces/devicehive/device-rights.ts';
import type { RefreshFacts } from '../../src/faces/devicehive/tokens.ts';
import type { FaceSettings, Organization, User } from '../../src/nouns/index.ts';
import { Conflict } from '../../src/storage/contract.ts';
import { AUTHOR } from '../support/exchange.ts';
import { PASSWORD, startServer, type TestServer, tablesOf } from '../support/server.ts';

const ADMIN_PASSWORD = 'correct-horse-battery-staple';
const TOPIC = 'plugin_topic_x';
const UNAUTHORIZED = [401, '{"error":401,"message":"Unauthorized"}'];

interface Pair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

type Settings = Record<string, any>;

/** @param plugins none: the apply file says nothing of plugins */
async function start(env: Record<string, string> = {}, plugins = [{ topic: TOPIC, creator: 'ann' }]) {
  const server = await startServer({
    env,
    fixture(fixture) {
      const [acme] = fixture.organizations;
      const said = plugins.length > 0 && { plugins };
      acme.faces = { devicehive: { application: 'shop', administrators: true, ...said } };
      acme.users[0].devicehive = { networks: ['4'], deviceTypes: ['2'] };
      fixture.administrators = [{ username: 'root', password: ADMIN_PASSWORD, organizations: ['acme'] }];
    },
  });
  return { server, client: createClient(server), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function createClient({ issuer }: TestServer) {
  async function post(path: string, body: object, token?: string) {
    const response = await fetch(issuer + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }
  async function pair(path: string, body: object, token?: string): Promise<Pair> {
    const { status, text } = await post(path, body, token);
    assert.equal(status, 201, text);
    return JSON.parse(text);
  }
  const told = async (answer: ReturnType<typeof post>) => [(await answer).status, (await answer).text];
  return {
    post,
    login: (login = 'ann') => pair('/token', { login, password: PASSWORD }),
    loginAsRoot: () => pair('/token', { login: 'root', password: ADMIN_PASSWORD }),
    makePair: (token: string, body: object) => pair('/token/create', body, token),
    makePlugin: (token: string) => pair('/token/plugin/create', { a: [0], tpc: TOPIC }, token),
    refresh: (refreshToken: string) => pair('/token/refresh', { refreshToken }),
    toldOfPair: (token: string, userId: number) =>
      told(post('/token/create', { userId, actions: [3] }, token)),
    toldOfPlugin: (token: string) => told(post('/token/plugin/create', { a: [0], tpc: TOPIC }, token)),
    toldOfRefresh: (refreshToken: string) => told(post('/token/refresh', { refreshToken })),
  };
}

const numberOf = (token: string): number => (decodeJwt(token).payload as { u: number }).u;

async function setDeviceHive({ server }: TestServer, settings: Settings): Promise<void> {
  const { changes, storage } = server.foundations;
  const acme = await storage.directory.organizations.findBy('name', 'acme');
  assert.ok(acme?.faces?.devicehive);
  const devicehive = { ...acme.faces.devicehive, ...settings };
  await changes.organizations.replace({ ...acme, faces: { ...acme.faces, devicehive } }, AUTHOR);
}

async function setAdministers({ server }: TestServer, administers: string[] | undefined): Promise<void> {
  const { changes, storage } = server.foundations;
  const root = await storage.directory.users.findBy('username', 'management/root');
  const acme = await storage.directory.organizations.findBy('name', 'acme');
  assert.ok(root && acme);
  await changes.users.replace({ ...root, administers: administers ?? [acme.id] }, AUTHOR);
}

describe('DeviceHive: who is let in no more', () => {
  const ways: [string, (server: TestServer) => Promise<void>][] = [
    ['administrators are switched off', (server) => setDeviceHive(server, { administrators: false })],
    ['they administer the organization no more', (server) => setAdministers(server, [])],
  ];
  for (const [what, lock] of ways) {
    test(`LG-03 administrators lose all that they got here when ${what}`, async () => {
      await using own = await start({}, [{ topic: TOPIC, creator: 'root' }]);
      const { client, server } = own;
      const login = await client.loginAsRoot();
      const number = numberOf(login.accessToken);
      const below = await client.makePair(login.accessToken, { userId: number, actions: ['*'] });
      const plugin = await client.makePlugin(login.accessToken);
      await lock(server);
      for (const { accessToken, refreshToken } of [login, below, plugin]) {
        assert.deepEqual(await client.toldOfPair(accessToken, number), UNAUTHORIZED);
        assert.deepEqual(await client.toldOfPlugin(accessToken), UNAUTHORIZED);
        assert.deepEqual(await client.toldOfRefresh(refreshToken), UNAUTHORIZED);
        assert.equal((await server.introspect(accessToken)).active, false);
      }
    });
  }

  test('LG-03 an ordinary user stays when administrators are switched off', async () => {
    await using own = await start();
    const { client, server } = own;
    const { accessToken, refreshToken } = await client.login();
    await setDeviceHive(server, { administrators: false });
    await client.makePair(accessToken, { userId: numberOf(accessToken), actions: [3] });
    await client.refresh(refreshToken);
    assert.equal((await server.introspect(accessToken)).active, true);
  });
});

test('LG-03 who may refresh is asked of the settings, whatever the login has left', async () => {
  const root = { realm: 'management', administers: ['acme'] } as unknown as User;
  const acme = (settings: Settings) =>
    ({ id: 'acme', faces: { devicehive: settings as FaceSettings } }) as unknown as Organization;
  const [on, off] = [acme({ administrators: true }), acme({ administrators: false })];
  const facts = { realm: 'management', user: 7, topic: undefined, expiresAt: 0 } as const;
  const may = (some: object, settings: Settings, found: User | undefined = root) =>
    mayRefresh({ ...facts, ...some } satisfies RefreshFacts, acme(settings), {
      findNumber: async (number) => (number === 7 ? found : undefined),
      find: async (id) => (id === 'id of root' ? found : undefined),
    });
  assert.deepEqual([isLetIn(root, on), isLetIn(root, off)], [true, false]);
  assert.equal(isLetIn({ ...root, administers: ['other'] }, on), false);
  assert.equal(isLetIn({ ...root, realm: 'application:shop', administers: [] }, off), true);
  const plugin = { user: undefined, topic: TOPIC };
  const [ofRoot, ofAnn] = ['id of root', 'id of ann'].map((creator) => [{ topic: TOPIC, creator }]);
  const cases: [boolean, Promise<boolean>][] = [
    [true, may({}, { administrators: true })],
    [false, may({}, { administrators: false })],
    [false, may({}, { administrators: true }, { ...root, administers: [] })],
    [false, may({}, { administrators: true }, { ...root, realm: 'application:shop' })],
    [false, may({ user: undefined }, { administrators: true })],
    [true, may({ realm: undefined }, {})],
    [true, may(plugin, { administrators: true, plugins: ofRoot })],
    [false, may(plugin, { administrators: false, plugins: ofRoot })],
    [false, may(plugin, { administrators: true, plugins: ofAnn })],
    [true, may({ ...plugin, realm: undefined }, { plugins: ofAnn })],
    [false, may({ ...plugin, realm: undefined }, {})],
  ];
  for (const [index, [expected, found]] of cases.entries()) assert.equal(await found, expected, `${index}`);
});

describe('DeviceHive: plugins are not users', () => {
  test('LG-03 the token of a plugin makes no tokens, for devices or for plugins', async () => {
    await using own = await start();
    const { client } = own;
    const { accessToken } = await client.login();
    const plugin = await client.makePlugin(accessToken);
    const refreshed = await client.refresh(plugin.refreshToken);
    for (const token of [plugin.accessToken, refreshed.accessToken]) {
      assert.deepEqual(await client.toldOfPair(token, numberOf(accessToken)), UNAUTHORIZED);
      assert.deepEqual(await client.toldOfPlugin(token), UNAUTHORIZED);
    }
  });

  const losses: [string, { topic: string; creator: string }[]][] = [
    ['is there no more', []],
    ['is somebody else’s', [{ topic: TOPIC, creator: 'bob' }]],
  ];
  for (const [what, plugins] of losses) {
    test(`LG-03 the tokens of a plugin end when its topic ${what}, not its creator’s`, async () => {
      await using own = await start();
      const { client, server } = own;
      const login = await client.login();
      const plugin = await client.makePlugin(login.accessToken);
      const nowhere = await client.makePair(login.accessToken, {
        userId: numberOf(login.accessToken),
        actions: ['ManageToken'],
        networkIds: [],
        deviceTypeIds: [],
      });
      await setDeviceHive(server, { plugins });
      assert.deepEqual(await client.toldOfRefresh(plugin.refreshToken), UNAUTHORIZED);
      const path = `/token/plugin/authenticate?token=${plugin.accessToken}`;
      assert.equal((await fetch(server.issuer + path)).status, 401);
      assert.equal((await server.introspect(plugin.accessToken)).active, false);
      const seen = await server.introspect(login.accessToken);
      assert.deepEqual([seen.active, tablesOf(seen)], [true, { orders: 'cru', products: 'r' }]);
      assert.equal((await server.introspect(nowhere.accessToken)).active, true, 'it had nothing to lose');
      await client.refresh(login.refreshToken);
    });
  }
});

async function findUser({ server }: TestServer, username: string, realm?: string): Promise<User> {
  const { directory } = server.foundations.storage;
  const shop = await directory.applications.findBy('clientId', 'shop');
  const user = await directory.users.findBy('username', `${realm ?? shop?.realm}/${username}`);
  assert.ok(user);
  return user;
}

/** A store that no version with ids of creators has opened. */
async function ofEarlierVersion({ server }: TestServer): Promise<void> {
  await server.foundations.storage.artifacts.remove(NAMES_GONE.model, NAMES_GONE.key);
}

const spelled = (username: string) => ({ username, canonicalUsername: username });

describe('DeviceHive: plugins are of a user, not of a user name', () => {
  /** Another user with the password of the first one. */
  async function createLike(user: User, username: string, { server }: TestServer): Promise<void> {
    const { id: _, email: __, canonicalEmail: ___, administers: ____, ...another } = user;
    const { changes } = server.foundations;
    await changes.users.create({ ...another, ...spelled(username), createdAt: 0 }, AUTHOR);
  }

  test('MT-04 a renamed user keeps the plugin, and the next one of the name has none', async () => {
    await using own = await start();
    const { client, server } = own;
    const { changes } = server.server.foundations;
    const plugin = await client.makePlugin((await client.login()).accessToken);
    const ann = await findUser(server, 'ann');
    await changes.users.replace({ ...ann, ...spelled('anna') }, AUTHOR);
    assert.equal((await server.introspect(plugin.accessToken)).active, true);
    await createLike(ann, 'ann', server);
    const [status] = await client.toldOfPlugin((await client.login()).accessToken);
    assert.equal(status, 403);
    const { accessToken } = await client.login('anna');
    await client.makePlugin(accessToken);
  });

  test('a user whose rename is refused keeps the plugin', async () => {
    await using own = await start();
    const { client, server } = own;
    const { changes } = server.server.foundations;
    const ann = await findUser(server, 'ann');
    await assert.rejects(changes.users.replace({ ...ann, ...spelled('bob') }, AUTHOR), Conflict);
    await client.makePlugin((await client.login()).accessToken);
  });

  test('MT-04 a user who gets the name of a removed user has none', async () => {
    await using own = await start();
    const { client, server } = own;
    const ann = await findUser(server, 'ann');
    await server.server.foundations.changes.users.remove(ann, AUTHOR);
    await createLike(ann, 'ann', server);
    const [status] = await client.toldOfPlugin((await client.login()).accessToken);
    assert.equal(status, 403);
  });

  const ways: [string, (server: TestServer) => Promise<void>][] = [
    ['is removed', removeRoot],
    ['is let in no more', (server) => setAdministers(server, [])],
    ['is let in no more, as all', (server) => setDeviceHive(server, { administrators: false })],
  ];
  for (const [what, end] of ways) {
    test(`MT-04 a user called as an administrator who ${what} has none`, async () => {
      await using own = await start({}, [{ topic: TOPIC, creator: 'root' }]);
      const { client, server } = own;
      await createLike(await findUser(server, 'ann'), 'root', server);
      await client.makePlugin((await client.loginAsRoot()).accessToken);
      await end(server);
      const [status] = await client.toldOfPlugin((await client.login('root')).accessToken);
      assert.equal(status, 403);
    });
  }

  test('a creator that is stored by user name is the user of that moment', async () => {
    await using own = await start({}, []);
    const { client, server } = own;
    const { organizations } = server.server.foundations.storage.directory;
    const acme = await organizations.findBy('name', 'acme');
    assert.ok(acme?.faces?.devicehive);
    const plugins = ['Ann', 'zoe', 'root'].map((creator) => ({ topic: `of-${creator}`, creator }));
    const devicehive = { ...acme.faces.devicehive, plugins: [{ topic: TOPIC, creator: 'ann' }, ...plugins] };
    await organizations.replace({ ...acme, faces: { devicehive } });
    await ofEarlierVersion(server);
    const [status] = await client.toldOfPlugin((await client.login()).accessToken);
    assert.equal(status, 403, 'a name gives nothing');
    await server.restart();
    await client.makePlugin((await client.login()).accessToken);
    const ann = await findUser(server, 'ann');
    await createLike(ann, 'zoe', server);
    await server.restart();
    const ids = [ann.id, ann.id, (await findUser(server, 'root', 'management')).id];
    const stored = await server.server.foundations.storage.directory.organizations.get(acme.id);
    const creators = stored?.faces?.devicehive?.plugins?.map(({ creator }) => creator);
    assert.deepEqual(creators, ids, 'the next user of a name without a user has nothing');
  });

  test('a creator that is stored by user name gets the id where the face is disabled too', async () => {
    await using own = await start({}, []);
    const { server } = own;
    const { organizations } = server.server.foundations.storage.directory;
    const acme = await organizations.findBy('name', 'acme');
    assert.ok(acme?.faces?.devicehive);
    const plugins = [{ topic: TOPIC, creator: 'ann' }];
    const faces = { devicehive: { ...acme.faces.devicehive, enabled: false, plugins } };
    await organizations.replace({ ...acme, faces });
    await ofEarlierVersion(server);
    await server.restart();
    const stored = await server.server.foundations.storage.directory.organizations.get(acme.id);
    const [plugin] = stored?.faces?.devicehive?.plugins ?? [];
    assert.equal(plugin?.creator, (await findUser(server, 'ann')).id);
  });

  async function removeRoot(server: TestServer): Promise<void> {
    const root = await findUser(server, 'root', 'management');
    const { changes, storage } = server.server.foundations;
    await changes.users.remove(root, AUTHOR);
    const acme = await storage.directory.organizations.findBy('name', 'acme');
    assert.deepEqual(acme?.faces?.devicehive?.plugins, []);
  }
});

test('a topic that tokens cannot name is refused, and gives nothing where it is stored', async () => {
  await assert.rejects(start({}, [{ topic: 'my topic', creator: 'ann' }]), /topic is not made of/);
  await assert.rejects(start({}, [{ topic: '*', creator: 'ann' }]), /topic is not made of/);
  await using own = await start();
  const { client, server } = own;
  const { id: creator } = await findUser(server, 'ann');
  const plugins = ['my topic', '*', 'other'].map((topic) => ({ topic, creator }));
  await setDeviceHive(server, { plugins: [...plugins, { topic: TOPIC, creator: 'of another' }] });
  const { accessToken } = await client.login();
  await client.makePair(accessToken, { userId: numberOf(accessToken), actions: [3] });
  const [{ topics }] = (await server.introspect(accessToken)).authorization_details.filter(
    ({ type }: { type: string }) => type.includes('device'),
  );
  assert.deepEqual(topics, ['other']);
  const [status] = await client.toldOfPlugin(accessToken);
  assert.equal(status, 403);
});

test('TX-12 a caller that makes pairs without end is slowed down', async () => {
  await using own = await start({ GRANTABLE_EXCHANGE_LIMIT: '4/1m' });
  const { client, server } = own;
  const root = await client.loginAsRoot();
  const ann = await client.login();
  const asAnn = await client.makePair(root.accessToken, {
    userId: numberOf(ann.accessToken),
    actions: ['ManageToken', 3],
  });
  const again = await client.loginAsRoot();
  for (const token of [root.accessToken, again.accessToken]) {
    await client.makePair(token, { userId: numberOf(root.accessToken), actions: ['*'] });
  }
  const asAnnToo = { userId: numberOf(ann.accessToken), actions: ['ManageToken'] };
  await client.makePair(asAnn.accessToken, asAnnToo);
  for (const token of [root.accessToken, again.accessToken, asAnn.accessToken]) {
    const refused = await client.post('/token/create', asAnnToo, token);
    assert.equal(refused.status, 429, refused.text);
    assert.equal(JSON.parse(refused.text).error, 429);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
  }
  await client.makePair(ann.accessToken, asAnnToo);
  server.clock.offset = 61_000;
  await client.makePair(root.accessToken, asAnnToo);
});

test('living pairs of one person are counted, and those that expired are not', async () => {
  await using own = await start({ GRANTABLE_PAIR_LIMIT: '3' });
  const { client, server } = own;
  const ann = await client.login();
  const refreshExpiration = new Date(Date.now() + 600_000).toISOString();
  const wanted = { userId: numberOf(ann.accessToken), actions: ['ManageToken'], refreshExpiration };
  const pair = await client.makePair(ann.accessToken, wanted);
  await client.makePair(pair.accessToken, wanted);
  await client.makePair(ann.accessToken, wanted);
  await server.restart();
  for (const token of [ann.accessToken, pair.accessToken]) {
    const refused = await client.post('/token/create', wanted, token);
    assert.equal(refused.status, 429, refused.text);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
  }
  server.clock.offset = 601_000;
  await client.makePair(ann.accessToken, { userId: wanted.userId, actions: wanted.actions });
});
