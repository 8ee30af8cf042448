/** More alternatives for one table than rights can hold: introspection shows less, and no door gives a token. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createLogger } from '../../src/http/log.ts';
import type { User } from '../../src/nouns/index.ts';
import { MAX_COMPUTED_ALTERNATIVES } from '../../src/permissions/limits.ts';
import { createFlow, type Flow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { AUTHOR, createTrader, stored, type Trader } from '../support/exchange.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const PER_ROLE = 16;
const ROLES = MAX_COMPUTED_ALTERNATIVES / PER_ROLE + 1;
const NAMES = Array.from({ length: ROLES }, (_, at) => `many${at}`);

function addRoles(fixture: any): void {
  const [acme] = fixture.organizations;
  const [resource] = acme.resources;
  resource.tables[0].columns = [{ name: 'customer', type: 'integer' }];
  for (const [at, name] of NAMES.entries()) {
    const limits = Array.from({ length: PER_ROLE }, (_, index) => ({
      rows: { customer: [String(PER_ROLE * at + index)] },
    }));
    const permissions = { isAdmin: false, tables: { orders: { read: limits } } };
    acme.roles.push({ name, scopes: ['orders.read'], permissions });
  }
  for (const application of ['shop', 'web']) {
    const found = acme.applications.find(({ name }: { name: string }) => name === application);
    found.grants.push('token_exchange');
    acme.users.push({ username: 'mona', password: PASSWORD, application, roles: NAMES });
  }
}

describe('too many alternatives for one table', () => {
  const lines: string[] = [];
  let server: TestServer;
  let trader: Trader;
  let flow: Flow;
  before(async () => {
    const log = createLogger({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
    server = await startServer({ fixture: addRoles, log });
    trader = createTrader(server);
    flow = createFlow(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const password = (form: object = {}) =>
    server.post('/oauth/token', 'shop', {
      grant_type: 'password',
      username: 'mona',
      password: PASSWORD,
      ...form,
    });

  async function setRoles(count: number): Promise<User> {
    const { changes, storage } = server.server.foundations;
    const { realm = '' } = (await storage.directory.applications.findBy('clientId', 'shop')) ?? {};
    const user = await storage.directory.users.findBy('username', `${realm}/mona`);
    assert.ok(user);
    const all = await Promise.all(
      NAMES.map((name) => storage.directory.roles.findBy('name', `${user.organization}/${name}`)),
    );
    const roles = all.slice(0, count).map((role) => role?.id ?? '');
    server.clock.offset += 120_000;
    return changes.users.replace({ ...user, roles }, AUTHOR);
  }

  const REFUSED = [400, 'invalid_authorization_details'];

  test('a login is refused, and says what to ask for', async () => {
    const { status, json } = await password();
    assert.deepEqual([status, json.error], REFUSED);
    assert.match(json.error_description, /more than 64 ways/);
  });

  test('a code is refused', async () => {
    const { url, pkce } = flow.request();
    const answer = await flow.authorize(createBrowser(server.issuer), url, { username: 'mona' });
    const code = answer.searchParams.get('code');
    const { status, json } = await flow.redeem(code ?? '', pkce.verifier);
    assert.deepEqual([status, json.error], REFUSED);
  });

  test('a connection with such an owner gives no tokens', async () => {
    const owner = (await setRoles(ROLES)).id;
    const permissions = stored({ isAdmin: false, tables: { orders: { read: true } } });
    const { token } = await trader.connect('shop', { owner, permissions });
    const { status, json } = await trader.exchange('shop', token);
    assert.deepEqual([status, json.error], REFUSED);
  });

  test('a living token shows less and the log says so, but nothing is made from it', async () => {
    await setRoles(ROLES - 1);
    const { status, json, text } = await password();
    assert.equal(status, 200, text);
    assert.equal(json.authorization_details.length, MAX_COMPUTED_ALTERNATIVES);
    await setRoles(ROLES);
    lines.length = 0;
    const left = await server.introspect(json.access_token);
    assert.equal(left.active, true);
    assert.ok(left.authorization_details.length < MAX_COMPUTED_ALTERNATIVES);
    const line = lines.map((each) => JSON.parse(each)).find(({ path }) => path === '/oauth/introspect');
    assert.match(line.note, /too many alternatives/);

    const exchanged = await trader.exchange('shop', json.access_token);
    assert.deepEqual([exchanged.status, exchanged.json.error], REFUSED);
    const { refresh_token } = json;
    const refreshed = await server.post('/oauth/token', 'shop', {
      grant_type: 'refresh_token',
      refresh_token,
    });
    assert.deepEqual([refreshed.status, refreshed.json.error], REFUSED);

    await setRoles(ROLES - 1);
    assert.deepEqual(
      (await server.introspect(json.access_token)).authorization_details,
      json.authorization_details,
    );
    const again = await server.post('/oauth/token', 'shop', { grant_type: 'refresh_token', refresh_token });
    assert.equal(again.status, 200, 'a refused refresh costs the login nothing');
  });
});
