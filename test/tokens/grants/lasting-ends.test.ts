import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { revokeEverything } from '../../../src/admin/revoke.ts';
import type { User } from '../../../src/nouns/index.ts';
import { AUTHOR, createTrader, stored, type Trader } from '../../support/exchange.ts';
import { PASSWORD, startServer, type TestServer, tablesOf } from '../../support/server.ts';

const DAY = 86_400_000;
const orders = (actions: object) => stored({ isAdmin: false, tables: { orders: actions } });

describe('ending or narrowing a connection', () => {
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    server = await startServer({
      fixture(fixture) {
        const [acme] = fixture.organizations;
        acme.resources[0].token.overflow = 'refuse';
        acme.applications[0].grants.push('token_exchange');
        acme.applications[0].mayExchange = ['spa'];
      },
    });
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const foundations = () => server.server.foundations;
  const shop = async () => {
    const found = await foundations().storage.directory.applications.findBy('clientId', 'shop');
    assert.ok(found);
    return found;
  };
  const userOf = async (username: string): Promise<User> => {
    const found = await foundations().storage.directory.users.findBy(
      'username',
      `${(await shop()).realm}/${username}`,
    );
    assert.ok(found);
    return found;
  };

  test('TX-06 a role that its owner loses rights of is narrower in tokens made before', async () => {
    const { storage, changes } = foundations();
    const owner = await userOf('ann');
    const { token } = await trader.connect('shop', {
      owner: owner.id,
      scopes: ['orders.read'],
      permissions: orders({ create: true, read: true, update: true }),
    });
    const child = (await trader.exchange('shop', token)).json.access_token;
    assert.deepEqual(tablesOf(await server.introspect(child)), { orders: 'cru' });
    const role = await storage.directory.roles.findBy('name', `${(await shop()).organization}/clerk`);
    assert.ok(role);
    const narrowed = await changes.roles.replace(
      { ...role, scopes: [], permissions: orders({ read: true }) },
      AUTHOR,
    );
    const seen = await server.introspect(child);
    assert.deepEqual([tablesOf(seen), seen.scope], [{ orders: 'r' }, undefined]);
    assert.deepEqual(tablesOf((await trader.exchange('shop', child)).json), { orders: 'r' });
    await changes.users.replace({ ...(await userOf('ann')), roles: [] }, AUTHOR);
    assert.deepEqual(await server.introspect(child), { active: false });
    await changes.roles.replace({ ...narrowed, scopes: role.scopes, permissions: role.permissions }, AUTHOR);
    await changes.users.replace({ ...(await userOf('ann')), roles: [role.id] }, AUTHOR);
  });

  test('I2 a connection token that was ended with its parent stays dead', async () => {
    const { storage, changes, passwords } = foundations();
    const ends: [string, (owner: User, id: string) => Promise<unknown>][] = [
      [
        'the password of its owner was changed',
        async (owner) =>
          changes.users.replace(
            { ...owner, passwordHash: await passwords.hash('another-long-password', { organization: 'x' }) },
            AUTHOR,
          ),
      ],
      [
        'it was disabled and enabled',
        async (_, id) => {
          const connection = await storage.directory.connections.get(id);
          assert.ok(connection);
          const off = await changes.connections.replace({ ...connection, enabled: false }, AUTHOR);
          await changes.connections.replace({ ...off, enabled: true }, AUTHOR);
        },
      ],
      [
        'everything was revoked',
        () =>
          revokeEverything({
            ...foundations(),
            store: storage.directory,
            logins: storage.logins,
            author: AUTHOR,
          } as never),
      ],
    ];
    for (const [what, end] of ends) {
      const owner = await userOf('bob');
      const { token, connection } = await trader.connect('shop', {
        owner: owner.id,
        permissions: orders({ read: true }),
      });
      assert.equal((await trader.exchange('shop', token)).status, 200);
      await end(owner, connection.id);
      assert.equal((await trader.exchange('shop', token)).status, 400, what);
      for (const days of [31, 400]) {
        server.clock.offset = days * DAY;
        while ((await storage.sweep(Date.now() + server.clock.offset, 10_000)) > 0);
        assert.equal((await trader.exchange('shop', token)).status, 400, `${what}, ${days} days ago`);
      }
      server.clock.offset = 0;
    }
  });

  test('an application without a proof trades nothing, even where another lets it', async () => {
    const { token } = await trader.connect('shop', { permissions: orders({ read: true }) });
    const { changes, storage } = foundations();
    const spa = await storage.directory.applications.findBy('clientId', 'spa');
    assert.ok(spa);
    await changes.applications.replace({ ...spa, grants: [...spa.grants, 'token_exchange'] }, AUTHOR);
    const answer = await server.post('/oauth/token', undefined, {
      client_id: 'spa',
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:grantable:token-type:connection',
    });
    assert.deepEqual([answer.status, answer.json.error], [400, 'unauthorized_client']);
  });

  test('a token never passes 8 KB, whatever makes it large', async () => {
    const { changes, storage } = foundations();
    const { organization, realm } = await shop();
    const [clerk] = (await storage.directory.roles.page({ limit: 1 })).items;
    assert.ok(clerk);
    const roles: string[] = [];
    for (let number = 0; number < 150; number += 1) {
      const { id, number: _, version, createdAt, ...role } = clerk;
      const made = await changes.roles.create({ ...role, name: `clerk of department ${number}` }, AUTHOR);
      roles.push(made.id);
    }
    const bob = await storage.directory.users.findBy('username', `${realm}/bob`);
    assert.ok(bob && organization);
    const passwordHash = await foundations().passwords.hash('correct-horse-battery', { organization });
    await changes.users.replace({ ...bob, roles, passwordHash }, AUTHOR);
    const answer = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'bob',
      password: 'correct-horse-battery',
    });
    assert.deepEqual(
      [answer.status, answer.json.error],
      [400, 'invalid_authorization_details'],
      answer.text.slice(0, 200),
    );
    assert.match(answer.json.error_description, /8 KB/);
  });

  test('RT-04 a token made while its connection’s tokens are being ended ends too', async () => {
    const { storage, connections } = foundations();
    const { connection, token } = await trader.connect('shop', { scopes: ['orders.read'] });
    const child = (await trader.exchange('shop', token)).json.access_token;
    const { nodes } = storage;
    const { mark } = nodes;
    let grandchild: string | undefined;
    nodes.mark = async (...given) => {
      server.clock.offset += 10;
      grandchild ??= (await trader.exchange('shop', child)).json.access_token;
      server.clock.offset += 10;
      await mark(...given);
    };
    try {
      await connections.endIssued(connection, AUTHOR);
    } finally {
      nodes.mark = mark;
    }
    assert.deepEqual(await server.introspect(child), { active: false });
    assert.deepEqual(await server.introspect(grandchild ?? ''), { active: false });
  });
});

test('a token made while the clock was ahead does not outlive a changed password', async () => {
  await using server = await startServer();
  const { foundations } = server.server;
  const password = { grant_type: 'password', username: 'ann', password: PASSWORD };
  const refresh = (token: string) =>
    server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token: token });
  server.clock.offset += 600_000;
  const { json } = await server.post('/oauth/token', 'shop', password);
  assert.equal((await server.introspect(json.access_token)).active, true);
  server.clock.offset -= 600_000;
  const shop = await foundations.storage.directory.applications.findBy('clientId', 'shop');
  const ann = await foundations.storage.directory.users.findBy('username', `${shop?.realm}/ann`);
  assert.ok(ann);
  const passwordHash = await foundations.passwords.hash('another-long-password', { organization: 'x' });
  await foundations.changes.users.replace({ ...ann, passwordHash }, AUTHOR);
  assert.deepEqual(await server.introspect(json.access_token), { active: false });
  assert.equal((await refresh(json.refresh_token)).json.error, 'invalid_grant');
});
