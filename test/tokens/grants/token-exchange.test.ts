import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Connection } from '../../../src/nouns/index.ts';
import { parsePermissions } from '../../../src/permissions/permissions-json.ts';
import { toStored } from '../../../src/permissions/stored.ts';
import {
  type Answer,
  OPAQUE_RESOURCE,
  OTHER_RESOURCE,
  PASSWORD,
  RESOURCE,
  startServer,
  type TestServer,
} from '../../support/server.ts';
import { tampered } from '../../support/tampered.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const CONNECTION = 'urn:grantable:token-type:connection';
const AUTHOR = { actor: 'test' };
const DAY = 86_400;

const clerk = {
  isAdmin: false,
  tables: { orders: { create: true, read: true, update: true }, products: { read: true } },
};
const readOrders = { isAdmin: false, tables: { orders: { read: true } } };
const stored = (json: object) => toStored(parsePermissions(json, { unknownFlags: 'refuse' }));

/** `portal` lets `partner` trade its tokens; `stranger` is of the same organization and not listed. */
function addTraders(fixture: any): void {
  const [acme, other] = fixture.organizations;
  const client = (name: string, rest: object) => ({
    name,
    clientId: name,
    clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
    resource: RESOURCE,
    scopes: ['orders.read'],
    grants: ['client_credentials', 'password', 'token_exchange'],
    permissions: clerk,
    ...rest,
  });
  acme.applications.push(
    client('portal', {
      mayExchange: ['partner'],
      scopes: ['orders.read', 'orders.write'],
      resources: { [OPAQUE_RESOURCE]: clerk },
    }),
    client('partner', { permissions: { isAdmin: false, tables: { orders: { read: true, delete: true } } } }),
    client('stranger', {}),
    client('quick', { maxExchangeTtl: 600 }),
  );
  acme.users.push({ username: 'cleo', password: PASSWORD, application: 'portal', roles: ['clerk'] });
  other.applications.push(client('other-trader', { resource: OTHER_RESOURCE, scopes: [] }));
}

describe('token exchange', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer({ fixture: addTraders });
  });
  after(() => server[Symbol.asyncDispose]());

  const foundations = () => server.server.foundations;
  const nouns = () => foundations().storage.directory;
  const findApplication = async (name: string) => {
    const found = await nouns().applications.findBy('clientId', name);
    assert.ok(found);
    return found;
  };

  let connections = 0;
  const connect = async (
    rest: Partial<Connection> = {},
    application = 'portal',
  ): Promise<{ connection: Connection; token: string }> => {
    connections += 1;
    const { id, organization } = await findApplication(application);
    return foundations().connections.create(
      {
        organization,
        application: id,
        name: `site-${connections}`,
        resource: RESOURCE,
        scopes: ['orders.read'],
        permissions: stored(clerk),
        expiresAt: Date.now() + server.clock.offset + 365 * DAY * 1000,
        ...rest,
      },
      AUTHOR,
    );
  };
  const exchange = (
    subjectToken: string,
    form: Record<string, string> = {},
    client: string | undefined = 'portal',
  ): Promise<Answer> =>
    server.post('/oauth/token', client, {
      grant_type: EXCHANGE,
      subject_token: subjectToken,
      subject_token_type: subjectToken.startsWith('gct_') ? CONNECTION : ACCESS_TOKEN,
      ...form,
    });
  const login = async (): Promise<string> => {
    const form = { grant_type: 'password', username: 'cleo', password: PASSWORD };
    const { json } = await server.post('/oauth/token', 'portal', form);
    assert.ok(json.access_token, JSON.stringify(json));
    return json.access_token;
  };
  const assertRefused = (answer: Answer, error: string): void => {
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.json.error, error, answer.text);
    assert.equal(answer.json.access_token, undefined);
  };
  const countTokens = async (): Promise<number> => {
    let count = 0;
    for await (const { kind } of foundations().storage.dump.export()) if (kind === 'tokens') count += 1;
    return count;
  };

  test('TX-10 a connection token is traded for a token of one day that says whose it is', async () => {
    const { connection, token } = await connect();
    const { status, json } = await exchange(token);
    assert.equal(status, 200, JSON.stringify(json));
    assert.equal(json.issued_token_type, ACCESS_TOKEN);
    assert.equal(json.token_type, 'Bearer');
    assert.equal(json.expires_in, DAY);
    assert.equal(json.scope, 'orders.read');
    assert.equal(json.refresh_token, undefined);
    assert.equal(json.permissions.tables.orders.read, true);
    const claims = decodeJwt(json.access_token);
    assert.equal(claims.sub, `connection:${connection.id}`);
    assert.equal(claims.client_id, 'portal');
    assert.equal(claims.org, 'acme');
    const anc = claims.anc as string[];
    assert.ok(anc.includes(connection.id));
    assert.ok(anc.includes(connection.secrets[0]?.id ?? ''));
    assert.equal(claims.act, undefined);
    const answer = await server.introspect(json.access_token);
    assert.equal(answer.active, true);
    assert.equal(answer.sub, claims.sub);
    assert.deepEqual(answer.permissions, json.permissions);
  });

  test('all spellings narrow, and what was narrowed away does not come back', async () => {
    const { token } = await connect();
    const details = JSON.stringify([{ type: 'table_access', identifier: 'orders', actions: ['read'] }]);
    const spellings = [
      { permissions: JSON.stringify(readOrders) },
      { authorization_details: details },
      { scope: 'orders:read' },
    ];
    for (const spelling of spellings) {
      const { json } = await exchange(token, spelling);
      assert.deepEqual(Object.keys(json.permissions.tables), ['orders']);
      assert.equal(json.permissions.tables.orders.read, true);
      assert.equal(json.permissions.tables.orders.update, false);
      assertRefused(await exchange(json.access_token, { scope: 'products:read' }), 'invalid_scope');
      const again = await exchange(json.access_token);
      assert.deepEqual(again.json.permissions, json.permissions);
    }
  });

  test('a person keeps being the subject, and what they may do bounds the token', async () => {
    const token = await login();
    const { json } = await exchange(token, { scope: 'orders.read orders:read' });
    const [parent, child] = [decodeJwt(token), decodeJwt(json.access_token)];
    assert.equal(child.sub, parent.sub);
    assert.equal(child.username, 'cleo');
    assert.equal(child.auth_time, parent.auth_time);
    assert.ok(Number(child.exp) <= Number(parent.exp));
    assert.ok((child.anc as string[]).includes(parent.jti ?? ''));
    assert.equal(child.act, undefined);
  });

  test('TX-01 every subject token that is not alive gives the same error', async () => {
    const { token, connection } = await connect();
    const { json } = await exchange(token);
    const revoked = (await exchange(token)).json.access_token;
    await server.post('/oauth/revoke', 'portal', { token: revoked });
    const expired = await connect({ expiresAt: Date.now() - 1 });
    const ended = await connect();
    await foundations().connections.end(ended.connection, AUTHOR);
    const before = await countTokens();
    const foreign = (await server.token('other-shop')).json.access_token;
    const bodies = new Set<string>();
    for (const bad of [
      revoked,
      tampered(json.access_token),
      foreign,
      expired.token,
      ended.token,
      'gct_nonsense',
      'x'.repeat(5000),
    ]) {
      const answer = await exchange(bad);
      assertRefused(answer, 'invalid_request');
      bodies.add(answer.text);
    }
    for (const [value, type] of [
      [json.access_token, CONNECTION],
      [token, ACCESS_TOKEN],
      [connection.id, CONNECTION],
    ] as const) {
      const answer = await exchange(value, { subject_token_type: type });
      assertRefused(answer, 'invalid_request');
      bodies.add(answer.text);
    }
    assert.equal(bodies.size, 1, 'not told apart');
    for (const form of [{ subject_token: '' }, { subject_token_type: '' }, { subject_token_type: 'urn:x' }]) {
      assertRefused(await exchange(token, form), 'invalid_request');
    }
    assert.equal(await countTokens(), before + 1, 'only the foreign token was made');
  });

  test('TX-02 only the application itself and those that it lists may trade its tokens', async () => {
    const { token } = await connect();
    const parents = [token, (await server.token('portal')).json.access_token, await login()];
    for (const parent of parents) {
      assert.equal((await exchange(parent, {}, 'partner')).status, 200);
      for (const other of ['stranger', 'other-trader']) {
        assertRefused(await exchange(parent, {}, other), 'invalid_request');
      }
      // It has a secret, but not the grant.
      assert.equal((await exchange(parent, {}, 'machine')).json.error, 'unauthorized_client');
    }
    const portal = await findApplication('portal');
    const lent = (await exchange(token, {}, 'partner')).json.access_token;
    const withdrawn = await foundations().changes.applications.replace(
      { ...portal, mayExchange: [] },
      AUTHOR,
    );
    assertRefused(await exchange(token, {}, 'partner'), 'invalid_request');
    assert.deepEqual(await server.introspect(lent), { active: false }, 'what was lent is called back');
    await foundations().changes.applications.replace(
      { ...withdrawn, mayExchange: portal.mayExchange },
      AUTHOR,
    );
  });

  test('TX-02 another application’s exchange is limited by its own ceiling too', async () => {
    const { token } = await connect();
    const { json } = await exchange(token, {}, 'partner');
    assert.deepEqual(json.permissions.tables, {
      orders: { create: false, read: true, update: false, delete: false },
    });
    assert.equal(decodeJwt(json.access_token).client_id, 'partner');
    assertRefused(await exchange(token, { scope: 'orders:delete' }, 'partner'), 'invalid_scope');
  });

  test('TX-03 only access and connection tokens are traded, at most eight times', async () => {
    const shop = await server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
    });
    assertRefused(await exchange(shop.json.refresh_token), 'invalid_request');
    for (const type of [
      'urn:ietf:params:oauth:token-type:refresh_token',
      'urn:ietf:params:oauth:token-type:id_token',
      'urn:ietf:params:oauth:token-type:jwt',
    ]) {
      assertRefused(await exchange(shop.json.refresh_token, { subject_token_type: type }), 'invalid_request');
    }
    let { token } = await connect();
    const expiries: number[] = [];
    for (let depth = 1; depth <= 8; depth += 1) {
      const { status, json } = await exchange(token);
      assert.equal(status, 200, `depth ${depth}`);
      token = json.access_token;
      expiries.push(Number(decodeJwt(token).exp));
    }
    assert.deepEqual(
      expiries,
      expiries.toSorted((a, b) => b - a),
      'none lives longer than the one before',
    );
    assertRefused(await exchange(token), 'invalid_request');
  });

  test('TX-04 asking for more than the parent has is refused, by what it is more of', async () => {
    const { token } = await connect({ permissions: stored(readOrders) });
    const more: [Record<string, string>, string][] = [
      [{ scope: 'orders:update' }, 'invalid_scope'],
      [{ scope: '*:admin' }, 'invalid_scope'],
      [{ permissions: '{"isAdmin":true,"tables":{}}' }, 'invalid_authorization_details'],
      [
        { permissions: '{"isAdmin":false,"tables":{"nowhere":{"read":true}}}' },
        'invalid_authorization_details',
      ],
      [{ scope: 'orders.write' }, 'invalid_scope'],
      [{ resource: OPAQUE_RESOURCE }, 'invalid_target'],
      [{ resource: OTHER_RESOURCE }, 'invalid_target'],
      [{ audience: OTHER_RESOURCE }, 'invalid_target'],
    ];
    const before = await countTokens();
    for (const [form, error] of more) assertRefused(await exchange(token, form), error);
    assert.equal(await countTokens(), before);
    const same = await exchange(token, { resource: RESOURCE, audience: RESOURCE });
    assert.equal(same.status, 200, same.text);
  });

  test('TX-05 a caller can only shorten the life of a token', async () => {
    const { token } = await connect();
    assert.equal((await exchange(token, { expires_in: '60' })).json.expires_in, 60);
    for (const wrong of ['0', '-1', '86401', '253402300799', '1e3', '60.5', 'a day', '0x10']) {
      assertRefused(await exchange(token, { expires_in: wrong }), 'invalid_request');
    }
    const short = await connect({ expiresAt: Date.now() + 120_500 });
    const { exp = 0 } = decodeJwt((await exchange(short.token)).json.access_token);
    assert.ok(exp * 1000 <= Number(short.connection.expiresAt));
    const limited = await connect({ maxTokenTtl: 300 });
    assert.equal((await exchange(limited.token)).json.expires_in, 300);
    const quick = await connect({}, 'quick');
    assert.equal((await exchange(quick.token, {}, 'quick')).json.expires_in, 600);
    const child = (await exchange(limited.token, { expires_in: '30' })).json.access_token;
    assert.ok((await exchange(child)).json.expires_in <= 30);
  });

  test('TX-07 every audience counts, and a disabled resource is refused', async () => {
    const { token } = await connect();
    const send = (audiences: string[]) => {
      const body = new URLSearchParams({
        grant_type: EXCHANGE,
        subject_token: token,
        subject_token_type: CONNECTION,
      });
      for (const audience of audiences) body.append('audience', audience);
      return fetch(`${server.issuer}/oauth/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`portal:${server.secretOf('portal')}`).toString('base64')}`,
        },
        body,
      });
    };
    assert.equal((await send([RESOURCE, RESOURCE])).status, 200);
    const mixed = await send([RESOURCE, OTHER_RESOURCE]);
    assert.equal(((await mixed.json()) as { error: string }).error, 'invalid_target');
  });

  test('TX-08 an actor token is refused outright, and so is another kind of answer', async () => {
    const { token } = await connect();
    for (const form of [
      { actor_token: token, actor_token_type: CONNECTION },
      { actor_token: token },
      { actor_token_type: ACCESS_TOKEN },
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
    ]) {
      assertRefused(await exchange(token, form as unknown as Record<string, string>), 'invalid_request');
    }
    assert.equal((await exchange(token, { requested_token_type: ACCESS_TOKEN })).status, 200);
  });

  test('TX-11 a connection checks its networks and remembers its last use', async () => {
    const elsewhere = await connect({ networks: ['10.0.0.0/8', '2001:db8::/32'] });
    assertRefused(await exchange(elsewhere.token), 'invalid_request');
    const here = await connect({ networks: ['127.0.0.0/8', '::1'] });
    const before = Date.now() + server.clock.offset;
    assert.equal((await exchange(here.token)).status, 200);
    const use = await foundations().connections.findUse(here.connection);
    assert.ok(use && use.at >= before && use.at <= Date.now() + server.clock.offset);
    assert.match(use.address, /127\.0\.0\.1|::1/);
    assert.equal(await foundations().connections.countLiving(here.connection, 9), 1);
    const { token, connection } = await connect();
    const { view } = await foundations().directory.viewFor({});
    await foundations().connections.find(token, '192.0.2.7', view);
    await foundations().connections.find(token, '192.0.2.9', view);
    await foundations().connections.find(token, '203.0.113.9', view);
    const { entries } = await foundations().storage.audit.page({ limit: 50 });
    const told = entries.filter(
      ({ event, subject }) => event === 'connection.new_network' && subject === connection.id,
    );
    assert.deepEqual(
      told.map(({ address }) => address),
      ['203.0.113.9'],
    );
  });

  test('TX-11 a token is typed, checks itself, and is stored as a hash only', async () => {
    const { token, connection } = await connect();
    assert.match(token, /^gct_[A-Za-z0-9_-]{71}$/);
    const stored = JSON.stringify(await nouns().connections.get(connection.id));
    assert.equal(stored.includes(token.slice(26, 69)), false);
    for (let index = 0; index < token.length; index += 7) {
      const other = token[index] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, index) + other + token.slice(index + 1);
      assertRefused(await exchange(changed), 'invalid_request');
    }
    assertRefused(await exchange(`${token}A`), 'invalid_request');
    assertRefused(await exchange(token.toLowerCase()), 'invalid_request');
  });

  test('TX-06 rotation keeps the earlier token good until it is dropped', async () => {
    const first = await connect();
    const early = (await exchange(first.token)).json.access_token;
    const second = await foundations().connections.rotate(first.connection, AUTHOR);
    const late = (await exchange(second.token)).json.access_token;
    assert.equal((await exchange(first.token)).status, 200);
    await foundations().connections.dropEarlier(second.connection, AUTHOR);
    assertRefused(await exchange(first.token), 'invalid_request');
    assert.deepEqual(await server.introspect(early), { active: false });
    assert.equal((await server.introspect(late)).active, true);
    assert.equal((await exchange(second.token)).status, 200);
  });

  test('TX-06 narrowing a connection narrows its tokens at the next introspection', async () => {
    const { token, connection } = await connect();
    const child = (await exchange(token)).json.access_token;
    const grandchild = (await exchange(child)).json.access_token;
    const writeOnly = stored({ isAdmin: false, tables: { orders: { update: true } } });
    const narrowed = await foundations().changes.connections.replace(
      { ...connection, permissions: writeOnly, scopes: [] },
      AUTHOR,
    );
    for (const living of [child, grandchild]) {
      const answer = await server.introspect(living);
      assert.equal(answer.active, true);
      assert.deepEqual(answer.permissions.tables, {
        orders: { create: false, read: false, update: true, delete: false },
      });
      assert.equal(answer.scope, undefined);
    }
    await foundations().changes.connections.replace({ ...narrowed, expiresAt: Date.now() - 1 }, AUTHOR);
    for (const living of [child, grandchild])
      assert.deepEqual(await server.introspect(living), { active: false });
  });

  test('TX-06 the end of anything under a connection ends its tokens', async () => {
    const { realm, organization, id } = await findApplication('portal');
    const owner = await nouns().users.findBy('username', `${realm}/cleo`);
    assert.ok(owner);
    const { changes } = foundations();
    const disabled: [string, () => Promise<() => Promise<unknown>>][] = [
      [
        'its owner',
        async () => {
          const off = await changes.users.replace({ ...owner, enabled: false }, AUTHOR);
          return () => changes.users.replace({ ...off, enabled: true }, AUTHOR);
        },
      ],
      [
        'its application',
        async () => {
          const application = await nouns().applications.get(id);
          assert.ok(application);
          const off = await changes.applications.replace({ ...application, enabled: false }, AUTHOR);
          return () => changes.applications.replace({ ...off, enabled: true }, AUTHOR);
        },
      ],
      [
        'its resource',
        async () => {
          const resource = await nouns().resources.findBy('identifier', RESOURCE);
          assert.ok(resource);
          const off = await changes.resources.replace({ ...resource, enabled: false }, AUTHOR);
          return () => changes.resources.replace({ ...off, enabled: true }, AUTHOR);
        },
      ],
      [
        'its organization',
        async () => {
          const acme = await nouns().organizations.get(organization);
          assert.ok(acme);
          const off = await changes.organizations.replace({ ...acme, enabled: false }, AUTHOR);
          return () => changes.organizations.replace({ ...off, enabled: true }, AUTHOR);
        },
      ],
    ];
    for (const [what, disable] of disabled) {
      const { token } = await connect({ owner: owner.id });
      const child = (await exchange(token)).json.access_token;
      const grandchild = (await exchange(child)).json.access_token;
      const enable = await disable();
      assert.notEqual((await exchange(token)).status, 200, what);
      await enable();
      for (const living of [child, grandchild]) {
        assert.deepEqual(await server.introspect(living), { active: false }, what);
      }
    }
  });

  test('TX-11 no more living tokens descend from one connection than its limit', async () => {
    await using limited = await startServer({ fixture: addTraders, env: { GRANTABLE_LIVING_LIMIT: '3' } });
    const { connections: created, storage } = limited.server.foundations;
    const portal = await storage.directory.applications.findBy('clientId', 'portal');
    assert.ok(portal);
    const { token } = await created.create(
      {
        organization: portal.organization,
        application: portal.id,
        name: 'crowded',
        resource: RESOURCE,
        scopes: [],
        permissions: stored(clerk),
      },
      AUTHOR,
    );
    const trade = (lifetime: string) =>
      limited.post('/oauth/token', 'portal', {
        grant_type: EXCHANGE,
        subject_token: token,
        subject_token_type: CONNECTION,
        expires_in: lifetime,
      });
    for (let made = 0; made < 3; made += 1) assert.equal((await trade('60')).status, 200);
    const refused = await trade('60');
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    limited.clock.offset += 62_000;
    assert.equal((await trade('60')).status, 200, 'those before have expired');
  });

  test('TX-12 one connection is limited by itself, and no other with it', async (t) => {
    const limited = await startServer({
      fixture: addTraders,
      env: { GRANTABLE_EXCHANGE_LIMIT: '5/1m' },
    });
    t.after(() => limited[Symbol.asyncDispose]());
    const parent = async () => (await limited.token('portal')).json.access_token;
    const { connections: created, storage } = limited.server.foundations;
    const portal = await storage.directory.applications.findBy('clientId', 'portal');
    assert.ok(portal);
    const make = async (name: string) =>
      (
        await created.create(
          {
            organization: portal.organization,
            application: portal.id,
            name,
            resource: RESOURCE,
            scopes: [],
            permissions: stored(clerk),
          },
          AUTHOR,
        )
      ).token;
    const [busy, calm] = [await make('busy'), await make('calm')];
    const trade = (token: string, type: string) =>
      limited.post('/oauth/token', 'portal', {
        grant_type: EXCHANGE,
        subject_token: token,
        subject_token_type: type,
      });
    const child = (await trade(busy, CONNECTION)).json.access_token;
    for (let used = 1; used < 5; used += 1) assert.equal((await trade(busy, CONNECTION)).status, 200);
    for (const [token, type] of [
      [busy, CONNECTION],
      [child, ACCESS_TOKEN],
    ] as const) {
      const refused = await trade(token, type);
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    }
    assert.equal((await trade(calm, CONNECTION)).status, 200);
    assert.equal((await trade(await parent(), ACCESS_TOKEN)).status, 200);
  });
});
