/** A token of every grant and of every face is explained, with each ancestor by a name that people know. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import bcrypt from 'bcrypt';
import { explainToken } from '../../src/admin/explain.ts';
import { formatExplanation } from '../../src/admin/explain-report.ts';
import { builtInFaces } from '../../src/faces/index.ts';
import { GRANTS } from '../../src/nouns/application.ts';
import { parseNode } from '../../src/registry/nodes.ts';
import { appOf, createClient, loginOf } from '../faces/fusio-client.ts';
import { createFlow } from '../interaction/flow.ts';
import { createBrowser } from '../support/browser.ts';
import { createTrader, stored, type Trader } from '../support/exchange.ts';
import { OPAQUE_RESOURCE, PASSWORD, REDIRECT_URI, startServer, type TestServer } from '../support/server.ts';
import { createIssuer, IDP, JWT_BEARER, keys } from '../tokens/grants/assertions.ts';

const ORGANIZATION_SECRET = 'secret-of-acme-org-'.padEnd(40, 'x');
const readOrders = { isAdmin: false, tables: { orders: { read: true } } };

async function start(): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'grantable-'));
  mkdirSync(join(dataDir, 'datasources'));
  const crm = new DatabaseSync(join(dataDir, 'datasources', 'crm.db'));
  crm.exec('CREATE TABLE customers (id INTEGER, email TEXT, password TEXT)');
  crm.prepare('INSERT INTO customers VALUES (7, ?, ?)').run('eve@acme.example', bcrypt.hashSync(PASSWORD, 4));
  crm.close();
  return startServer({
    dataDir,
    fixture(fixture) {
      const [acme] = fixture.organizations;
      const [shop] = acme.applications;
      Object.assign(acme, { clientId: 'acme-org', clientSecret: ORGANIZATION_SECRET });
      shop.grants = [...GRANTS];
      shop.redirectUris = [REDIRECT_URI];
      shop.scopes = ['orders.read', 'orders.write'];
      acme.applications.push({
        name: 'sites',
        clientId: 'sites',
        clientSecret: 'secret-of-sites-'.padEnd(40, 'x'),
        grants: ['password', 'token_exchange'],
        permissions: { isAdmin: true, tables: {} },
      });
      acme.faces = {
        sunbreak: { application: 'sites', registration: true },
        apiMaker: { application: 'shop' },
        usergrid: { administrators: true },
        devicehive: { application: 'shop', plugins: [{ topic: 'news', creator: 'ann' }] },
        fusio: { application: 'shop', registration: true },
      };
      acme.users[0].devicehive = { actions: ['*'] };
      acme.users[0].identities = [{ issuer: IDP, subject: 'U1' }];
      acme.identityIssuers = [{ issuer: IDP, jwks: { keys: [keys.acme.jwk] } }];
      const columns = { usernameColumn: 'email', passwordColumn: 'password', subjectColumn: 'id' };
      const table = { collection: 'customers', ...columns, passwordFormat: 'bcrypt' };
      acme.datasources = [
        {
          name: 'crm',
          kind: 'sqlite',
          file: 'crm.db',
          userTables: [{ ...table, realm: 'shop', roles: ['clerk'] }],
        },
      ];
      fixture.administrators = [{ username: 'root', password: PASSWORD, organizations: ['acme'] }];
    },
  });
}

const DATABASE_USER = {
  grant_type: 'urn:grantable:grant-type:database-user',
  instance: 'crm',
  database: 'main',
  collection: 'customers',
  username_column: 'email',
  password_column: 'password',
  username: 'eve@acme.example',
  password: PASSWORD,
};

describe('each ancestor has a name that people know:', () => {
  let server: TestServer;
  let trader: Trader;
  let client: ReturnType<typeof createClient>;
  before(async () => {
    server = await start();
    trader = createTrader(server);
    client = createClient(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const loggedIn = async (form: Record<string, string> = {}) =>
    (
      await server.post('/oauth/token', 'shop', {
        grant_type: 'password',
        username: 'ann',
        password: PASSWORD,
        ...form,
      })
    ).json;
  const connected = () => trader.connect('shop', { permissions: stored(readOrders) });
  const posted = async (path: string, body: object, token?: string) =>
    (await client.send('POST', path, body, token === undefined ? {} : client.bearer(token))).json;
  const usergrid = (body: object, path: string) => posted(path, body);
  const devicehive = () => posted('/token', { login: 'ann', password: PASSWORD });
  const site = async (domain: string) =>
    (
      await posted('/api/database/connection', {
        data: [{ email: `ada@${domain}`, password: PASSWORD, name: 'Ada' }],
        context: { domain, isNewUser: true },
      })
    ).accessToken as string;
  /** Of bob's application, what ann has through it. */
  const throughApp = async () => {
    const bob = loginOf(await client.login('bob'));
    const app = await appOf(client, bob.token, { scopes: ['authorization', 'orders'] });
    const ann = loginOf(await client.login('ann'));
    const agreed = await client.authorize(ann.token, {
      clientId: app.appKey,
      scope: 'authorization,orders',
    });
    const key = client.key(app.appKey, app.appSecret);
    return client.token({ grant_type: 'authorization_code', code: agreed.json.code }, key);
  };
  const apiMaker = async (body: object) => (await posted('/api/system-api/acme/token', body)).data;
  const eve = {
    instance: 'crm',
    database: 'main',
    collection: 'customers',
    usernameColumn: 'email',
    passwordColumn: 'password',
    u: 'eve@acme.example',
    p: PASSWORD,
  };

  /** Ways to a token, by grant or face; all of them have to be here. */
  const ways: Readonly<Record<string, Record<string, () => Promise<unknown>>>> = {
    client_credentials: {
      'of an application': async () => (await server.token('machine')).json.access_token,
      opaque: async () => (await server.token('machine', { resource: OPAQUE_RESOURCE })).json.access_token,
    },
    password: {
      'access token': async () => (await loggedIn()).access_token,
      'refresh token': async () => (await loggedIn()).refresh_token,
    },
    refresh_token: {
      'access token': async () => {
        const { refresh_token } = await loggedIn();
        const renewed = await server.post('/oauth/token', 'shop', {
          grant_type: 'refresh_token',
          refresh_token,
        });
        return renewed.json.access_token;
      },
    },
    authorization_code: {
      'access token': async () =>
        (await createFlow(server).tokens(createBrowser(server.issuer))).access_token,
    },
    database_user: {
      'access token': async () =>
        (await server.post('/oauth/token', 'shop', DATABASE_USER)).json.access_token,
      'refresh token': async () =>
        (await server.post('/oauth/token', 'shop', DATABASE_USER)).json.refresh_token,
    },
    token_exchange: {
      'of a JWT': async () =>
        (await trader.exchange('shop', (await loggedIn()).access_token)).json.access_token,
      'of an opaque token': async () => {
        const { access_token } = await loggedIn({ resource: OPAQUE_RESOURCE });
        return (await trader.exchange('shop', access_token)).json.access_token;
      },
      'of a connection token': async () =>
        (await trader.exchange('shop', (await connected()).token)).json.access_token,
      'of what came from a connection': async () => {
        const first = await trader.exchange('shop', (await connected()).token);
        return (await trader.exchange('shop', first.json.access_token)).json.access_token;
      },
    },
    identity_assertion: {
      'access token': async () => {
        const assertion = await createIssuer(server).assert({ client_id: 'shop' });
        const form = { grant_type: JWT_BEARER, assertion };
        return (await server.post('/oauth/token', 'shop', form)).json.access_token;
      },
    },
    sunbreak: {
      'of a site': async () =>
        (
          await posted(
            '/api/auth/subscribe',
            { data: [{ permissions: readOrders }] },
            await site('a.example'),
          )
        ).accessToken,
      'of a visitor': async () =>
        (
          await posted(
            '/api/auth/subscribe',
            { data: [{ permissions: readOrders, userId: 12 }] },
            await site('b.example'),
          )
        ).accessToken,
    },
    apiMaker: {
      'of a user': async () =>
        (await apiMaker({ authTokenType: 'AM', authTokenAM: { u: 'ann', p: PASSWORD } })).token,
      'of a row': async () => (await apiMaker({ authTokenType: 'AM_DB', authTokenAMDB: eve })).token,
    },
    usergrid: {
      'of a user': async () =>
        (await usergrid({ grant_type: 'password', username: 'ann', password: PASSWORD }, '/acme/shop/token'))
          .access_token,
      'of an organization': async () =>
        (
          await usergrid(
            { grant_type: 'client_credentials', client_id: 'acme-org', client_secret: ORGANIZATION_SECRET },
            '/management/token',
          )
        ).access_token,
      'of an administrator': async () =>
        (
          await usergrid(
            { grant_type: 'password', username: 'root', password: PASSWORD },
            '/management/token',
          )
        ).access_token,
    },
    devicehive: {
      'access token': async () => (await devicehive()).accessToken,
      'refresh token': async () => (await devicehive()).refreshToken,
      'of a plugin': async () =>
        (
          await posted(
            '/token/plugin/create',
            { a: [3], e: Date.now() + 60_000, t: 1, tpc: 'news' },
            (
              await devicehive()
            ).accessToken,
          )
        ).accessToken,
    },
    fusio: {
      'of a login': async () => loginOf(await client.login('ann')).token,
      'refresh token': async () => loginOf(await client.login('ann')).refresh_token,
      'after a refresh': async () =>
        loginOf(await client.renew(loginOf(await client.login('ann')).refresh_token)).token,
      'of an application': async () =>
        (await client.token({ grant_type: 'client_credentials' })).json.access_token,
      'access token through the application of another': async () => (await throughApp()).json.access_token,
      'refresh token through the application of another': async () => (await throughApp()).json.refresh_token,
    },
  };

  test('every grant and every face is among them', () => {
    const all = [...GRANTS, ...builtInFaces.map(({ name }) => name)];
    assert.deepEqual(Object.keys(ways).sort(), all.sort());
  });

  for (const [name, kinds] of Object.entries(ways)) {
    for (const [kind, make] of Object.entries(kinds)) {
      test(`${name}, ${kind}`, async () => {
        const value = await make();
        assert.equal(typeof value, 'string', `no token: ${value}`);
        const { foundations } = server.server;
        const explanation = await explainToken(String(value), foundations);
        const text = formatExplanation(explanation, foundations.now()).join('\n');
        assert.equal(explanation.active, true, text);
        assert.ok(explanation.ancestors.length > 1);
        for (const { id, what } of explanation.ancestors) {
          assert.ok(!what.includes('gone') && !what.includes(id), `${what} (${id})`);
          assert.ok(id.includes(':') === (parseNode(id) !== undefined), `${id} is not known to nodes.ts`);
        }
        assert.ok(!explanation.ancestors.some(({ state }) => state !== 'alive'), text);
      });
    }
  }
});
