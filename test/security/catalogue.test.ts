import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTHOR, createTrader, stored } from '../support/exchange.ts';
import { PASSWORD, RESOURCE, startServer } from '../support/server.ts';

const readBoth = { isAdmin: false, tables: { orders: { read: true }, products: { read: true } } };

/** An application that limits no person: what is done through it is bounded by roles, connections and the catalogue. */
function addManager(fixture: any): void {
  const [acme] = fixture.organizations;
  acme.applications.push({
    name: 'manager',
    clientId: 'manager',
    clientSecret: 'secret-of-manager-'.padEnd(40, 'x'),
    resource: RESOURCE,
    grants: ['client_credentials', 'password', 'token_exchange'],
    permissions: { isAdmin: true, tables: {} },
  });
  acme.users.push({ username: 'mia', password: PASSWORD, application: 'manager', roles: ['clerk'] });
}

test('RT-08 a table that leaves the catalogue leaves tokens without a ceiling too', async (t) => {
  const server = await startServer({ fixture: addManager });
  t.after(() => server[Symbol.asyncDispose]());
  const { changes, storage } = server.server.foundations;
  const { connect, exchange, login } = createTrader(server);
  const { token: site } = await connect('manager', { permissions: stored(readBoth) });
  const part = (await server.token('manager', { scope: 'orders:read products:read' })).json.access_token;
  const ways: Record<string, () => Promise<string>> = {
    'the part that was asked for of everything': async () => part,
    'what a role gives': () => login('manager', 'mia'),
    'what a connection gives': async () => (await exchange('manager', site)).json.access_token,
    'what was traded': async () => (await exchange('manager', part)).json.access_token,
  };
  const tablesOf = async (token: string) =>
    Object.keys((await server.introspect(token)).permissions?.tables ?? {});

  const living = await Promise.all(Object.values(ways).map((make) => make()));
  for (const token of living) assert.deepEqual(await tablesOf(token), ['orders', 'products']);
  const resource = await storage.directory.resources.findBy('identifier', RESOURCE);
  assert.ok(resource);
  const tables = resource.tables.filter(({ id }) => id !== 'products');
  await changes.resources.replace({ ...resource, tables }, AUTHOR);
  for (const [index, [way, make]] of Object.entries(ways).entries()) {
    assert.deepEqual(await tablesOf(living[index] as string), ['orders'], way);
    assert.deepEqual(await tablesOf(await make()), ['orders'], way);
  }
});
