/** Kinds of tokens and clients that the administration is not for, and connections, which it is for. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Application } from '../../../src/nouns/index.ts';
import { crmDatasource, writeCrm } from '../../support/crm.ts';
import { AUTHOR, createTrader, exchangeForm } from '../../support/exchange.ts';
import { freePort } from '../../support/free-port.ts';
import { PASSWORD, RESOURCE, secretOf, startServer, type TestServer } from '../../support/server.ts';
import { createIssuer, IDP, JWT_BEARER, keys } from '../../tokens/grants/assertions.ts';

const ALL = { create: true, read: true, update: true, delete: true };
const READ_USERS = JSON.stringify({ isAdmin: false, tables: { users: { read: true } } });
const KEY = { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' };
const EVE = {
  grant_type: 'urn:grantable:grant-type:database-user',
  instance: 'crm',
  database: 'main',
  collection: 'customers',
  username_column: 'email',
  password_column: 'password',
  username: 'eve@acme.example',
  password: PASSWORD,
};

describe('the administration', () => {
  let server: TestServer;
  let dataDir: string;
  let acme: string;

  before(async () => {
    const port = await freePort();
    acme = `http://localhost:${port}/admin/acme`;
    dataDir = await mkdtemp(join(tmpdir(), 'grantable-kinds-'));
    writeCrm(dataDir, PASSWORD);
    server = await startServer({
      port,
      dataDir,
      fixture({ organizations: [first] }) {
        const grants = [
          'client_credentials',
          'password',
          'token_exchange',
          'database_user',
          'identity_assertion',
        ];
        for (const [name, resource] of [
          ['console', acme],
          ['friend', acme],
          ['front', RESOURCE],
        ] as [string, string][]) {
          first.applications.push({
            name,
            clientId: name,
            clientSecret: secretOf(name),
            grants,
            realm: 'organization',
            resource,
            permissions: { tables: { '*': ALL } },
            mayExchange: ['console', 'friend', 'front'].filter((each) => each !== name),
          });
        }
        first.users.push(
          {
            username: 'olga',
            password: PASSWORD,
            roles: ['owner', 'clerk'],
            identities: [{ issuer: IDP, subject: 'olga' }],
          },
          { username: 'dan', password: PASSWORD, roles: ['developer', 'clerk'] },
        );
        first.identityIssuers = [{ issuer: IDP, jwks: { keys: [keys.acme.jwk] } }];
        first.faces = { fusio: { application: 'front' } };
        const crm = crmDatasource('console');
        Object.assign(crm.userTables[0] as object, { realm: 'shop', roles: ['owner', 'reader'] });
        first.datasources = [crm];
        first.applications.find(({ name }: any) => name === 'shop').grants.push('database_user');
      },
    });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const call = (token: string, method: string, path: string, json?: object) =>
    fetch(`${server.issuer}/admin/api/v1/organizations/acme${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(json && { 'content-type': 'application/json', 'idempotency-key': path + method }),
      },
      ...(json && { body: JSON.stringify(json) }),
    });
  const login = (client: string, form: Record<string, string> = {}) =>
    server.post('/oauth/token', client, {
      grant_type: 'password',
      username: 'olga',
      password: PASSWORD,
      permissions: READ_USERS,
      ...form,
    });

  async function application(name: string): Promise<Application> {
    const found = await server.server.foundations.store.applications.findBy('clientId', name);
    assert.ok(found);
    return found;
  }

  test('a token that is bound to a key is refused', async () => {
    const { foundations, tokens } = server.server;
    const view = await foundations.directory.view();
    const active = await view.findApplication('console');
    assert.ok(active);
    const client = { ...active, method: active.application.authMethod };
    const parameters = { username: 'olga', password: PASSWORD, permissions: READ_USERS };
    for (const sender of [undefined, KEY]) {
      const request = { view, asOf: foundations.now(), client, grantType: 'password', parameters };
      const issued = await tokens.issue({ ...request, address: '127.0.0.1', ...(sender && { sender }) });
      const { access_token: token } = issued.answer as Record<string, any>;
      const response = await call(token, 'GET', '/users');
      assert.equal(response.status, sender ? 401 : 200);
      if (sender) assert.match(await response.text(), /bound to a key/);
    }
  });

  test('an assertion of a trusted issuer gives none, and its token for data no way in', async () => {
    const ask = async (client: string, form: Record<string, string>) => {
      const assertion = await createIssuer(server).assert({ client_id: client, sub: 'olga' });
      return server.post('/oauth/token', client, { grant_type: JWT_BEARER, assertion, ...form });
    };
    assert.equal((await ask('console', { permissions: READ_USERS })).json.error, 'invalid_target');
    const { json, text } = await ask('front', {});
    assert.ok(json.access_token, text);
    const form = { ...exchangeForm(json.access_token), resource: acme, permissions: READ_USERS };
    assert.equal((await server.post('/oauth/token', 'front', form)).json.error, 'invalid_target');
  });

  test('an application that a person registered gets none, whatever its ceiling', async () => {
    const { changes, store } = server.server.foundations;
    const {
      id: _,
      number: _number,
      version: _version,
      createdAt: _at,
      ...console
    } = await application('console');
    const { secrets } = console;
    const realm = `organization:${console.organization}`;
    const olga = await store.users.findBy('username', `${realm}/olga`);
    const front = await application('front');
    for (const [name, how] of [
      ['made-by-olga', { owner: olga?.id }],
      ['made-through', { registeredThrough: front.id }],
    ] as const) {
      await changes.applications.create(
        { ...console, ...how, name, clientId: name, secrets: secrets } as never,
        AUTHOR,
      );
      const { status, json } = await server.post('/oauth/token', undefined, {
        grant_type: 'password',
        client_id: name,
        client_secret: secretOf('console'),
        username: 'olga',
        password: PASSWORD,
        permissions: READ_USERS,
        resource: acme,
      });
      assert.equal(status, 400);
      assert.equal(json.error, 'invalid_target');
    }
  });

  test('a person in a database gets none, also by a role of their user table', async () => {
    const own = await server.post('/oauth/token', 'shop', EVE);
    assert.equal(own.status, 200, own.text);
    assert.equal((await call(own.json.access_token, 'GET', '/users')).status, 401);
    const asked = { permissions: READ_USERS, resource: acme };
    assert.ok((await server.post('/oauth/token', 'shop', { ...EVE, ...asked })).status >= 400);
    const direct = await server.post('/oauth/token', 'console', { ...EVE, ...asked });
    assert.ok(direct.status >= 400, direct.text);
    const chain = await server.post('/oauth/token', 'console', exchangeForm(own.json.access_token, asked));
    assert.ok(chain.status >= 400, chain.text);
  });

  test('a login of an owner through an older API is for its resource only', async () => {
    const response = await fetch(`${server.issuer}/consumer/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'olga', password: PASSWORD }),
    });
    const { token } = (await response.json()) as { token: string };
    assert.equal(response.status, 200);
    assert.equal((await call(token, 'GET', '/users')).status, 401);
    const asked = { permissions: READ_USERS, resource: acme };
    for (const client of ['front', 'console']) {
      const { status } = await server.post('/oauth/token', client, exchangeForm(token, asked));
      assert.equal(status, 400);
    }
  });

  test('a connection that an owner makes is good for its own application only', async () => {
    const { json, text } = await login('console', {
      permissions: JSON.stringify({ isAdmin: false, tables: { connections: ALL, users: ALL } }),
    });
    assert.ok(json.access_token, text);
    const made = await call(json.access_token, 'POST', '/connections', {
      name: 'nightly',
      application: 'console',
      resource: acme,
      permissions: { tables: { users: { read: true } } },
    });
    assert.equal(made.status, 201);
    const { id } = (await made.json()) as { id: string };
    const rotated = await call(json.access_token, 'POST', `/connections/${id}/rotate`);
    const connection = (await rotated.json()) as { token: string };
    assert.equal(rotated.status, 200, JSON.stringify(connection));
    const trader = createTrader(server);
    const asked = { permissions: READ_USERS, resource: acme };
    const own = await trader.exchange('console', connection.token, asked);
    assert.equal(own.status, 200, own.text);
    assert.equal((await call(own.json.access_token, 'GET', '/users')).status, 200);
    assert.equal((await call(own.json.access_token, 'GET', '/roles')).status, 403);
    const nothing = await trader.exchange('console', connection.token, { resource: acme });
    assert.equal(nothing.status, 400, nothing.text);
    for (const client of ['friend', 'front']) {
      const { status, text: said } = await trader.exchange(client, connection.token, asked);
      assert.equal(status, 400, said);
    }
  });

  test('a developer gives a connection no more than the developer has', async () => {
    const { json } = await login('console', {
      username: 'dan',
      permissions: JSON.stringify({ isAdmin: false, tables: { connections: ALL } }),
    });
    const made = await call(json.access_token, 'POST', '/connections', {
      name: 'wider',
      application: 'console',
      resource: acme,
      permissions: { tables: { users: { read: true } } },
    });
    assert.equal(made.status, 403, await made.text());
  });
});
