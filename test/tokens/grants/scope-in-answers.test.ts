/** `scope` repeats the table scopes that were asked for: in JWTs, answers and introspection, as they are held at that moment. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { createLogger } from '../../../src/http/log.ts';
import { createFlow, type Flow } from '../../interaction/flow.ts';
import { createBrowser } from '../../support/browser.ts';
import { exchangeForm } from '../../support/exchange.ts';
import { OPAQUE_RESOURCE, PASSWORD, startServer, type TestServer } from '../../support/server.ts';

const CLERK = {
  isAdmin: false,
  tables: [
    { table: 'orders', actions: 'cru' },
    { table: 'products', actions: 'r' },
  ],
};
const READER = { isAdmin: false, tables: [{ table: 'orders', actions: 'r' }] };

describe('scope in answers', () => {
  const lines: string[] = [];
  let server: TestServer;
  let flow: Flow;
  before(async () => {
    server = await startServer({
      log: createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } }),
      fixture({ organizations: [acme] }) {
        for (const name of ['shop', 'web', 'machine', 'admin']) {
          acme.applications
            .find((each: { name: string }) => each.name === name)
            .grants.push('token_exchange');
        }
      },
    });
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const exchange = (client: string, token: string, form: Record<string, string> = {}) =>
    server.post('/oauth/token', client, exchangeForm(token, form));
  const refresh = (client: string, refreshToken: string, form: Record<string, string> = {}) =>
    server.post('/oauth/token', client, {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      ...form,
    });
  const password = (scope: string) =>
    server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      scope,
    });
  const scopeOf = async (token: string) => (await server.introspect(token)).scope;

  /** Gives the role other rights until the end. */
  async function whileClerkMay(permissions: typeof CLERK, then: () => Promise<void>): Promise<void> {
    const { changes, storage } = server.server.foundations;
    const { items } = await storage.directory.roles.page({ limit: 100 });
    const role = items.find(({ name, resource }) => name === 'clerk' && resource.includes('acme'));
    assert.ok(role);
    const narrowed = await changes.roles.replace({ ...role, permissions }, { actor: 'test' });
    try {
      await then();
    } finally {
      await changes.roles.replace({ ...narrowed, permissions: CLERK }, { actor: 'test' });
    }
  }

  test('token response, JWT and introspection of both formats repeat what was asked for', async () => {
    for (const resource of [undefined, OPAQUE_RESOURCE]) {
      const scope = 'orders:update orders:read orders.read';
      const { json } = await server.token('machine', { scope, ...(resource && { resource }) });
      assert.equal(json.scope, 'orders.read orders:read orders:update');
      if (!resource) assert.equal(decodeJwt(json.access_token).scope, json.scope);
      assert.equal(await scopeOf(json.access_token), json.scope);
    }
    assert.equal((await server.token('admin', { scope: '*:admin' })).json.scope, 'orders.read *:admin');
    const dotted = await server.token('admin', { scope: 'public%2Eusers:read' });
    assert.equal(dotted.json.scope, 'orders.read public.users:read');
  });

  test('tables that were asked for otherwise, or not at all, are not in it', async () => {
    const permissions = '{"isAdmin":false,"tables":{"orders":{"read":true}}}';
    for (const form of [{}, { permissions }, { scope: 'orders.read' }]) {
      assert.equal((await server.token('machine', form)).json.scope, 'orders.read');
    }
  });

  test('a login asked for by scope says it at code, refresh and exchange', async () => {
    const json = await flow.tokens(createBrowser(server.issuer), {
      scope: 'openid orders:read orders:update',
    });
    const expected = 'openid orders:read orders:update';
    assert.equal(json.scope, expected);
    assert.equal(decodeJwt(json.access_token).scope, expected);
    assert.equal((await server.introspect(json.refresh_token, 'web')).scope, expected);
    const refreshed = await refresh('web', json.refresh_token);
    assert.equal(refreshed.json.scope, expected);
    const less = await refresh('web', refreshed.json.refresh_token, { scope: 'openid orders:read' });
    assert.equal(less.json.scope, 'openid orders:read');
    const details = '[{"type":"table_access","identifier":"orders","actions":["read"]}]';
    const other = await refresh('web', less.json.refresh_token, { authorization_details: details });
    assert.equal(other.json.scope, 'openid', 'tables were asked for as details');
    const all = await refresh('web', other.json.refresh_token);
    assert.equal(all.json.scope, expected, 'of the login nothing was taken away');
    const traded = await exchange('web', json.access_token);
    assert.equal(traded.json.scope, 'orders:read orders:update');
    const smaller = await exchange('web', json.access_token, { scope: 'orders:update' });
    assert.equal(smaller.json.scope, 'orders:update');
  });

  test('it follows rights as they shrink and come back, without a new token', async () => {
    const { json } = await password('orders:read orders:update');
    assert.equal(json.scope, 'orders.read orders:read orders:update');
    await whileClerkMay(READER, async () => {
      assert.equal(await scopeOf(json.access_token), 'orders.read orders:read');
      const refreshed = await refresh('shop', json.refresh_token);
      assert.equal(refreshed.json.scope, 'orders.read orders:read');
      assert.equal(decodeJwt(refreshed.json.access_token).scope, 'orders.read orders:read');
    });
    assert.equal(await scopeOf(json.access_token), json.scope);
  });

  test('of admin that was asked for and has shrunk to tables nothing is repeated', async () => {
    const { changes, storage } = server.server.foundations;
    const { json } = await server.token('admin', { scope: '*:admin' });
    const admin = await storage.directory.applications.findBy('clientId', 'admin');
    assert.ok(admin);
    const ceilings = admin.ceilings.map((ceiling) => ({ ...ceiling, permissions: READER }));
    const less = await changes.applications.replace({ ...admin, ceilings }, { actor: 'test' });
    assert.equal(await scopeOf(json.access_token), 'orders.read');
    const traded = await exchange('admin', json.access_token);
    assert.equal(traded.json.scope, 'orders.read');
    await changes.applications.replace({ ...less, ceilings: admin.ceilings }, { actor: 'test' });
    assert.equal(await scopeOf(json.access_token), 'orders.read *:admin');
    assert.equal(await scopeOf(traded.json.access_token), 'orders.read');
  });

  test('no text of a table scope is kept with a token or a login', async () => {
    const { json } = await password('orders:read');
    const row = await server.server.foundations.registry.findRow(
      'jwt',
      String(decodeJwt(json.access_token).jti),
    );
    assert.equal(row?.scope, 'orders.read');
    assert.doesNotMatch(JSON.stringify(row), /orders:read/);
  });

  test('the password grant ignores openid and what goes with it, and the log says so', async () => {
    lines.length = 0;
    const { status, json } = await password('openid profile orders.read orders:read');
    assert.equal(status, 200);
    assert.equal(json.scope, 'orders.read orders:read');
    assert.equal(json.id_token, undefined);
    const line = lines.map((text) => JSON.parse(text)).find(({ path }) => path === '/oauth/token');
    assert.match(line.note, /ignored scopes .*: openid profile$/);
    const bare = await password('openid');
    assert.deepEqual([bare.status, bare.json.scope], [200, undefined], 'no scope stands in for it');
    lines.length = 0;
    assert.equal((await password('openid nope')).json.error, 'invalid_scope');
    assert.equal((await password('orders.read')).status, 200);
    assert.equal(lines.map((text) => JSON.parse(text)).at(-1).note, undefined);
    assert.equal((await server.token('machine', { scope: 'openid' })).json.error, 'invalid_scope');
  });
});
