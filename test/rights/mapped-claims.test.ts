/** Claims that a resource maps into its access tokens for neighbours: which tokens have them, and what they say when. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Resource, User } from '../../src/nouns/index.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { crmDatasource, writeCrm } from '../support/crm.ts';
import { AUTHOR, createTrader, stored, type Trader } from '../support/exchange.ts';
import { OPAQUE_RESOURCE, PASSWORD, RESOURCE, startServer, type TestServer } from '../support/server.ts';

const OTHER = 'https://plain.acme.example/';
const WHO = 'https://acme.example/who';

const CLAIMS = {
  role: { oneOf: ['web_admin', 'web_user'], from: { $user: 'attributes.db_role' }, default: 'web_user' },
  plan: 'gold',
  level: 3,
  beta: true,
  team: { $user: 'attributes.team' },
  user_id: { $user: 'id' },
  of_roles: { someOf: ['reader', 'clerk'], from: { $user: 'roles' } },
  words: ['a', { $user: 'attributes.team' }, { $user: 'roles' }],
  [WHO]: {
    tenant: { $organization: 'name' },
    app: { $application: 'name' },
    client: { $application: 'clientId' },
    email: { $user: 'email' },
    branch: { $account: 'branch' },
  },
};
const NAMES = Object.keys(CLAIMS);

const read = { isAdmin: false, tables: { orders: { read: true }, products: { read: true } } };

function addClaims(fixture: any): void {
  const [acme] = fixture.organizations;
  const [jwt, opaque] = acme.resources;
  jwt.token.claimMap = CLAIMS;
  opaque.token.claimMap = CLAIMS;
  acme.resources.push({ ...jwt, identifier: OTHER, name: 'plain', token: { ttl: 3600 } });
  acme.roles.push({ name: 'plain', resource: OTHER, permissions: read });
  acme.faces = { usergrid: {} };
  for (const name of ['desk', 'second']) {
    acme.applications.push({
      name,
      clientId: name,
      clientSecret: `secret-of-${name}-`.padEnd(40, 'x'),
      grants: ['client_credentials', 'password', 'refresh_token', 'token_exchange'],
      resource: RESOURCE,
      permissions: read,
      resources: { [OPAQUE_RESOURCE]: read, [OTHER]: read },
      mayExchange: name === 'desk' ? ['second'] : [],
    });
  }
  acme.applications.find(({ name }: any) => name === 'shop-api').introspects.push(OTHER);
  acme.roles.push({ name: 'opaque-reader', resource: OPAQUE_RESOURCE, permissions: read });
  const person = (username: string, rest: object) => ({
    username,
    password: PASSWORD,
    application: 'desk',
    roles: ['clerk', 'plain', 'opaque-reader'],
    ...rest,
  });
  acme.users.push(
    person('cleo', {
      attributes: { db_role: 'web_admin', team: 'red' },
      email: 'cleo@acme.example',
      emailVerified: true,
    }),
    person('dora', { attributes: { db_role: 'service_role' }, email: 'dora@acme.example' }),
    person('emil', { attributes: { db_role: 'web_admin', team: 'red' } }),
  );
}

/** Those that are mapped, of a JWT or of an introspection. */
function mappedOf(claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(NAMES.flatMap((name) => (name in claims ? [[name, claims[name]]] : [])));
}

describe('mapped claims', () => {
  let server: TestServer;
  let trader: Trader;
  before(async () => {
    server = await startServer({ fixture: addClaims });
    trader = createTrader(server);
  });
  after(() => server[Symbol.asyncDispose]());

  async function login(username: string, form: object = {}): Promise<Record<string, any>> {
    const asked = { grant_type: 'password', username, password: PASSWORD, ...form };
    const { status, json, text } = await server.post('/oauth/token', 'desk', asked);
    assert.equal(status, 200, text);
    return json;
  }

  async function find(username: string): Promise<User> {
    const { directory } = server.server.foundations.storage;
    const { realm = '' } = (await directory.applications.findBy('clientId', 'desk')) ?? {};
    const user = await directory.users.findBy('username', `${realm}/${username}`);
    assert.ok(user);
    return user;
  }

  /** A minute later, so that it cannot be mistaken for a difference of clocks. */
  async function change(username: string, facts: Partial<User>): Promise<void> {
    server.clock.offset += 120_000;
    await server.server.foundations.changes.users.replace({ ...(await find(username)), ...facts }, AUTHOR);
  }

  const cleo = async (organization = 'acme') => ({
    role: 'web_admin',
    plan: 'gold',
    level: 3,
    beta: true,
    team: 'red',
    user_id: (await find('cleo')).id,
    of_roles: ['clerk'],
    words: ['a', 'red', 'clerk'],
    [WHO]: { tenant: organization, app: 'desk', client: 'desk', email: 'cleo@acme.example' },
  });

  const MACHINE = {
    role: 'web_user',
    plan: 'gold',
    level: 3,
    beta: true,
    words: ['a'],
    [WHO]: { tenant: 'acme', app: 'desk', client: 'desk' },
  };

  test('a JWT has them, and its introspection says the same', async () => {
    const { access_token } = await login('cleo');
    assert.deepEqual(mappedOf(decodeJwt(access_token)), await cleo());
    assert.deepEqual(mappedOf(await server.introspect(access_token)), await cleo());
    assert.deepEqual(mappedOf(await server.introspect(access_token)), await cleo(), 'a kept answer');
  });

  test('the introspection of an opaque token has them', async () => {
    const { access_token } = await login('cleo', { resource: OPAQUE_RESOURCE });
    assert.match(access_token, /^gat_/);
    const mapped = mappedOf(await server.introspect(access_token));
    // Roles are those for the resource.
    const { of_roles: _, ...expected } = await cleo();
    assert.deepEqual(mapped, { ...expected, words: ['a', 'red', 'opaque-reader'] });
  });

  test('values that are not there, or not in the list, are left out', async () => {
    const { id } = await find('dora');
    const { access_token } = await login('dora');
    const expected = { ...MACHINE, user_id: id, of_roles: ['clerk'], words: ['a', 'clerk'] };
    assert.deepEqual(mappedOf(decodeJwt(access_token)), expected, 'service_role is not in the list');
    assert.deepEqual(mappedOf(await server.introspect(access_token)), expected);
  });

  test('an application by itself has what does not speak of people', async () => {
    const first = (await server.token('desk')).json.access_token;
    const second = (await server.token('desk')).json.access_token;
    for (const token of [first, second]) {
      assert.deepEqual(mappedOf(decodeJwt(token)), MACHINE, 'a kept decision says the same');
      assert.deepEqual(mappedOf(await server.introspect(token)), MACHINE);
    }
  });

  test('JW-12 tokens of another resource have none', async () => {
    const { access_token } = await login('cleo', { resource: OTHER });
    assert.deepEqual(mappedOf(decodeJwt(access_token)), {});
    assert.deepEqual(mappedOf(await server.introspect(access_token)), {});
  });

  test('JW-12 ID tokens, userinfo and refresh tokens have none', async () => {
    const flow = createFlow(server);
    const answer = await flow.tokens(createBrowser(server.issuer), {
      scope: 'openid profile email offline_access orders.read',
    });
    assert.equal(decodeJwt(answer.access_token).plan, 'gold');
    assert.deepEqual(mappedOf(decodeJwt(answer.id_token)), {});
    const userinfo = await fetch(`${server.issuer}/oauth/userinfo`, {
      headers: { authorization: `Bearer ${answer.access_token}` },
    });
    assert.deepEqual(mappedOf((await userinfo.json()) as Record<string, unknown>), {});
    const { refresh_token } = await login('cleo');
    assert.deepEqual(mappedOf(await server.introspect(refresh_token, 'desk')), {});
  });

  test('tokens of older APIs say what they said', async () => {
    const response = await fetch(`${server.issuer}/acme/desk/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'password', username: 'cleo', password: PASSWORD }),
    });
    const { access_token } = (await response.json()) as { access_token: string };
    assert.ok(access_token);
    const claims = await server.introspect(access_token, 'desk');
    assert.equal(claims.active, true);
    assert.deepEqual(mappedOf(claims), {});
  });

  test('a traded token speaks of its own subject and application', async () => {
    const { access_token } = await login('cleo');
    const form = { scope: 'orders:read' };
    const { json } = await trader.exchange('second', access_token, form);
    const mapped = mappedOf(decodeJwt(json.access_token));
    const expected = await cleo();
    assert.deepEqual(mapped, {
      ...expected,
      [WHO]: { ...(expected[WHO] as object), app: 'second', client: 'second' },
    });
    assert.deepEqual(mappedOf(await server.introspect(json.access_token)), mapped);
  });

  test('a token of a connection does not speak of its owner', async () => {
    const { id: owner } = await find('cleo');
    for (const rest of [{}, { owner }]) {
      const { token } = await trader.connect('desk', { ...rest, permissions: stored(read) });
      const { json } = await trader.exchange('desk', token);
      assert.deepEqual(mappedOf(decodeJwt(json.access_token)), MACHINE);
      assert.deepEqual(mappedOf(await server.introspect(json.access_token)), MACHINE);
    }
  });

  test('JW-12 changes of a person are seen by refreshes and introspection', async () => {
    const { access_token, refresh_token } = await login('emil');
    const said = mappedOf(decodeJwt(access_token));
    assert.deepEqual([said.role, said.team], ['web_admin', 'red']);
    await change('emil', { attributes: { team: 'blue' } });
    const asked = await server.introspect(access_token);
    assert.deepEqual([asked.role, asked.team], ['web_user', 'blue']);
    const refreshed = await server.post('/oauth/token', 'desk', {
      grant_type: 'refresh_token',
      refresh_token,
    });
    const { role, team } = decodeJwt(refreshed.json.access_token);
    assert.deepEqual([role, team], ['web_user', 'blue']);

    const { directory } = server.server.foundations.storage;
    const { organization = '' } = await find('emil');
    const reader = await directory.roles.findBy('name', `${organization}/reader`);
    assert.ok(reader);
    const { roles } = await find('emil');
    await change('emil', { roles: [...roles, reader.id] });
    const wider = refreshed.json.access_token;
    assert.deepEqual((await server.introspect(wider)).of_roles, ['reader', 'clerk']);
    await change('emil', { roles });
    assert.deepEqual((await server.introspect(wider)).of_roles, ['clerk']);
  });

  describe('changes of the directory are seen by the next token and by introspection:', () => {
    const storage = () => server.server.foundations.storage;
    const changes = () => server.server.foundations.changes;
    const findResource = async (): Promise<Resource> => {
      const found = await storage().directory.resources.findBy('identifier', RESOURCE);
      assert.ok(found);
      return found;
    };

    test('the map itself', async () => {
      const { access_token } = await login('cleo');
      const machine = (await server.token('desk')).json.access_token;
      await server.introspect(machine);
      const before = await findResource();
      const claimMap = [{ claim: 'plan', value: '"silver"' }];
      const changed = await changes().resources.replace(
        { ...before, token: { ...before.token, claimMap } },
        AUTHOR,
      );
      for (const token of [access_token, machine, (await server.token('desk')).json.access_token]) {
        assert.deepEqual(mappedOf(await server.introspect(token)), { plan: 'silver' });
      }
      assert.deepEqual(mappedOf(decodeJwt((await server.token('desk')).json.access_token)), {
        plan: 'silver',
      });
      await changes().resources.replace({ ...changed, token: before.token }, AUTHOR);
      assert.deepEqual(mappedOf(await server.introspect(machine)), MACHINE);
    });

    test('a map that no file could say adds nothing', async () => {
      const before = await findResource();
      const claimMap = [
        { claim: 'sub', value: '"root"' },
        { claim: 'role', value: '"service_role"' },
        { claim: 'plan', value: '{"$user":"password"}' },
      ];
      const changed = await changes().resources.replace(
        { ...before, token: { ...before.token, claimMap } },
        AUTHOR,
      );
      const { access_token } = await login('cleo');
      assert.deepEqual(mappedOf(decodeJwt(access_token)), {});
      assert.deepEqual(decodeJwt(access_token).sub, (await server.introspect(access_token)).sub);
      assert.match(String(decodeJwt(access_token).sub), /^user:|^application:/);
      await changes().resources.replace({ ...changed, token: before.token }, AUTHOR);
    });
  });
});

describe('mapped claims and the size of tokens', () => {
  const MANY = 40;
  const names = Array.from({ length: MANY }, (_, index) => `table-of-things-${'x'.repeat(15)}-${index}`);
  const claimMap = { big: Array.from({ length: 15 }, (_, index) => `${'y'.repeat(180)}${index}`) };
  const tables = Object.fromEntries(names.map((name) => [name, { read: true }]));

  test('they count for both limits, and the resource decides what happens', async () => {
    for (const [overflow, mapped, format] of [
      ['refuse', {}, 'jwt'],
      ['refuse', claimMap, 'refused'],
      ['reference', claimMap, 'opaque'],
    ] as const) {
      await using server = await startServer({
        fixture: (fixture) => {
          const [acme] = fixture.organizations;
          acme.resources[0].tables = [...acme.resources[0].tables, ...names.map((id) => ({ id }))];
          acme.resources[0].token = { ttl: 3600, overflow, claimMap: mapped };
          acme.applications.find(({ name }: any) => name === 'machine').permissions = {
            isAdmin: false,
            tables,
          };
        },
      });
      const { status, json } = await server.token('machine');
      if (format === 'refused') {
        assert.equal(status, 400);
        assert.match(json.error_description, /^The permissions and the mapped claims would .* 6 KB/);
      } else {
        assert.equal(status, 200, JSON.stringify(json));
        assert.match(json.access_token, format === 'jwt' ? /^eyJ/ : /^gat_/);
        assert.deepEqual((await server.introspect(json.access_token)).big, Object.values(mapped)[0]);
      }
    }
  });
});

describe('mapped claims and people in a user table', () => {
  test('a column is mapped by its name, and never stands for a mapped claim', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'grantable-mapped-'));
    writeCrm(dataDir, PASSWORD);
    await using server = await startServer({
      dataDir,
      fixture: (fixture) => {
        const [acme] = fixture.organizations;
        const crm = crmDatasource('shop');
        Object.assign(crm.userTables[0] as object, {
          claims: { role: 'email', Role: 'email', mail: 'email', customer: 'id' },
        });
        acme.datasources = [crm];
        acme.resources[0].token.claimMap = {
          role: { oneOf: ['web'], from: { $user: 'attributes.role' } },
          row: { $account: 'id' },
          who: { $user: 'id' },
          groups_of: { $user: 'roles' },
        };
        acme.applications.find(({ name }: any) => name === 'shop').grants.push('database_user');
      },
    });
    const { status, json, text } = await server.post('/oauth/token', 'shop', {
      grant_type: 'urn:grantable:grant-type:database-user',
      instance: 'crm',
      database: 'main',
      collection: 'customers',
      username_column: 'email',
      password_column: 'password',
      username: 'eve@acme.example',
      password: PASSWORD,
    });
    assert.equal(status, 200, text);
    for (const claims of [decodeJwt(json.access_token), await server.introspect(json.access_token)]) {
      assert.equal('Role' in claims, false, 'some verifiers read names without regard to case');
      const { role, mail, customer, row, who, groups_of } = claims as Record<string, unknown>;
      assert.deepEqual(
        { role, mail, customer, row, who, groups_of },
        {
          role: undefined,
          mail: 'eve@acme.example',
          customer: 7,
          row: '7',
          who: undefined,
          groups_of: ['reader'],
        },
      );
    }
    await rm(dataDir, { recursive: true, force: true });
  });
});
