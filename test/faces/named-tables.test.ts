/** Clients of older APIs read names of tables: no token of theirs says `*`, names a group, or hides a limit. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { crmDatasource, writeCrm } from '../support/crm.ts';
import { AUTHOR, exchangeForm } from '../support/exchange.ts';
import { switchOnFaces } from '../support/faces.ts';
import { PASSWORD, RESOURCE, startServer, type TestServer, tablesOf } from '../support/server.ts';

const RIGHTS = {
  tables: {
    '*': { read: true },
    '@sales': { update: true },
    orders: { create: { rows: { region: ['eu'] } } },
  },
};
/** What they are as names: a limited right is not said. */
const NAMED = { orders: 'ru', products: 'ru', 'public.users': 'r' };
const DOMAIN = 'shop.example.org';

/** What each login gives, by the name of the API. */
const LOGINS: Record<string, (server: TestServer) => Promise<string>> = {
  usergrid: async (server) =>
    (await call(server, '/acme/shop/token', { grant_type: 'password', username: 'ann', password: PASSWORD }))
      .access_token,
  fusio: async (server) =>
    (await call(server, '/consumer/login', { username: 'ann', password: PASSWORD })).token,
  devicehive: async (server) =>
    (await call(server, '/dh/rest/token', { login: 'ann', password: PASSWORD })).accessToken,
  apiMaker: async (server) => {
    const authTokenAMDB = {
      instance: 'crm',
      database: 'main',
      collection: 'customers',
      usernameColumn: 'email',
      passwordColumn: 'password',
      u: 'eve@acme.example',
      p: 'right',
    };
    const body = { authTokenType: 'AM_DB', authTokenAMDB };
    return (await call(server, '/api/system-api/acme/token', body)).data.token;
  },
};

async function call(server: TestServer, path: string, body: object, method = 'POST', token?: string) {
  const response = await fetch(server.issuer + path, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok([200, 201].includes(response.status), `${path}: ${text}`);
  return JSON.parse(text);
}

describe('tokens of older APIs', () => {
  let server: TestServer;
  let dataDir: string;
  before(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'grantable-'));
    writeCrm(dataDir, 'right');
    server = await startServer({
      dataDir,
      fixture({ organizations: [acme] }) {
        switchOnFaces(acme);
        acme.faces.fusio.registration = true;
        const [resource] = acme.resources;
        const columns = [{ name: 'region', type: 'text' }];
        Object.assign(resource.tables[0], { columns });
        resource.groups = [{ id: 'sales', tables: ['orders', 'products'] }];
        const [shop] = acme.applications;
        shop.grants.push('database_user', 'token_exchange', 'authorization_code');
        shop.redirectUris = ['https://app.acme.example/callback'];
        shop.permissions = RIGHTS;
        for (const { permissions, ...role } of acme.roles.splice(0)) {
          acme.roles.push({ ...role, permissions: RIGHTS });
        }
        acme.datasources = [crmDatasource('shop')];
      },
    });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  for (const [face, logIn] of Object.entries(LOGINS)) {
    test(`a token of ${face} names tables, in claims and introspection`, async () => {
      const token = await logIn(server);
      const told = await server.introspect(token);
      assert.equal(told.active, true);
      assert.deepEqual(tablesOf(told), NAMED);
      const limited = told.authorization_details.filter(
        ({ type }: { type: string }) => type !== 'table_access',
      );
      assert.deepEqual(
        limited
          .filter(({ type }: { type: string }) => type === 'table_access_set')
          .map(({ rows }: any) => rows),
        [{ region: ['eu'] }],
      );
      if (token.startsWith('eyJ')) assert.deepEqual(tablesOf(decodeJwt(token)), NAMED);
    });
  }

  test('the same login at the native endpoint keeps *', async () => {
    const form = { grant_type: 'password', username: 'ann', password: PASSWORD };
    const { json } = await server.post('/oauth/token', 'shop', form);
    assert.deepEqual(tablesOf(json), { '*': 'r', orders: 'ru', products: 'ru' });
  });

  test('a table that joins the catalogue is not in tokens and logins of older APIs', async () => {
    const login = await call(server, '/consumer/login', { username: 'ann', password: PASSWORD });
    const { changes, storage } = server.server.foundations;
    const shop = (await storage.directory.resources.page({ limit: 100 })).items.find(
      ({ identifier }) => identifier === RESOURCE,
    );
    assert.ok(shop);
    const tables = [...shop.tables, { id: 'salaries', name: 'Salaries' }];
    const changed = await changes.resources.replace({ ...shop, tables }, AUTHOR);
    try {
      assert.deepEqual(tablesOf(await server.introspect(login.token)), NAMED);
      const traded = await server.post('/oauth/token', 'shop', exchangeForm(login.token));
      assert.deepEqual(tablesOf(traded.json), NAMED);
      const again = await call(server, '/consumer/login', { refresh_token: login.refresh_token }, 'PUT');
      assert.deepEqual(tablesOf(await server.introspect(again.token)), NAMED);
      const anew = await LOGINS.fusio?.(server);
      assert.deepEqual(tablesOf(await server.introspect(anew ?? '')), { ...NAMED, salaries: 'r' });
    } finally {
      await changes.resources.replace({ ...changed, tables: shop.tables }, AUTHOR);
    }
  });

  test('Sunbreak: * of a resource that lists no tables gives none by name', async () => {
    const connected = await call(server, '/api/database/connection', {
      data: [{ email: `ada@${DOMAIN}`, password: PASSWORD, name: 'Ada' }],
      context: { domain: DOMAIN, isNewUser: true, location: 'custom', locale: 'en_US' },
    });
    const subscribe = async (tables: object) => {
      const body = { data: [{ permissions: { isAdmin: false, tables } }], context: {} };
      const { accessToken } = await call(server, '/api/auth/subscribe', body, 'POST', connected.accessToken);
      return [tablesOf(decodeJwt(accessToken)), tablesOf(await server.introspect(accessToken, 'sites'))];
    };
    assert.deepEqual(await subscribe({ '*': { read: true } }), [{}, {}]);
    const posts = { posts: 'ru' };
    assert.deepEqual(await subscribe({ '*': { read: true }, posts: { read: true, update: true } }), [
      posts,
      posts,
    ]);
  });
});
