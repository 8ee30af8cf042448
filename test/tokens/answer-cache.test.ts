import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { removeSigningKey, rotateSigningKeys } from '../../src/keys/signing-keys.ts';
import type { User } from '../../src/nouns/index.ts';
import { defined } from '../../src/storage/defined.ts';
import { createTrader, stored } from '../support/exchange.ts';
import { OPAQUE_RESOURCE, RESOURCE, tablesOf } from '../support/server.ts';
import { type CachedPair, startCachedPair } from './cached-pair.ts';

const READ_ONLY = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };
const INACTIVE = { active: false };

describe('cached introspection answers', () => {
  let pair: CachedPair;
  let restore: (() => Promise<void>)[] = [];
  before(async () => {
    pair = await startCachedPair({
      fixture({ organizations: [acme] }) {
        for (const application of acme.applications) {
          if (application.name === 'machine') application.grants.push('token_exchange');
        }
      },
    });
  });
  after(() => pair[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const back of restore) await back();
    restore = [];
    // A token that is made in the millisecond in which its person is enabled again counts as made before.
    pair.hot.clock.offset += 1;
  });

  /** The answer is cached from here on. */
  async function heat(token: string): Promise<string> {
    for (let times = 0; times < 3; times += 1) {
      assert.equal((await pair.hot.introspect(token)).active, true);
    }
    return token;
  }

  async function login(): Promise<string> {
    return heat(await createTrader(pair.hot).login('shop', 'ann'));
  }

  async function hotToken(resource = RESOURCE, client = 'machine'): Promise<string> {
    return heat((await pair.hot.token(client, { resource })).json.access_token);
  }

  async function requireEnded(token: string): Promise<void> {
    assert.deepEqual(await pair.hot.introspect(token), INACTIVE);
  }

  async function ann(): Promise<User> {
    const { directory } = pair.plain.server.foundations.storage;
    const shop = await directory.applications.findBy('clientId', 'shop');
    const user = await directory.users.findBy('username', `${shop?.realm}/ann`);
    assert.ok(user);
    return user;
  }

  for (const resource of [RESOURCE, OPAQUE_RESOURCE]) {
    test(`end with the revocation of their token for ${resource}`, async () => {
      const token = await hotToken(resource);
      await pair.plain.post('/oauth/revoke', 'machine', { token });
      await requireEnded(token);
    });

    test(`end with the expiry of their token for ${resource}, in that millisecond`, async () => {
      const token = await hotToken(resource);
      const { clock } = pair.hot;
      const { exp } = await pair.hot.introspect(token);
      clock.stoppedAt = exp * 1000 - 1;
      const last = await pair.hot.introspect(token);
      clock.stoppedAt += 1;
      const first = await pair.hot.introspect(token);
      delete clock.stoppedAt;
      assert.deepEqual([last.active, first], [true, INACTIVE]);
    });

    test(`do not hold while the clock is behind their token for ${resource}`, async () => {
      const token = await hotToken(resource);
      pair.hot.clock.offset -= 60_000;
      await requireEnded(token);
      pair.hot.clock.offset += 60_000;
      assert.equal((await pair.hot.introspect(token)).active, true);
    });
  }

  test('end with the revocation of what their token was made from', async () => {
    const parent = await hotToken();
    const child = (await createTrader(pair.hot).exchange('machine', parent)).json.access_token;
    await heat(child);
    await pair.plain.post('/oauth/revoke', 'machine', { token: parent });
    await requireEnded(child);
  });

  test('end with the connection that their token was made from', async () => {
    const trader = createTrader(pair.plain);
    const permissions = stored({ isAdmin: false, tables: { orders: { read: true } } });
    const { connection, token } = await trader.connect('machine', { permissions });
    const child = await heat((await trader.exchange('machine', token)).json.access_token);
    await pair.plain.server.foundations.connections.end(connection, { actor: 'test' });
    await requireEnded(child);
  });

  test('end when their application is disabled', async () => {
    const token = await hotToken();
    restore.push(() => pair.change('applications', 'clientId', 'machine', { enabled: true }));
    await pair.change('applications', 'clientId', 'machine', { enabled: false });
    await requireEnded(token);
  });

  test('end when their resource is disabled', async () => {
    const token = await hotToken();
    restore.push(() => pair.change('resources', 'identifier', RESOURCE, { enabled: true }));
    await pair.change('resources', 'identifier', RESOURCE, { enabled: false });
    await requireEnded(token);
  });

  test('end with a time during which their organization was disabled', async () => {
    const token = await hotToken();
    await pair.change('organizations', 'name', 'acme', { enabled: false });
    await pair.change('organizations', 'name', 'acme', { enabled: true });
    await requireEnded(token);
  });

  test('end when their person is disabled', async () => {
    const token = await login();
    const { id } = await ann();
    restore.push(() => pair.change('users', 'id', id, { enabled: true }));
    await pair.change('users', 'id', id, { enabled: false });
    await requireEnded(token);
  });

  test('end with a new password of their person', async () => {
    const token = await login();
    const { id, passwordHash = '' } = await ann();
    restore.push(() => pair.change('users', 'id', id, { passwordHash }));
    await pair.change('users', 'id', id, { passwordHash: 'another' });
    await requireEnded(token);
  });

  test('are narrowed with the ceiling of their application', async () => {
    const token = await hotToken();
    const { directory } = pair.plain.server.foundations.storage;
    const machine = await directory.applications.findBy('clientId', 'machine');
    const { ceilings = [] } = machine ?? {};
    restore.push(() => pair.change('applications', 'clientId', 'machine', { ceilings }));
    const lowered = [{ resource: RESOURCE, permissions: READ_ONLY }];
    await pair.change('applications', 'clientId', 'machine', { ceilings: lowered });
    assert.deepEqual(tablesOf(await pair.hot.introspect(token)), { orders: 'r' });
  });

  test('are narrowed with the roles of their person, at each change anew', async () => {
    const token = await login();
    const { id, roles, organization } = await ann();
    restore.push(() => pair.change('users', 'id', id, { roles }));
    const { directory } = pair.plain.server.foundations.storage;
    const { items } = await directory.roles.page(defined({ limit: 9, organization }));
    const reader = items.find(({ name }) => name === 'reader');
    assert.ok(reader);
    await pair.change('users', 'id', id, { roles: [reader.id] });
    for (let times = 0; times < 2; times += 1) {
      assert.deepEqual(tablesOf(await pair.hot.introspect(token)), { orders: 'r' });
    }
    await pair.change('users', 'id', id, { roles });
    assert.equal(Object.keys(tablesOf(await pair.hot.introspect(token))).length, 2);
  });

  test('say the name that their application has', async () => {
    const token = await hotToken();
    restore.push(() => pair.change('applications', 'clientId', 'machine', { name: 'machine' }));
    await pair.change('applications', 'clientId', 'machine', { name: 'renamed' });
    assert.equal((await pair.hot.introspect(token)).app, 'renamed');
  });

  test('are told to no client that may not introspect their resource any more', async () => {
    const token = await hotToken();
    const introspects = [RESOURCE, OPAQUE_RESOURCE];
    restore.push(() => pair.change('applications', 'clientId', 'shop-api', { introspects }));
    await pair.change('applications', 'clientId', 'shop-api', { introspects: [OPAQUE_RESOURCE] });
    await requireEnded(token);
  });

  test('are told to the client that asked, and to others as they may', async () => {
    const token = await hotToken();
    assert.deepEqual(await pair.hot.introspect(token, 'shop'), INACTIVE);
    assert.deepEqual(await pair.hot.introspect(token, 'other-api'), INACTIVE);
    assert.equal((await pair.hot.introspect(token, 'machine')).active, true);
  });

  test('survive a rotation of keys, and end with the removal of theirs', async () => {
    const token = await hotToken();
    const { storage, vault, now, signingKeys } = pair.plain.server.foundations;
    const deps = { keys: storage.keys, vault, now };
    const { kid } = signingKeys.active('ES256');
    await rotateSigningKeys(deps, { immediately: true, longestLifetime: 3_600 });
    await pair.noticeKeys();
    await heat(token);
    await removeSigningKey(deps, kid);
    await pair.noticeKeys();
    await requireEnded(token);
  });

  test('are not told of what was removed while the clock was ahead', async () => {
    const token = await hotToken();
    pair.hot.clock.offset += 86_400_000;
    const { storage, now } = pair.hot.server.foundations;
    await storage.sweep(now(), 10_000);
    assert.deepEqual(await pair.hot.introspect('unknown'), INACTIVE);
    pair.hot.clock.offset -= 86_400_000;
    const answers = await pair.ask(token, 'shop-api');
    assert.deepEqual(
      answers.map((text) => JSON.parse(text)),
      [INACTIVE, INACTIVE],
    );
  });

  test('a refresh token that was used is inactive at once', async () => {
    const form = { grant_type: 'password', username: 'ann', password: 'correct-horse-battery' };
    const { refresh_token: used } = (await pair.hot.post('/oauth/token', 'shop', form)).json;
    assert.equal((await pair.hot.introspect(used, 'shop')).active, true);
    const refresh = { grant_type: 'refresh_token', refresh_token: used };
    assert.equal((await pair.plain.post('/oauth/token', 'shop', refresh)).status, 200);
    assert.deepEqual(await pair.hot.introspect(used, 'shop'), INACTIVE);
  });
});
