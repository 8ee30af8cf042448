import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { userSubject } from '../../../src/directory/subjects.ts';
import type { User } from '../../../src/nouns/index.ts';
import { actFor } from '../../../src/tokens/grants/requested-subject.ts';
import type { SubjectToken } from '../../../src/tokens/grants/subject-token.ts';
import { AUTHOR, createTrader, stored, type Trader } from '../../support/exchange.ts';
import { type Answer, PASSWORD, RESOURCE, startServer, type TestServer } from '../../support/server.ts';

const IMPERSONATE = 'users:impersonate';
const everything = { isAdmin: true, tables: {} };
const clerk = { isAdmin: false, tables: { orders: { create: true, read: true }, products: { read: true } } };
const readOrders = { isAdmin: false, tables: { orders: { read: true } } };

/**
 * `office` has administrators and lets the others trade its tokens. `desk` may impersonate, but its ceiling makes
 * no person an administrator; `counter` does not have that limit, but may not impersonate.
 */
function addOffice(fixture: any): void {
  const [acme, other] = fixture.organizations;
  const client = (name: string, rest: object) => ({
    name,
    clientId: name,
    clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
    resource: RESOURCE,
    scopes: ['orders.read', IMPERSONATE],
    grants: ['client_credentials', 'password', 'token_exchange'],
    permissions: everything,
    ...rest,
  });
  acme.resources[0].scopes.push(IMPERSONATE);
  acme.applications.push(
    client('office', { mayExchange: ['desk', 'counter'] }),
    client('desk', { permissions: clerk }),
    client('counter', { scopes: ['orders.read'] }),
    client('hall', { realm: 'organization' }),
  );
  acme.roles.push(
    { name: 'chief', scopes: ['orders.read', IMPERSONATE], permissions: everything },
    { name: 'owner', scopes: ['orders.read'], permissions: everything },
    { name: 'helper', scopes: ['orders.read', IMPERSONATE], permissions: clerk },
    { name: 'teller', scopes: ['orders.read'], permissions: clerk },
  );
  const person = (username: string, role: string, application?: string) => ({
    username,
    password: PASSWORD,
    roles: [role],
    ...(application && { application }),
  });
  acme.users.push(
    person('root', 'chief', 'office'),
    person('ruth', 'chief', 'office'),
    person('olive', 'owner', 'office'),
    person('hal', 'helper', 'office'),
    person('cleo', 'teller', 'office'),
    person('rita', 'reader', 'office'),
    { ...person('maya', 'teller', 'office'), roles: ['teller', 'maintainer'] },
    person('dora', 'teller', 'desk'),
    person('hana', 'reader'),
    { ...person('gone', 'teller', 'office'), enabled: false },
  );
  other.roles.push({ name: 'teller', scopes: [], permissions: readOrders });
  fixture.administrators = [{ username: 'keeper', password: PASSWORD, organizations: ['acme'] }];
}

describe('minting for another', () => {
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    server = await startServer({ fixture: addOffice });
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const changes = () => server.server.foundations.changes;
  const nouns = () => server.server.foundations.storage.directory;
  const findUser = async (username: string, client?: string): Promise<User> => {
    const application = client && (await nouns().applications.findBy('clientId', client));
    const acme = await nouns().organizations.findBy('name', 'acme');
    assert.ok(acme);
    const realm = application ? application.realm : `organization:${acme.id}`;
    const user = await nouns().users.findBy('username', `${realm}/${username}`);
    assert.ok(user, username);
    return user;
  };
  const subjectOf = async (username: string, client = 'office'): Promise<string> =>
    userSubject(await findUser(username, client));
  const mint = async (
    actor: string,
    username: string,
    { client = 'office', ...form }: Record<string, string> = {},
  ): Promise<Answer> =>
    trader.exchange(client, actor, { requested_subject: await subjectOf(username), ...form });
  const assertRefused = (answer: Answer, error: string): void => {
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.json.error, error, answer.text);
  };

  test('TX-09 an administrator mints for a user and stands in act', async () => {
    const root = await trader.login('office', 'root');
    const { status, json } = await mint(root, 'cleo');
    assert.equal(status, 200, JSON.stringify(json));
    const [parent, child] = [decodeJwt(root), decodeJwt(json.access_token)];
    assert.equal(child.sub, await subjectOf('cleo'));
    assert.equal(child.username, 'cleo');
    assert.deepEqual(child.roles, ['teller']);
    assert.deepEqual(child.act, { sub: parent.sub });
    assert.equal(child.auth_time, undefined, 'the user did not log in');
    assert.ok(Number(child.exp) <= Number(parent.exp));
    assert.deepEqual(
      json.permissions,
      (await trader.exchange('office', await trader.login('office', 'cleo'))).json.permissions,
    );
    assert.equal(json.scope, 'orders.read');
    const seen = await server.introspect(json.access_token);
    assert.deepEqual([seen.sub, seen.act, seen.active], [child.sub, child.act, true]);
  });

  test('TX-09 minting without the right and minting for a forbidden user fail alike', async () => {
    const root = await trader.login('office', 'root');
    const { token: connection } = await trader.connect('office', {
      owner: (await findUser('root', 'office')).id,
      scopes: ['orders.read', IMPERSONATE],
      permissions: stored(everything),
    });
    const narrowed = async (form: Record<string, string>): Promise<string> =>
      (await trader.exchange('office', root, form)).json.access_token;
    const minted = (await mint(root, 'cleo')).json.access_token;
    /** A token, and the clients that may mint with it. */
    const actors: Record<string, [token: string, clients: readonly string[]]> = {
      'an administrator': [root, ['office', 'desk']],
      'an administrator, traded once': [await narrowed({}), ['office', 'desk']],
      'somebody with the scope who is no administrator': [await trader.login('office', 'hal'), []],
      'an administrator who may not impersonate': [await trader.login('office', 'olive'), []],
      'a user': [await trader.login('office', 'cleo'), []],
      'an administrator without the scope': [await narrowed({ scope: 'orders.read' }), []],
      'an administrator without admin': [await narrowed({ permissions: JSON.stringify(readOrders) }), []],
      'an administrator without anything': [await narrowed({ authorization_details: '[]' }), []],
      'an application with every right': [(await server.token('office')).json.access_token, []],
      'a connection of an administrator': [connection, []],
      'what a connection of an administrator gave': [
        (await trader.exchange('office', connection)).json.access_token,
        [],
      ],
      'a token that was minted': [minted, []],
    };
    const cleo = await findUser('cleo', 'office');
    const other = await nouns().applications.findBy('clientId', 'other-shop');
    const stranger = await nouns().users.findBy('username', `${other?.realm}/ann`);
    const keeper = await nouns().users.findBy('username', 'management/keeper');
    assert.ok(stranger && keeper);
    const allowed: Record<string, string> = {
      'a user': userSubject(cleo),
      'a user of another application of the organization': await subjectOf('dora', 'desk'),
      'a user of the organization itself': userSubject(await findUser('hana')),
    };
    const refused: Record<string, string> = {
      'another administrator': await subjectOf('ruth'),
      'an administrator who may not impersonate': await subjectOf('olive'),
      'who may impersonate': await subjectOf('hal'),
      'a disabled user': await subjectOf('gone'),
      'a user of another organization': userSubject(stranger),
      'an administrator of the server': userSubject(keeper),
      nobody: userSubject({ realm: cleo.realm, id: randomUUID() }),
      'a user in a realm that is not his': userSubject({
        realm: (await findUser('dora', 'desk')).realm,
        id: cleo.id,
      }),
      'an id': cleo.id,
      'a name': 'cleo',
      'other letters': userSubject(cleo).toUpperCase(),
      'an application': `client:${(await nouns().applications.findBy('clientId', 'office'))?.id}`,
      'very much': `${userSubject(cleo)}${'x'.repeat(5_000)}`,
    };
    const bodies = new Set<string>();
    for (const [actor, [token, clients]] of Object.entries(actors)) {
      for (const client of ['office', 'desk', 'counter']) {
        for (const [whom, requested] of Object.entries({ ...allowed, ...refused })) {
          const sentence = `${actor} asks through ${client} for ${whom}`;
          const answer = await trader.exchange(client, token, { requested_subject: requested });
          const isOwn = subjectIn(token) === requested;
          if (isOwn || (whom in allowed && clients.includes(client))) {
            assert.equal(answer.status, 200, `${sentence}: ${answer.text}`);
            assert.equal(decodeJwt(answer.json.access_token).sub, requested, sentence);
          } else {
            assert.equal(answer.status, 400, sentence);
            bodies.add(answer.text);
          }
        }
      }
    }
    assert.equal(bodies.size, 1, [...bodies].join('\n'));
  });

  test('TX-09 a person with a role over the administration is an administrator', async () => {
    const root = await trader.login('office', 'root');
    const refused = await mint(root, 'maya');
    assertRefused(refused, 'invalid_request');
    assert.equal(refused.text, (await mint(root, 'olive')).text);
  });

  test('TX-09 a minted token never exceeds the administrator, the user or the client', async () => {
    const root = await trader.login('office', 'root');
    const cells = ({ json }: Answer) =>
      Object.entries<Record<string, boolean>>(json.permissions.tables).flatMap(([table, actions]) =>
        Object.keys(actions)
          .filter((action) => actions[action])
          .map((action) => `${table}:${action}`),
      );
    assert.deepEqual(cells(await mint(root, 'rita')), ['orders:read']);
    assert.deepEqual(cells(await mint(root, 'cleo', { scope: 'orders:create' })), ['orders:create']);
    for (const scope of ['orders:delete', '*:admin', 'products:create']) {
      assertRefused(await mint(root, 'cleo', { scope }), 'invalid_scope');
    }
    assertRefused(await mint(root, 'cleo', { scope: IMPERSONATE }), 'invalid_scope');
    const bare = (await trader.exchange('office', root, { scope: IMPERSONATE })).json.access_token;
    const minted = await mint(bare, 'cleo');
    assert.equal(minted.status, 200, minted.text);
    assert.equal(minted.json.scope, undefined, 'a scope that the administrator left out does not come back');
    const short = (await trader.exchange('office', root, { expires_in: '60' })).json.access_token;
    assert.ok((await mint(short, 'cleo')).json.expires_in <= 60);
  });

  test('TX-09 a token that was minted cannot be traded for more, nor for anybody else', async () => {
    const root = await trader.login('office', 'root');
    const parent = await mint(root, 'cleo', { scope: 'orders:read' });
    let minted = parent.json.access_token as string;
    for (const client of ['office', 'desk', 'desk']) {
      const child = await trader.exchange(client, minted);
      assert.equal(child.status, 200, child.text);
      const claims = decodeJwt(child.json.access_token);
      assert.deepEqual([claims.sub, claims.act], [await subjectOf('cleo'), { sub: await subjectOf('root') }]);
      assert.deepEqual(child.json.permissions, parent.json.permissions);
      for (const scope of ['orders:create', '*:admin']) {
        assertRefused(await trader.exchange(client, minted, { scope }), 'invalid_scope');
      }
      for (const climb of ['root', 'ruth', 'rita', 'hal']) {
        assertRefused(await mint(minted, climb, { client }), 'invalid_request');
      }
      minted = child.json.access_token;
    }
    assertRefused(await trader.exchange('office', minted), 'invalid_request');
    assertRefused(await trader.exchange('counter', minted), 'invalid_request');
  });

  test('TX-08 act names the current actor and nests the earlier ones', () => {
    const token = { subject: 'b' } as SubjectToken;
    assert.deepEqual(actFor(token), { sub: 'b' });
    assert.deepEqual(actFor({ ...token, act: { sub: 'a' } }), { sub: 'b', act: { sub: 'a' } });
  });

  test('TX-06 a minted token ends with its administrator, its user and its parent', async () => {
    const ends: Record<string, (root: string) => Promise<() => Promise<unknown>>> = {
      'the administrator is disabled': async () => {
        const off = await changes().users.replace(
          { ...(await findUser('root', 'office')), enabled: false },
          AUTHOR,
        );
        return () => changes().users.replace({ ...off, enabled: true }, AUTHOR);
      },
      'the user is disabled': async () => {
        const off = await changes().users.replace(
          { ...(await findUser('cleo', 'office')), enabled: false },
          AUTHOR,
        );
        return () => changes().users.replace({ ...off, enabled: true }, AUTHOR);
      },
      "the administrator's token is revoked": async (root) => {
        const { status } = await server.post('/oauth/revoke', 'office', { token: root });
        assert.equal(status, 200);
        return async () => undefined;
      },
      'the application may not trade any more': async () => {
        const office = await nouns().applications.findBy('clientId', 'office');
        assert.ok(office);
        const { mayExchange } = office;
        const closed = await changes().applications.replace({ ...office, mayExchange: [] }, AUTHOR);
        return () => changes().applications.replace({ ...closed, mayExchange }, AUTHOR);
      },
    };
    for (const [what, end] of Object.entries(ends)) {
      const root = await trader.login('office', 'root');
      const minted = (await mint(root, 'cleo', { client: 'desk' })).json.access_token;
      const child = (await trader.exchange('desk', minted)).json.access_token;
      for (const token of [minted, child]) assert.equal((await server.introspect(token)).active, true);
      const restore = await end(root);
      for (const token of [minted, child]) {
        assert.deepEqual(await server.introspect(token), { active: false }, what);
        assertRefused(await trader.exchange('desk', token), 'invalid_request');
      }
      await restore();
    }
  });

  test('TX-06 a minted token shrinks with its administrator and its user', async () => {
    const root = await trader.login('office', 'root');
    const minted = (await mint(root, 'cleo')).json.access_token;
    const child = (await trader.exchange('office', minted)).json.access_token;
    const reader = await nouns().roles.get((await findUser('rita', 'office')).roles[0] ?? '');
    const teller = await nouns().roles.get((await findUser('cleo', 'office')).roles[0] ?? '');
    assert.ok(reader && teller);
    const tablesOf = async (token: string) => (await server.introspect(token)).permissions?.tables;
    const onlyRead = { orders: { create: false, read: true, update: false, delete: false } };

    const chief = await findUser('root', 'office');
    const demoted = await changes().users.replace({ ...chief, roles: [reader.id] }, AUTHOR);
    for (const token of [minted, child]) assert.deepEqual(await tablesOf(token), onlyRead);
    await changes().users.replace({ ...demoted, roles: chief.roles }, AUTHOR);

    const smaller = stored({ isAdmin: false, tables: { products: { read: true } } });
    const narrowed = await changes().roles.replace({ ...teller, permissions: smaller }, AUTHOR);
    const onlyProducts = { products: { create: false, read: true, update: false, delete: false } };
    for (const token of [minted, child]) assert.deepEqual(await tablesOf(token), onlyProducts);
    await changes().roles.replace({ ...narrowed, permissions: teller.permissions }, AUTHOR);
  });
});

function subjectIn(token: string): string | undefined {
  return token.startsWith('eyJ') ? decodeJwt(token).sub : undefined;
}
