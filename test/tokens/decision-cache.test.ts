import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Alternative } from '../../src/permissions/limits.ts';
import { createPermissions } from '../../src/permissions/permissions.ts';
import { createDecisionCache } from '../../src/tokens/decision-cache.ts';
import type { Decision, Grant, GrantRequest } from '../../src/tokens/grant.ts';
import { AUTHOR, createTrader, stored, type Trader } from '../support/exchange.ts';
import { OPAQUE_RESOURCE, RESOURCE, tablesOf } from '../support/server.ts';
import { type CachedPair, startCachedPair } from './cached-pair.ts';

const READ_ONLY = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };

describe('cached decisions', () => {
  let pair: CachedPair;
  before(async () => {
    pair = await startCachedPair({
      fixture({ organizations: [acme] }) {
        acme.resources[0].scopes.push('stats:read');
        for (const application of acme.applications) {
          if (application.name === 'machine') application.scopes = ['orders.read', 'stats:read'];
        }
      },
    });
  });
  after(() => pair[Symbol.asyncDispose]());

  const ask = (form: Record<string, string> = {}) => pair.hot.token('machine', form);
  async function heat(form: Record<string, string> = {}) {
    for (let times = 0; times < 2; times += 1) assert.equal((await ask(form)).status, 200);
  }

  test('give each request a token of its own', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ resource: OPAQUE_RESOURCE })));
    assert.equal(new Set(answers.map(({ json }) => json.access_token)).size, 20);
    const facts = await Promise.all(answers.map(({ json }) => pair.hot.introspect(json.access_token)));
    assert.equal(new Set(facts.map(({ jti }) => jti)).size, 20);
  });

  test('are those of what was asked for', async () => {
    const read = { authorization_details: '' };
    const forms: Record<string, string>[] = [
      {},
      { scope: 'orders.read' },
      { scope: 'orders:read' },
      { permissions: JSON.stringify({ isAdmin: false, tables: { orders: { read: true } } }) },
      { resource: OPAQUE_RESOURCE },
      { resource: OPAQUE_RESOURCE, scope: 'orders:read' },
    ];
    const answerTo = async (server: CachedPair['hot'], form: Record<string, string>) => {
      const { access_token: token, ...answer } = (await server.token('machine', { ...read, ...form })).json;
      const { jti: _, iat: __, exp: ___, ...facts } = await pair.hot.introspect(token);
      const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
      return { answer, facts, claims: claims.replace(/("(exp|iat|as_of)":)\d+|"jti":"[^"]+"/g, '$1') };
    };
    for (const form of [...forms, ...forms]) {
      assert.deepEqual(await answerTo(pair.hot, form), await answerTo(pair.plain, form));
    }
  });

  test('give each token a row that says which request it came from', async () => {
    const { storage, registry } = pair.hot.server.foundations;
    await heat({ resource: OPAQUE_RESOURCE });
    for (let times = 0; times < 3; times += 1) {
      const answer = await ask({ resource: OPAQUE_RESOURCE });
      const row = await registry.findRow('opaque', answer.json.access_token);
      assert.equal(row?.requestId, answer.headers.get('x-request-id'));
      assert.equal(row?.address, '127.0.0.1');
    }
    assert.deepEqual(await storage.verify(), []);
  });

  test('do not hold for another client that asks for the same', async () => {
    await heat();
    const other = await pair.hot.token('admin');
    assert.equal(other.json.permissions.isAdmin, true);
  });

  test('end when the ceiling of their application is lowered by another process', async () => {
    await heat();
    const { directory } = pair.plain.server.foundations.storage;
    const { ceilings = [] } = (await directory.applications.findBy('clientId', 'machine')) ?? {};
    const lowered = [{ resource: RESOURCE, permissions: READ_ONLY }];
    await pair.change('applications', 'clientId', 'machine', { ceilings: lowered });
    assert.deepEqual(tablesOf((await ask()).json), { orders: 'r' });
    await pair.change('applications', 'clientId', 'machine', { ceilings });
    assert.equal(Object.keys(tablesOf((await ask()).json)).length, 2);
  });

  test('end when a table leaves the catalogue', async () => {
    await heat();
    const resource = await pair.plain.server.foundations.storage.directory.resources.findBy(
      'identifier',
      RESOURCE,
    );
    const { tables = [] } = resource ?? {};
    await pair.change('resources', 'identifier', RESOURCE, { tables: tables.slice(0, 1) });
    assert.deepEqual(Object.keys(tablesOf((await ask()).json)), ['orders']);
    await pair.change('resources', 'identifier', RESOURCE, { tables });
  });

  test('end when their resource is disabled', async () => {
    await heat({ resource: OPAQUE_RESOURCE });
    await pair.change('resources', 'identifier', OPAQUE_RESOURCE, { enabled: false });
    assert.equal((await ask({ resource: OPAQUE_RESOURCE })).json.error, 'invalid_target');
    await pair.change('resources', 'identifier', OPAQUE_RESOURCE, { enabled: true });
    assert.equal((await ask({ resource: OPAQUE_RESOURCE })).status, 200);
  });

  test('say how long a token lives as their resource says it', async () => {
    await heat({ resource: OPAQUE_RESOURCE });
    const token = { format: 'opaque', ttl: 60, alg: 'ES256', overflow: 'reference' } as const;
    await pair.change('resources', 'identifier', OPAQUE_RESOURCE, { token });
    assert.equal((await ask({ resource: OPAQUE_RESOURCE })).json.expires_in, 60);
  });

  test('a scope that a resource begins to declare is not the name of a table any more', async () => {
    const form = { scope: 'stats:read' };
    const scopes = ['orders.read', 'orders.write'];
    await pair.change('resources', 'identifier', RESOURCE, { scopes });
    await pair.change('applications', 'clientId', 'machine', { enabled: true });
    assert.equal((await ask(form)).json.error, 'invalid_scope');
    await pair.change('resources', 'identifier', RESOURCE, { scopes: [...scopes, 'stats:read'] });
    assert.equal((await ask(form)).json.scope, 'stats:read');
  });
});

describe('cached decisions about connection tokens', () => {
  const TRADES = 30;
  const BOTH = { isAdmin: false, tables: { orders: { read: true }, products: { read: true } } };
  let pair: CachedPair;
  let trader: Trader;
  before(async () => {
    pair = await startCachedPair({
      env: { GRANTABLE_EXCHANGE_LIMIT: `${TRADES}/60s` },
      fixture({ organizations: [acme] }) {
        for (const application of acme.applications) {
          if (application.name === 'machine') application.grants.push('token_exchange');
        }
      },
    });
    trader = createTrader(pair.hot);
  });
  after(() => pair[Symbol.asyncDispose]());

  const trade = (token: string, form?: Record<string, string>) => trader.exchange('machine', token, form);
  /** Its decision is cached. */
  async function connect() {
    const made = await trader.connect('machine', { permissions: stored(BOTH), scopes: ['orders.read'] });
    for (let times = 0; times < 2; times += 1) assert.equal((await trade(made.token)).status, 200);
    return made;
  }
  const changeIt = (id: string, change: object) => pair.change('connections', 'id', id, change);

  test('give the tokens that a process makes which keeps nothing', async () => {
    const { token } = await connect();
    const cold = createTrader(pair.plain);
    const told = async (exchange: Trader['exchange'], form: Record<string, string>) => {
      const { access_token: made, ...answer } = (await exchange('machine', token, form)).json;
      const claims = Buffer.from(made.split('.')[1] ?? '', 'base64url').toString();
      const { jti, iat: _, exp: __, ...facts } = await pair.hot.introspect(made);
      return {
        jti,
        same: { answer, facts, claims: claims.replace(/("(exp|iat|as_of)":)\d+|"jti":"[^"]+"/g, '$1') },
      };
    };
    const forms: Record<string, string>[] = [
      {},
      { scope: 'orders.read' },
      { scope: 'orders:read' },
      { expires_in: '60' },
      { audience: RESOURCE },
    ];
    const seen = new Set<string>();
    for (const form of [...forms, ...forms]) {
      const [one, other] = [await told(trader.exchange, form), await told(cold.exchange, form)];
      assert.deepEqual(one.same, other.same);
      seen.add(one.jti).add(other.jti);
    }
    assert.equal(seen.size, 4 * forms.length);
  });

  test('end when another process narrows the connection', async () => {
    const { token, connection } = await connect();
    await changeIt(connection.id, {
      permissions: stored({ isAdmin: false, tables: { orders: { read: true } } }),
    });
    assert.deepEqual(tablesOf((await trade(token)).json), { orders: 'r' });
  });

  test('end when another process widens the connection', async () => {
    const { token, connection } = await connect();
    assert.equal((await trade(token)).json.scope, 'orders.read');
    await changeIt(connection.id, { scopes: [] });
    assert.equal((await trade(token)).json.scope, undefined);
    await changeIt(connection.id, { scopes: ['orders.read'] });
    assert.equal((await trade(token)).json.scope, 'orders.read');
  });

  test('do not outlive the connection or its token', async () => {
    const disabled = await connect();
    await changeIt(disabled.connection.id, { enabled: false });
    assert.equal((await trade(disabled.token)).status, 400);

    const elsewhere = await connect();
    await changeIt(elsewhere.connection.id, { networks: ['192.0.2.0/24'] });
    assert.equal((await trade(elsewhere.token)).status, 400);

    const { connections } = pair.plain.server.foundations;
    const rotated = await connect();
    const { connection } = await connections.rotate(rotated.connection, AUTHOR);
    assert.equal((await trade(rotated.token)).status, 200);
    await connections.dropEarlier(connection, AUTHOR);
    assert.equal((await trade(rotated.token)).status, 400);

    const ended = await connect();
    await connections.end(ended.connection, AUTHOR);
    assert.equal((await trade(ended.token)).status, 400);
  });

  test('end when the ceiling of the application is lowered', async () => {
    const { token } = await connect();
    const { directory } = pair.plain.server.foundations.storage;
    const { ceilings = [] } = (await directory.applications.findBy('clientId', 'machine')) ?? {};
    const permissions = stored({ isAdmin: false, tables: { orders: { read: true } } });
    await pair.change('applications', 'clientId', 'machine', {
      ceilings: [{ resource: RESOURCE, permissions }],
    });
    assert.deepEqual(tablesOf((await trade(token)).json), { orders: 'r' });
    await pair.change('applications', 'clientId', 'machine', { ceilings });
    assert.equal(Object.keys(tablesOf((await trade(token)).json)).length, 2);
  });

  test('count each trade once', async () => {
    const { token } = await connect();
    for (let times = 2; times < TRADES; times += 1) assert.equal((await trade(token)).status, 200);
    assert.equal((await trade(token)).status, 429);
  });
});

test('cached decisions count limits as the memory that they take', async () => {
  const decisionCache = createDecisionCache(100_000);
  const grant = { name: 'client_credentials', repeats: true, parameters: [] } as unknown as Grant;
  const request = (scope: string) =>
    ({
      client: { application: { id: 'machine' }, organization: { id: 'acme' } },
      parameters: { scope },
      view: { revisionOf: () => 1 },
    }) as unknown as GrantRequest;
  const decided: string[] = [];
  const decide = (name: string, values: number, tables = 1) =>
    decisionCache(grant, request(name), async () => {
      decided.push(name);
      const limit = new Alternative(undefined, [['id', Array.from({ length: values }, (_, n) => `${n}`)]]);
      const names = Array.from({ length: tables }, (_, n) => `orders${n}`);
      const permissions = createPermissions(names.map((table) => [table, 15, limit] as const));
      return { permissions, proof: { holdsFor: async () => true } } as unknown as Decision;
    });
  for (const name of ['a', 'b', 'a', 'b']) await decide(name, 1);
  assert.deepEqual(decided.splice(0), ['a', 'b']);
  for (const name of ['c', 'd', 'a']) await decide(name, 1_000);
  assert.deepEqual(decided.splice(0), ['c', 'd', 'a']);
  for (const name of ['shared', 'shared']) await decide(name, 1, 300);
  assert.deepEqual(decided, ['shared']);
});
